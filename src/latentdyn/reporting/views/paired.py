"""Differences between rows, with the interval of the difference: both rows are resampled by the same speakers.

Two rows may differ although their intervals overlap: a speaker who is hard for one is hard for the other. The
predictors of each representation are compared pair by pair, each representation with its surrogates, and
representations with each other if their frames last equally long.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.metrics import CONTEXT_GAIN, CONTEXT_GAIN_PER_DIM, DNLL, DNLL_PER_DIM, NLL, R2_DELTA
from latentdyn.metrics import metric as listed
from latentdyn.reporting.measurements import Comparison, Measurements, combined, unmeasured
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title
from latentdyn.reporting.transfer import corpus_named, notes_on_transfer, with_origin

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Row = tuple[str, str]  # representation and predictor
_DECIMALS = {"a_value": 3, "b_value": 3, "difference": 3, "ci_low": 3, "ci_high": 3}


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row, rows were measured on different speakers, or there is none.
    """
    directions = [f"`{name}` the {listed(name).better}" for name in table["metrics"]]
    notes = [
        f"Corpus `{plan['corpus']}`. `difference` is a - b of two means over the same frames, followed by a 95 % "
        "bootstrap interval that draws the same speakers for both. Where the interval excludes 0, `better` says which "
        "of the two is better. Several seeds are pooled: the interval tells about other speakers, not about other "
        "training runs.",
        f"Of two values, in {', in '.join(directions)} is better. Where a metric is not measured (`level_gain` beyond "
        "k = 1), there is no row.",
    ]
    if len(table["representations"]) > 1:
        notes.append(
            "Between representations only what does not depend on the units of the latents is compared. `context_gain` "
            "is the nats that the context tells about a frame: no invertible linear map of the latents changes it. "
            "`dnll` and `level_gain` are nats against each representation's own Gaussian, and part of them is what its "
            "dimensions share without any context. `.._per_dim` says it for each dimension. `cosine` and `r2_delta` "
            "are ratios; smooth latents score low in them at k = 1, where white noise has a cosine of up to .707. "
            "`nll` depends on the units, so there is no row of it."
        )
        notes += _of_other_rates(measured, table)
    rows = paired_rows(measured, table)
    return Sheet(
        with_origin(rows, table),
        [*notes_on_transfer(measured, table, plan), *notes],
        _DECIMALS,
        columns=[name for name in rows if name != "decided"],
        caption=f"Paired differences a - b, corpus {corpus_named(table, plan)}.",
        by=("a", "b", "split"),
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A panel for each metric: a - b with its interval, one line a pair, split and horizon."""
    from matplotlib.figure import Figure

    rows = paired_rows(measured, table)
    metrics = [metric for metric in table["metrics"] if (rows["metric"] == metric).any()]
    names = [f"{r.a} - {r.b}, {r.split}, k = {r.k}" for r in rows.itertuples()]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    figure = Figure(figsize=(4.0 + 3.0 * len(metrics), 1.2 + 0.15 * len(places)), layout="constrained")
    panels = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    panels[0].set_yticks(range(len(places)), places, fontsize=7)
    panels[0].set_ylim(len(places) - 0.3, -0.7)
    for metric, axis in zip(metrics, panels, strict=True):
        mine = rows[rows["metric"] == metric]
        at = [places[names[row]] for row in np.flatnonzero(rows["metric"] == metric)]
        # not error bars: a percentile interval need not contain the difference
        axis.hlines(at, mine["ci_low"], mine["ci_high"], linewidth=1)
        axis.plot(mine["difference"], at, "o", markersize=3)
        axis.axvline(0, color="0.6", linewidth=0.6)
        axis.set_title(title(f"difference in {metric}, 95 % interval over speakers", listed(metric)), fontsize=10)
    return figure


def paired_rows(measured: Measurements, table: dict[str, Any]) -> pd.DataFrame:
    """A row for each pair, split, horizon and metric."""
    rows = []
    for a, b in _pairs(measured, table):
        for split in table["splits"]:
            for k in table["horizons"]:
                sides = [_Side.of(measured, table, row, split, k) for row in (a, b)]
                for metric in table["metrics"]:
                    if metric == NLL.name and _source(a) != _source(b):
                        continue  # in other units
                    quantities = [side.quantity(metric) for side in sides]
                    difference = _difference(*quantities)
                    if difference is None:
                        continue
                    decided = difference.ci_low > 0 or difference.ci_high < 0
                    a_is_better = (difference.value < 0) == (listed(metric).better == "lower")
                    rows.append(
                        {
                            "a": "/".join(a),
                            "b": "/".join(b),
                            "split": split,
                            "k": k,
                            "metric": metric,
                            "unit": listed(metric).unit,
                            "a_value": sides[0].value(metric),
                            "b_value": sides[1].value(metric),
                            "difference": difference.value,
                            "ci_low": difference.ci_low,
                            "ci_high": difference.ci_high,
                            "decided": "yes" if decided else "no",
                            "better": ("a" if a_is_better else "b") if decided else "",
                        }
                    )
    if not rows:
        raise UserError(
            "the table has no row: there is no pair, or none of its metrics is measured at its horizons",
            "representations, predictors, surrogates, metrics and horizons of the paired table",
            "name two predictors, a surrogate or two representations of one frame rate, and level_gain only with k = 1",
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class _Quantity:
    """A function of means over speakers: where each mean is measured, and of what."""

    terms: list[tuple[Measurements, str]]
    of: Callable[..., Any]


@dataclass(frozen=True)
class _Side:
    """own: what one row of a pair was measured with. twin: its density without a context."""

    own: Measurements
    twin: Measurements

    @classmethod
    def of(cls, measured: Measurements, table: dict[str, Any], row: _Row, split: str, k: int) -> "_Side":
        representation, predictor = row
        keys = {"representation": representation, "predictor": predictor, "split": split}
        mine = measured.where(seed=table["seeds"], slice="all")
        own = mine.of_row(**keys, horizon=k)
        if own.records.empty:
            raise unmeasured({**keys, "k": k})
        return cls(own, mine.of_row(**{**keys, "predictor": f"{predictor}__unconditional"}))

    def quantity(self, metric: str) -> _Quantity:
        """How the metric follows from sums over each speaker's frames."""
        dim = self.own.over_seeds("dim") or 1.0
        nll = [(self.own, NLL.name), (self.twin, NLL.name)]
        if metric == CONTEXT_GAIN.name:
            return _Quantity(nll, lambda own, twin: own - twin)
        if metric == CONTEXT_GAIN_PER_DIM.name:
            return _Quantity(nll, lambda own, twin: (own - twin) / dim)
        if metric == DNLL_PER_DIM.name:
            return _Quantity([(self.own, DNLL.name)], lambda dnll: dnll / dim)
        if metric == R2_DELTA.name:
            parts = [(self.own, f"{R2_DELTA.name}_{part}") for part in ("error", "spread")]
            return _Quantity(parts, lambda error, spread: 1 - error / spread)
        return _Quantity([(self.own, metric)], lambda mean: mean)

    def value(self, metric: str) -> float | None:
        """The record of the metric where there is one; else what its sums give."""
        value = self.own.over_seeds(metric)
        if value is not None:
            return value
        quantity = self.quantity(metric)
        found = combined(quantity.terms, quantity.of)
        return found.value if found else None


def _difference(a: _Quantity, b: _Quantity) -> Comparison | None:
    n = len(a.terms)
    return combined([*a.terms, *b.terms], lambda *means: a.of(*means[:n]) - b.of(*means[n:]))


def _pairs(measured: Measurements, table: dict[str, Any]) -> Iterator[tuple[_Row, _Row]]:
    for representation in table["representations"]:
        for p, q in combinations(table["predictors"], 2):
            yield (representation, p), (representation, q)
        for method in table["surrogates"]:
            for p in table["predictors"]:
                yield (representation, p), (f"{representation}__{method}", p)
    for a, b in combinations(table["representations"], 2):
        if _rate(measured, a) == _rate(measured, b):
            for p in table["predictors"]:
                yield (a, p), (b, p)


def _of_other_rates(measured: Measurements, table: dict[str, Any]) -> list[str]:
    """Which representations are not compared, and why."""
    rates = {name: _rate(measured, name) for name in table["representations"]}
    apart = [f"`{a}` and `{b}`" for a, b in combinations(rates, 2) if rates[a] != rates[b]]
    return [f"Not compared, since their frames do not last equally long: {', '.join(apart)}."] if apart else []


def _rate(measured: Measurements, representation: str) -> float | None:
    return measured.where(representation=representation).over_seeds("frame_rate_hz", reduce=np.max)


def _source(row: _Row) -> str:
    """The representation that a row is of, or whose surrogate it is of."""
    return row[0].partition("__")[0]
