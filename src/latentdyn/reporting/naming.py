"""Where a kind of table lives. Light on purpose: the Snakefile asks at parse time."""


def table_module(kind: str) -> str:
    """The module that makes this kind's sheet."""
    return f"latentdyn.reporting.tables.{kind}"


def figure_module(kind: str) -> str:
    """The module that draws this kind's figure."""
    return f"latentdyn.reporting.figures.{kind}"


def view_module(kind: str) -> str:
    """The module that makes this kind's sheet and its figure."""
    return table_module(kind)
