"""Records as they are: a row for each place that was measured, a column for each metric with its interval.

Kinds of tables whose numbers need no arithmetic between rows are shown by this view. Their class in the config says
what a reader must know (`PlainTable`); the metrics say the rest themselves.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentdyn.metrics import metric as listed
from latentdyn.reporting.looks import legend_below, look, named_in
from latentdyn.reporting.measurements import Measurements, as_columns, unmeasured
from latentdyn.reporting.published import published
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# what a row is of, in the order of columns, and what the column is called
_PLACES = {
    "representation": "representation", "by": "by", "split": "split", "slice": "slice", "horizon": "k", "mode": "mode",
    "step": "step", "clusters": "clusters", "correction": "correction", "langevin_steps": "langevin_steps",
    "sigma": "sigma",
}  # fmt: skip
_BOUNDS = ("ci_low", "ci_high")


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table.

    Args:
        measured: of all its rows. table: its section of the config. plan: `Plan`, and `shown` of `PlainTable`.

    Raises:
        UserError: nothing was measured for a representation, a split or a slice.
    """
    rows, columns = _rows(measured, table, plan)
    shown = plan["shown"]
    metrics = dict.fromkeys(columns.values())
    sentences = [f"`{name}` ({listed(name).unit}): {listed(name).sentence}" for name in metrics]
    notes = [f"Corpus `{plan['corpus']}`. {shown['about']}", " ".join(sentences)]
    if any(f"{name}_ci_low" in rows for name in columns):
        notes.append("Intervals are 95 % bootstraps over speakers.")
    differences = {f"{d['metric']}_over_{d['name']}": d["metric"] for d in shown["differences"]}
    if told := ", ".join(f"`{column}`" for column in differences if column in rows):
        notes.append(
            f"{told}, in the CSV: how much more a row has than the one beside it, over the same resampled speakers. A "
            "speaker with a score that could not be given to both is left out."
        )
    if any(name.startswith("published_") for name in rows):
        notes.append("Published values are of other speech and other training runs: compare, never mix.")
    decimals = {"sigma": 3}
    for column, metric in columns.items():
        of_it = (column, *(f"{column}_{end}" for end in (*_BOUNDS, "seed_sd")), f"published_{column}")
        decimals |= {name: listed(metric).decimals for name in of_it if name in rows}
    for column, metric in differences.items():
        of_it = (column, *(f"{column}_{end}" for end in _BOUNDS))
        decimals |= {name: listed(metric).decimals for name in of_it if name in rows}
    caption = f"{shown['caption']}, corpus {plan['corpus']}."
    return Sheet(rows, notes, decimals, caption=caption, columns=_for_people(rows, columns, shown))


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A panel for each metric that the kind of table draws: lines over its `axis`, else a bar for each row."""
    from matplotlib.figure import Figure

    rows, columns = _rows(measured, table, plan)
    axis = _PLACES.get(plan["shown"]["axis"] or "", "")
    chosen = plan["shown"]["drawn"] or list(dict.fromkeys(columns.values()))[:1]
    drawn = [column for column, metric in columns.items() if metric in chosen and rows[column].notna().any()]
    names = [name for name in _PLACES.values() if name in rows and name != axis]
    lines = axis in rows and rows[axis].notna().any()
    height = 4.0 if lines else 1.2 + 0.2 * len(rows)
    width = 6.5 * len(drawn) if lines else 3.0 + 2.3 * len(drawn)
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(1, len(drawn), squeeze=False, sharey=not lines)[0]
    for panel, column in zip(panels, drawn, strict=True):
        panel.set_title(title(column, listed(columns[column])).replace(" (", "\n("), fontsize=10)
        if lines:
            _lines(panel, rows, names, axis, column)
        else:
            _bars(panel, rows, names, column)
    if not lines:
        panels[0].invert_yaxis()  # all share it
    if lines:
        legend_below(figure, named_in(figure.axes[0]))
    return figure


def _lines(panel: Any, rows: pd.DataFrame, names: list[str], axis: str, column: str) -> None:
    for number, (place, line) in enumerate(rows.groupby(names, sort=False, dropna=False)):
        line = line[line[column].notna()].astype({axis: float, column: float})
        label, style = ", ".join(str(value) for value in place if pd.notna(value)), look(number)
        if line.empty:
            continue
        if line[axis].isna().all():  # it does not depend on the axis
            panel.axhline(line[column].iloc[0], **{**style, "marker": ""}, linewidth=1, label=label)
            continue
        panel.plot(line[axis], line[column], markersize=3.5, label=label, **style)
        if (low := f"{column}_ci_low") in line:
            bounds = (line[low].astype(float), line[f"{column}_ci_high"].astype(float))
            panel.fill_between(line[axis], *bounds, color=style["color"], alpha=0.15, linewidth=0)
    panel.set_xlabel(axis)


def _bars(panel: Any, rows: pd.DataFrame, names: list[str], column: str) -> None:
    told = [name for name in names if rows[name].nunique(dropna=False) > 1] or names[:1]
    labels = [", ".join(str(value) for value in place if pd.notna(value)) for place in rows[told].to_numpy()]
    places = range(len(rows))
    panel.plot(rows[column].astype(float), places, "o", markersize=4)
    if (low := f"{column}_ci_low") in rows:
        panel.hlines(places, rows[low].astype(float), rows[f"{column}_ci_high"].astype(float), linewidth=1)
    panel.set_yticks(places, labels, fontsize=8)
    panel.grid(axis="x", color="0.9")


def _rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows, and which metric each of their columns with numbers is."""
    asked = {name: table[f"{name}s"] for name in ("split", "slice") if f"{name}s" in table}
    for representation in plan["rows"]:
        for place, values in asked.items():
            for value in values:
                if measured.where(representation=representation, **{place: value}).records.empty:
                    raise unmeasured({"representation": representation, place: value})
    here = measured.where(representation=plan["rows"], **asked)
    if len(absent := set(plan["rows"]) - {*here.records.representation}) or not plan["rows"]:
        raise unmeasured({"representation": ", ".join(sorted(absent)) or "none"})
    order = {name: i for i, name in enumerate(plan["rows"])}
    records = here.records.assign(_order=here.records.representation.map(order)).sort_values("_order", kind="stable")
    across = plan["shown"]["across"]
    rows, columns = [], {}
    for place, mine in records.groupby([p for p in _PLACES if p != across], sort=False, dropna=False):
        where = {p: v for p, v in zip((p for p in _PLACES if p != across), place, strict=True) if pd.notna(v)}
        row: dict[str, Any] = {column: where.get(name) for name, column in _PLACES.items()}
        if row["by"] == row["representation"]:  # nothing else measured it
            row["by"] = None
        row["n"] = int(mine.n.iloc[0])
        for suffix, at, found in _parts(mine, across):
            part, seeds = replace(here, records=found), found.seed.nunique()
            for metric in dict.fromkeys(found.metric):
                columns[column := f"{metric}{suffix}"] = metric
                row |= _values(part, metric, column, {**where, **at}, plan)
                if seeds > 1:
                    row[f"{column}_seed_sd"] = part.over_seeds(metric, reduce=_sd)
        row |= _differences(here, where, plan["shown"]["differences"])
        rows.append(row)
    made = pd.DataFrame(rows).dropna(axis="columns", how="all")
    if "slice" in made and (made["slice"] == "all").all():
        made = made.drop(columns="slice")
    return made, {column: metric for column, metric in columns.items() if column in made}


def _parts(mine: pd.DataFrame, across: str | None) -> Iterator[tuple[str, dict[str, Any], pd.DataFrame]]:
    """Of a row's records: what the names of their columns end in, where else they are of, and they themselves."""
    if across is None:
        yield "", {}, mine
        return
    yield "", {}, mine[mine[across].isna()]
    for value, found in mine[mine[across].notna()].groupby(across):
        yield f"_{value:g}" if isinstance(value, float) else f"_{value}", {across: value}, found


def _values(
    mine: Measurements, metric: str, column: str, where: dict[str, Any], plan: dict[str, Any]
) -> dict[str, Any]:
    kinds = plan["kinds"]
    kind = {**kinds["predictors"], **kinds["keys"]}.get(where["by"], "representation")
    spot: dict[str, Any] = {name: where.get(name) for name in ("split", "slice", "horizon", "mode", "step")}
    values: dict[str, Any] = {column: mine.over_seeds(metric)}
    values |= {f"{column}_{bound}": mine.over_seeds(metric, bound) for bound in _BOUNDS}
    lineage = kinds["representations"][where["representation"]]
    return values | {f"published_{column}": published(mine, metric, lineage=lineage, by=kind, **spot)}


def _differences(here: Measurements, where: dict[str, Any], differences: list[dict[str, str]]) -> dict[str, Any]:
    """What a row has more than other rows that its kind of table compares it with."""
    found: dict[str, Any] = {}
    mode = where.get("mode", "")
    for wanted in differences:
        if not mode.startswith(wanted["of"]):
            continue
        other = wanted["other"].replace("*", mode.removeprefix(wanted["of"]))
        metric = wanted["metric"]
        mine, theirs = (here.where(**{**where, "mode": name}) for name in (mode, other))
        if more := mine.difference_of_scores(theirs, metric):
            found |= as_columns(more, f"{metric}_over_{wanted['name']}")
    return found


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _for_people(rows: pd.DataFrame, columns: dict[str, str], shown: dict[str, Any]) -> list[str]:
    """The columns of Markdown and LaTeX: places that differ between rows, n, and the metrics that are chosen."""
    chosen = [column for column, metric in columns.items() if metric in (shown["columns"] or columns.values())]
    kept = {end for c in chosen for end in (c, f"{c}_ci_low", f"{c}_ci_high", f"published_{c}")}
    places = [p for p in _PLACES.values() if p in rows and (p == "representation" or rows[p].nunique(dropna=False) > 1)]
    return [*places, "n", *(name for name in rows if name in kept)]
