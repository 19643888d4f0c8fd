"""The figure of the table by step is that of the pooled one: it shows the steps."""

from latentdyn.reporting.figures.injection import draw

__all__ = ["draw"]
