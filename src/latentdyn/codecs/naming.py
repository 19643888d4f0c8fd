"""Where a kind of codec lives. Light on purpose: the Snakefile asks at parse time."""


def codec_module(kind: str) -> str:
    """The module that holds a kind of codec, in its `CODEC`: what a rule adds to its code digest."""
    return f"latentdyn.codecs.{kind}"
