"""Differences between rows, with the interval of the difference: both rows are resampled by the same speakers.

Two rows may differ although their intervals overlap: a speaker who is hard for one is hard for the other. The
predictors of each representation are compared pair by pair, and each representation with its surrogates.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.errors import UserError
from latentdyn.metrics import metric as listed
from latentdyn.reporting.measurements import Measurements, unmeasured
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DECIMALS = {"a_value": 3, "b_value": 3, "difference": 3, "ci_low": 3, "ci_high": 3}


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row, rows were measured on different speakers, or there is none.
    """
    directions = [f"`{name}` the {listed(name).better}" for name in table["metrics"]]
    notes = [
        f"Corpus `{plan['corpus']}`. `difference` is a - b of two means over the same frames. Its interval is a 95 % "
        "bootstrap that draws the same speakers for both. `decided` says whether the interval excludes 0. Several "
        "seeds are pooled: the interval tells about other speakers, not about other training runs.",
        f"Of two values, in {', in '.join(directions)} is better. Where a metric is not measured (`level_gain` beyond "
        "k = 1), there is no row.",
    ]
    return Sheet(paired_rows(measured, table), notes, _DECIMALS)


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A panel for each metric: a - b with its interval, one line a pair, split and horizon."""
    from matplotlib.figure import Figure

    rows = paired_rows(measured, table)
    metrics = [metric for metric in table["metrics"] if (rows["metric"] == metric).any()]
    longest = max(int((rows["metric"] == metric).sum()) for metric in metrics)
    figure = Figure(figsize=(9 * len(metrics), 1.5 + 0.22 * longest), layout="constrained")
    for metric, axis in zip(metrics, figure.subplots(1, len(metrics), squeeze=False)[0], strict=True):
        mine = rows[rows["metric"] == metric].iloc[::-1]
        names = [f"{r.a} - {r.b}, {r.split}, k = {r.k}" for r in mine.itertuples()]
        # not error bars: a percentile interval need not contain the difference
        axis.hlines(range(len(mine)), mine["ci_low"], mine["ci_high"], linewidth=1)
        axis.plot(mine["difference"], range(len(mine)), "o", markersize=3)
        axis.set_yticks(range(len(mine)), names, fontsize=7)
        axis.axvline(0, color="0.6", linewidth=0.6)
        axis.set_title(title(f"difference in {metric}, 95 % interval over speakers", listed(metric)), fontsize=10)
    return figure


def paired_rows(measured: Measurements, table: dict[str, Any]) -> pd.DataFrame:
    """A row for each pair, split, horizon and metric."""
    rows = []
    for a, b in _pairs(table):
        for split in table["splits"]:
            for k in table["horizons"]:
                sides = []
                for r, p in (a, b):
                    row = {"representation": r, "predictor": p, "split": split}
                    sides.append(measured.of_row(**row, seed=table["seeds"], slice="all", horizon=k))
                    if sides[-1].records.empty:
                        raise unmeasured({**row, "k": k})
                for metric in table["metrics"]:
                    difference = sides[0].difference(sides[1], metric)
                    if difference is None:
                        continue
                    rows.append(
                        {
                            "a": "/".join(a),
                            "b": "/".join(b),
                            "split": split,
                            "k": k,
                            "metric": metric,
                            "a_value": sides[0].over_seeds(metric),
                            "b_value": sides[1].over_seeds(metric),
                            "difference": difference.value,
                            "ci_low": difference.ci_low,
                            "ci_high": difference.ci_high,
                            "decided": "yes" if difference.ci_low > 0 or difference.ci_high < 0 else "no",
                        }
                    )
    if not rows:
        raise UserError(
            "the table has no row: there is no pair, or none of its metrics is measured at its horizons",
            "predictors, surrogates, metrics and horizons of the paired table",
            "name two predictors or a surrogate, and level_gain only with k = 1",
        )
    return pd.DataFrame(rows)


def _pairs(table: dict[str, Any]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    for representation in table["representations"]:
        for p, q in combinations(table["predictors"], 2):
            yield (representation, p), (representation, q)
        for method in table["surrogates"]:
            for p in table["predictors"]:
                yield (representation, p), (f"{representation}__{method}", p)
