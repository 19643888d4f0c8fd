"""Titles of panels and axes: words for a reader, with the unit and the better direction of a metric."""

from collections.abc import Iterable

from latentdyn.metrics import Metric


def title(words: str, metric: Metric) -> str:
    """The words; then, in brackets, the metric's unit and which way is better, where it has them."""
    unit = [] if metric.unit == "1" else [metric.unit]
    better = [] if metric.better == "neither" else [f"{metric.better} is better"]
    return f"{words} ({'; '.join([*unit, *better])})" if unit or better else words


def in_frames(words: str, durations_ms: Iterable[float | None]) -> str:
    """The words, and how long the frames are that they count, where all of them are equally long."""
    durations = known_durations(durations_ms)
    return f"{words} (frames of {durations[0]:g} ms)" if len(durations) == 1 else f"{words} (frames)"


def known_durations(durations_ms: Iterable[float | None]) -> list[float]:
    """The different durations of frames, in ms, shortest first."""
    return sorted({round(ms, 2) for ms in durations_ms if ms is not None and ms == ms})
