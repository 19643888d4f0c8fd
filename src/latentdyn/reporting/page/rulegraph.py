"""Which rule's files other rules read, drawn as SVG from the records of jobs: no program is needed for it.

Rules stand in columns: each is right of those whose files it reads, as far as rules that use each other in turn allow
it. A derived representation may be derived from what was derived before.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_WIDTH, _HEIGHT, _GAP, _ROW = 158, 26, 46, 38  # of a box; between columns; from row to row
_INK, _LINE, _PAPER = "#1d2733", "#7a8794", "#f3f6f9"


def rule_levels(jobs: Iterable[Mapping[str, Any]]) -> tuple[dict[str, int], set[tuple[str, str]]]:
    """The column of each rule, and the pairs of rules of which the second reads what the first writes.

    Args:
        jobs: rule, inputs and outputs of each; of an output that was made twice, the later job counts.
    """
    made_by = {file: job for job in jobs if job.get("outputs") for file in job["outputs"]}
    depths: dict[str, int] = {}
    every = list({id(job): job for job in made_by.values()}.values())
    sources = {id(job): {id(made_by[f]): made_by[f] for f in job["inputs"] if f in made_by} for job in every}
    depth: dict[int, int] = {}

    def depth_of(job: Mapping[str, Any]) -> int:
        if id(job) not in depth:
            depth[id(job)] = 0  # records of several runs might form a ring
            depth[id(job)] = 1 + max((depth_of(source) for source in sources[id(job)].values()), default=-1)
        return depth[id(job)]

    pairs = set()
    for job in every:
        rule = str(job["rule"])
        depths[rule] = min(depth_of(job), depths.get(rule, depth_of(job)))
        pairs |= {(str(source["rule"]), rule) for source in sources[id(job)].values() if source["rule"] != rule}
    return depths, pairs


def rulegraph(jobs: Iterable[Mapping[str, Any]]) -> str:
    """An SVG of the rules, left to right; "" where no job is known."""
    levels, pairs = rule_levels(jobs)
    if not levels:
        return ""
    columns = [[rule for rule in levels if levels[rule] == level] for level in sorted(set(levels.values()))]
    tallest = max(map(len, columns))
    places = {
        rule: (x * (_WIDTH + _GAP), _ROW * (y + (tallest - len(column)) / 2))
        for x, column in enumerate(columns)
        for y, rule in enumerate(column)
    }
    size = len(columns) * (_WIDTH + _GAP) - _GAP, tallest * _ROW
    lines = [_curve(places[a], places[b]) for a, b in sorted(pairs)]
    boxes = [_box(rule, *place) for rule, place in places.items()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0] + 4}" height="{size[1]}" '
        f'viewBox="-2 -2 {size[0] + 4} {size[1]}" font-family="sans-serif" font-size="12">'
        f'<rect x="-2" y="-2" width="100%" height="100%" fill="white"/>{"".join(lines + boxes)}</svg>'
    )


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = (start[0] + _WIDTH, start[1] + _HEIGHT / 2), (end[0], end[1] + _HEIGHT / 2)
    bend = max(_GAP, (x2 - x1) / 2)
    path = f"M{x1:g} {y1:g} C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    return f'<path d="{path}" fill="none" stroke="{_LINE}" stroke-opacity="0.6"/>'


def _box(rule: str, x: float, y: float) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="4" fill="{_PAPER}" stroke="{_LINE}"/>'
        f'<text x="{x + _WIDTH / 2:g}" y="{y + 17:g}" text-anchor="middle" fill="{_INK}">{escape(rule)}</text>'
    )
