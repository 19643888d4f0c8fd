"""Records as they are: a row for each place that was measured, a column for each metric with its interval.

Kinds of tables whose numbers need no arithmetic between rows are shown by this view. Their class in the config says
what a reader must know (`PlainTable`); the metrics say the rest themselves.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.metrics import metric as listed
from latentdyn.reporting.measurements import Measurements, unmeasured
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
_ALWAYS = ("representation", "split")
_BOUNDS = ("ci_low", "ci_high")


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table.

    Args:
        measured: of all its rows. table: its section of the config. plan: `Plan`, and `shown` of `PlainTable`.

    Raises:
        UserError: nothing was measured for a representation, a split or a slice.
    """
    rows, metrics = _rows(measured, table, plan)
    shown = plan["shown"]
    sentences = [f"`{name}` ({listed(name).unit}): {listed(name).sentence}" for name in metrics]
    notes = [f"Corpus `{plan['corpus']}`. {shown['about']}", " ".join(sentences)]
    if any(f"{name}_ci_low" in rows for name in metrics):
        notes.append("Intervals are 95 % bootstraps over speakers.")
    if any(name.startswith("published_") for name in rows):
        notes.append("Published values are of other speech and other training runs: compare, never mix.")
    decimals = {name: listed(name.removeprefix("published_")).decimals for name in rows if _is_metric(name, metrics)}
    caption = f"{shown['caption']}, corpus {plan['corpus']}."
    return Sheet(rows, notes, {"sigma": 3, **decimals}, caption=caption, columns=_for_people(rows, metrics, shown))


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A panel for each metric that the kind of table draws: lines over its `axis`, else a bar for each row."""
    from matplotlib.figure import Figure

    rows, metrics = _rows(measured, table, plan)
    axis_name = _PLACES.get(plan["shown"]["axis"] or "", "")
    drawn = [name for name in plan["shown"]["drawn"] or metrics[:1] if name in rows]
    names = [name for name in _PLACES.values() if name in rows and name != axis_name]
    lines = axis_name in rows and rows[axis_name].notna().any()
    height = 5.0 if lines else 1.5 + 0.25 * len(rows)
    figure = Figure(figsize=(6.5 * len(drawn), height), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        panel.set_title(title(name, listed(name)), fontsize=10)
        (_lines if lines else _bars)(panel, rows, names, axis_name, name)
    if lines:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _lines(panel: Any, rows: pd.DataFrame, names: list[str], axis: str, metric: str) -> None:
    for color, (place, line) in enumerate(rows.groupby(names, sort=False, dropna=False)):
        label = ", ".join(str(value) for value in place if pd.notna(value))
        if line[axis].isna().all():  # it does not depend on the axis
            panel.axhline(line[metric].iloc[0], color=f"C{color}", linestyle="--", linewidth=1, label=label)
            continue
        line = line.astype({axis: float, metric: float})
        panel.plot(line[axis], line[metric], marker="o", markersize=3, color=f"C{color}", label=label)
        if (low := f"{metric}_ci_low") in line:
            bounds = (line[low].astype(float), line[f"{metric}_ci_high"].astype(float))
            panel.fill_between(line[axis], *bounds, color=f"C{color}", alpha=0.15, linewidth=0)
    panel.set_xlabel(axis)


def _bars(panel: Any, rows: pd.DataFrame, names: list[str], axis: str, metric: str) -> None:
    told = [name for name in names if rows[name].nunique(dropna=False) > 1] or names[:1]
    labels = [", ".join(str(value) for value in place if pd.notna(value)) for place in rows[told].to_numpy()]
    places = range(len(rows))
    panel.plot(rows[metric].astype(float), places, "o", markersize=4)
    if (low := f"{metric}_ci_low") in rows:
        panel.hlines(places, rows[low].astype(float), rows[f"{metric}_ci_high"].astype(float), linewidth=1)
    panel.set_yticks(places, labels, fontsize=8)
    panel.invert_yaxis()
    panel.grid(axis="x", color="0.9")


def _rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> tuple[pd.DataFrame, list[str]]:
    """The rows, and the metrics that they hold in the order of the records."""
    asked = {name: table[f"{name}s"] for name in ("split", "slice") if f"{name}s" in table}
    for representation in plan["rows"]:
        for place, values in asked.items():
            for value in values:
                if measured.where(representation=representation, **{place: value}).records.empty:
                    raise unmeasured({"representation": representation, place: value})
    here = measured.where(**asked)
    order = {name: i for i, name in enumerate(plan["rows"])}
    records = here.records.assign(_order=here.records.representation.map(order)).sort_values("_order", kind="stable")
    metrics = list(dict.fromkeys(records.metric))
    if not metrics:
        raise unmeasured({"representation": plan["rows"][0] if plan["rows"] else "none"})
    rows = []
    for place, mine in records.groupby(list(_PLACES), sort=False, dropna=False):
        where = {name: value for name, value in zip(_PLACES, place, strict=True) if pd.notna(value)}
        rows.append(_row(replace(here, records=mine), where, metrics, table, plan))
    return _tidy(pd.DataFrame(rows)), metrics


def _row(
    mine: Measurements, where: dict[str, Any], metrics: list[str], table: dict[str, Any], plan: dict[str, Any]
) -> dict[str, Any]:
    row: dict[str, Any] = {column: where.get(name) for name, column in _PLACES.items()}
    if row["by"] == row["representation"]:  # nothing else measured it
        row["by"] = None
    row["n"] = int(mine.records.n.iloc[0])
    kinds = plan["kinds"]
    kind = {**kinds["predictors"], **kinds["keys"]}.get(where["by"], "representation")
    spot: dict[str, Any] = {name: where.get(name) for name in ("split", "slice", "horizon", "mode", "step")}
    for metric in metrics:
        row[metric] = mine.over_seeds(metric)
        row |= {f"{metric}_{bound}": mine.over_seeds(metric, bound) for bound in _BOUNDS}
        if len(table["seeds"]) > 1 and row["by"] is not None:
            row[f"{metric}_seed_sd"] = mine.over_seeds(metric, reduce=_sd)
        lineage = kinds["representations"][where["representation"]]
        row[f"published_{metric}"] = published(mine, metric, lineage=lineage, by=kind, **spot)
    return row


def _sd(values: Any) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _tidy(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the columns that say nothing: never measured, or a slice that is everything."""
    rows = rows.dropna(axis="columns", how="all")
    if "slice" in rows and (rows["slice"] == "all").all():
        rows = rows.drop(columns="slice")
    return rows


def _is_metric(name: str, metrics: list[str]) -> bool:
    of_it = {f"{m}_{end}" for m in metrics for end in (*_BOUNDS, "seed_sd")}
    return name.removeprefix("published_") in {*metrics, *of_it}


def _for_people(rows: pd.DataFrame, metrics: list[str], shown: dict[str, Any]) -> list[str]:
    """The columns of Markdown and LaTeX: places that differ between rows, n, and the metrics that are chosen."""
    chosen = shown["columns"] or metrics
    kept = {end for m in chosen for end in (m, f"{m}_ci_low", f"{m}_ci_high", f"published_{m}")}
    places = [p for p in _PLACES.values() if p in rows and (p in _ALWAYS or rows[p].nunique(dropna=False) > 1)]
    return [*places, "n", *(name for name in rows if name in kept)]
