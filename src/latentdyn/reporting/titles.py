"""Titles of panels and axes: words for a reader, with the unit and the better direction of a metric."""

from latentdyn.metrics import Metric


def title(words: str, metric: Metric) -> str:
    """The words; then, in brackets, the metric's unit and which way is better, where it has them."""
    unit = [] if metric.unit == "1" else [metric.unit]
    better = [] if metric.better == "neither" else [f"{metric.better} is better"]
    return f"{words} ({'; '.join([*unit, *better])})" if unit or better else words
