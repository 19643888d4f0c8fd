"""Where a kind of model lives. Light on purpose: the Snakefile asks at parse time."""


def model_module(kind: str) -> str:
    """The module that holds, in its `FITTING`, how this kind is fitted: what a rule adds to its code digest."""
    return f"latentdyn.models.{kind}.fitting"
