"""Where a kind of table lives. Light on purpose: the Snakefile asks at parse time."""


def view_module(kind: str) -> str:
    """The module that makes this kind's sheet and draws its figure."""
    return f"latentdyn.reporting.views.{kind}"
