"""Where a kind of predictor lives. Light on purpose: the Snakefile asks at parse time."""


def predictor_module(kind: str) -> str:
    """The module that holds, in its `PREDICTOR`, a kind of predictor: what a rule adds to its code digest."""
    return f"latentdyn.predictors.{kind}"
