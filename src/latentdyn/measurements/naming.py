"""Where a kind of measurement lives. Light on purpose: the Snakefile asks at parse time."""


def measurement_module(kind: str) -> str:
    """The module that measures."""
    return f"latentdyn.measurements.{kind}"
