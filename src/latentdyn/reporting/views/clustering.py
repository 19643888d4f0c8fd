"""The Phase 0 table (seed 000 §2, 001 §1, 004 §2): what a cluster of contexts tells, beside permuted labels.

A row is a representation (or a surrogate of one), a key or a predictor, a number of clusters, a split and a slice.
Predictors, at k = 1 on the same frames, show what the whole context tells.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.metrics import ENTROPY_REDUCTION, VARIANCE_RATIO_HELD_OUT
from latentdyn.metrics import metric as listed
from latentdyn.reporting.looks import legend_below, look, named_in
from latentdyn.reporting.measurements import Measurements, unmeasured
from latentdyn.reporting.published import published
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RECORDS = ("variance_ratio", "variance_ratio_permuted", "variance_ratio_held_out", "entropy_reduction",
            "entropy_reduction_permuted", "label_entropy", "mass_excluded", "clusters_used")  # fmt: skip
_PUBLISHED = {"published_ratio": "variance_ratio", "published_random": "variance_ratio_permuted"}
_INTERVALS = ("variance_ratio", "variance_ratio_held_out", "entropy_reduction")


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row.
    """
    rows = clustering_rows(measured, table, plan).dropna(axis="columns", how="all")
    notes = [
        f"Corpus `{plan['corpus']}`. Contexts (W frames up to x_t-1) are clustered. `variance_ratio` is the sum of "
        "squares of Δx within clusters over the total sum of squares, both about means of the same frames. "
        "`.._permuted` is the same with labels permuted among these frames. The clusters explain 1 - `variance_ratio` "
        "/ `.._permuted`.",
        "`.._held_out` is about the means of training clusters and can exceed 1. `.._top{m}` is the ratio along the "
        "first m principal axes of training deltas. Along them lies `explained_variance_top{m}` of the variance of Δx.",
        "`entropy_reduction` (nats/frame, positive is good) is the NLL of one diagonal Gaussian less that of a "
        "Gaussian for each cluster. `mass_excluded` is the share of frames in clusters with too few training frames.",
        "Rows of predictors are on the same frames at k = 1. Their `variance_ratio_held_out` is 1 - R² of E[Δx|c], and "
        "their `entropy_reduction` is -ΔNLL. Intervals are 95 % bootstraps over speakers. Everything that is fitted "
        "saw training speakers only.",
    ]
    if "published_ratio" in rows:
        notes.append(
            "Published: seed documents 002 §1 and 004 §2 (Mimi; one value for 64 to 256 clusters, one for random "
            "labels)."
        )
    counts = ("clusters", "clusters_used")  # floats only where a row has none
    floats = [name for name in rows if rows[name].dtype == float and name not in counts]
    return Sheet(
        rows,
        notes,
        {name: listed(_PUBLISHED.get(name, name)).decimals for name in floats},
        caption=f"What clusters of contexts tell about the next step, corpus {plan['corpus']}.",
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """Two panels over the number of clusters: held-out variance ratio and entropy reduction, with 95 % bands.

    A line for each representation, key, split and slice; predictors, which have no clusters, are horizontal lines.
    """
    from matplotlib.figure import Figure

    rows = clustering_rows(measured, table, plan)
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    titles = {
        "variance_ratio_held_out": title("variance ratio by means of training clusters", VARIANCE_RATIO_HELD_OUT),
        "entropy_reduction": title("entropy reduction", ENTROPY_REDUCTION),
    }
    groups = rows.groupby(["representation", "by", "split", "slice"], sort=False)
    for axis, metric in zip(figure.subplots(1, 2), titles, strict=True):
        for number, (names, line) in enumerate(groups):
            style = look(number)
            label = ", ".join(names if names[-1] != "all" else names[:-1])
            if line["clusters"].isna().all():
                axis.axhline(line[metric].iloc[0], **{**style, "marker": ""}, linewidth=1, label=label)
                continue
            axis.plot(line["clusters"], line[metric], markersize=3.5, label=label, **style)
            low, high = line[f"{metric}_ci_low"].astype(float), line[f"{metric}_ci_high"].astype(float)
            axis.fill_between(line["clusters"], low, high, color=style["color"], alpha=0.15, linewidth=0)
        axis.axhline(1 if "ratio" in metric else 0, color="0.6", linewidth=0.6)
        axis.set_xscale("log", base=2)
        axis.set_xlim(rows["clusters"].min() / 1.2, rows["clusters"].max() * 1.2)  # a panel without a point has none
        axis.set_xlabel("clusters")
        axis.set_title(titles[metric], fontsize=10)
    legend_below(figure, named_in(figure.axes[0]))
    return figure


def clustering_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """A row for each key and cluster count, then for each predictor, of each representation, split and slice."""
    rows = []
    for representation in plan["rows"]:
        for split in table["splits"]:
            for slice_ in table["slices"]:
                where = {"representation": representation, "split": split, "slice": slice_}
                for key in table["keys"]:
                    rows += _key_rows(measured.where(**where, by=key), where, key, plan)
                for predictor in table["predictors"]:
                    here = measured.where(**where, by=predictor, horizon=1, seed=table["seeds"])
                    rows.append(_predictor_row(here, where, predictor))
    return pd.DataFrame(rows)


def _key_rows(here: Measurements, where: dict[str, Any], key: str, plan: dict[str, Any]) -> list[dict[str, Any]]:
    counts = sorted(here.records["clusters"].dropna().unique())
    if not counts:
        raise unmeasured({**where, "by": key})
    rows = []
    for n_clusters in counts:
        mine = here.where(clusters=n_clusters)
        row: dict[str, Any] = {**where, "by": key, "clusters": int(n_clusters)}
        row["n"] = int(mine.records.n[mine.records.metric == "mass_excluded"].iloc[0])
        for metric in _RECORDS:
            row[metric] = mine.over_seeds(metric)
            if metric in _INTERVALS:
                row |= {f"{metric}_ci_{bound}": mine.over_seeds(metric, f"ci_{bound}") for bound in ("low", "high")}
        row |= {name: mine.over_seeds(name) for name in sorted(set(mine.records.metric)) if "_top" in name}
        place = {"split": where["split"], "slice": where["slice"], "horizon": 1}
        kinds = {"lineage": plan["kinds"]["representations"][where["representation"]], "by": plan["kinds"]["keys"][key]}
        row |= {column: published(mine, metric, **kinds, **place) for column, metric in _PUBLISHED.items()}
        rows.append(row)
    return rows


def _predictor_row(here: Measurements, where: dict[str, Any], predictor: str) -> dict[str, Any]:
    if here.records.empty:
        raise unmeasured({**where, "by": predictor})
    counted = here.records[here.records.metric == "r2_delta"]
    row: dict[str, Any] = {**where, "by": predictor, "n": int(counted.n.iloc[0])}
    for metric in sorted({name for name in here.records.metric if name.startswith("r2_delta")}):
        name = metric.replace("r2_delta_top", "variance_ratio_top").replace("r2_delta", "variance_ratio_held_out")
        row[name] = _one_less(here.over_seeds(metric))
    row["variance_ratio_held_out_ci_low"] = _one_less(here.over_seeds("r2_delta", "ci_high"))
    row["variance_ratio_held_out_ci_high"] = _one_less(here.over_seeds("r2_delta", "ci_low"))
    gain, low, high = (here.over_seeds("dnll", column) for column in ("value", "ci_low", "ci_high"))
    row["entropy_reduction"] = None if gain is None else -gain
    row["entropy_reduction_ci_low"] = None if high is None else -high
    row["entropy_reduction_ci_high"] = None if low is None else -low
    return row


def _one_less(value: float | None) -> float | None:
    return None if value is None else 1 - value
