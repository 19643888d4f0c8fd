"""Where a kind of derived representation lives. Light on purpose: the Snakefile asks at parse time."""


def transform_module(kind: str) -> str:
    """The module that holds a kind of derived representation, in its `TRANSFORM`; a rule's code digest names it."""
    return f"latentdyn.representations.{kind}"
