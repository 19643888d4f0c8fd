"""What a memory adds: the likelihood less that of as many parameters without it, and less that of random codes.

A row is a representation and a predictor with a memory, at k = 1, on held-out speakers. Whether it helps is said only
where the same memory gains on the positive control: frames in the place of these, of which a lookup alone tells the
next (see representations.surrogate). What does not learn them is no working memory: a gain elsewhere is no sign of one,
and without a gain nothing is known.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentdyn.metrics import COSINE, DNLL, NLL, PARAMETERS
from latentdyn.reporting.measurements import Comparison, Measurements, unmeasured
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPLIT = "eval"
CONTROL = "looked_up"
_TWINS = {"widened": "over_widened", "random_codes": "over_random"}  # what stands beside: the column of the difference
_SHOWN = (
    "predictor", "parameters", "parameters_widened", "dnll", "dnll_seed_sd", "dnll_widened", "dnll_random_codes",
    "over_widened", "over_widened_ci_low", "over_widened_ci_high", "over_widened_seed_sd", "over_random",
    "over_random_ci_low", "over_random_ci_high", "cosine", "cosine_widened", "cosine_random_codes",
    "positive_control", "helps",
)  # fmt: skip
_PANELS = {"over_widened": "as many parameters without memory", "over_random": "random codes"}


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table.

    Raises:
        UserError: nothing was measured for a row.
    """
    rows = memory_rows(measured, table, plan)
    decimals = {str(name): _decimals(str(name)) for name in rows if pd.api.types.is_float_dtype(rows[name])}
    shown = ["representation", *(name for name in _SHOWN if name in rows)]
    notes = [*_notes(plan), *_on_controls(rows)]
    caption = f"What a memory adds, corpus {plan['corpus']}."
    return Sheet(rows, notes, decimals, caption=caption, columns=shown, by=("representation",))


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """Two panels, the differences to both controls with 95 % intervals; a line for each row of the table."""
    from matplotlib.figure import Figure

    rows = memory_rows(measured, table, plan).iloc[::-1]
    figure = Figure(figsize=(13, 1.5 + 0.3 * len(rows)), layout="constrained")
    places = range(len(rows))
    for axis, (column, beside) in zip(figure.subplots(1, 2, sharey=True), _PANELS.items(), strict=True):
        value, low, high = (rows[f"{column}{end}"].astype(float) for end in ("", "_ci_low", "_ci_high"))
        axis.hlines(places, low, high, linewidth=1)
        axis.plot(value, places, "o", markersize=4)
        axis.axvline(0, color="0.6", linewidth=0.6)
        axis.set_title(title(f"NLL less that of {beside}", NLL).replace(" (", "\n("), fontsize=10)
    figure.axes[0].set_yticks(places, [f"{r.representation}, {r.predictor}" for r in rows.itertuples()], fontsize=8)
    return figure


def memory_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation and predictor, with what follows from its positive control in `helps`."""
    rows = [
        _row(measured, representation, predictor, table["seeds"])
        for representation in plan["rows"]
        for predictor in table["predictors"]
    ]
    gained = {(row["representation"], row["predictor"]): _gains(row) for row in rows}
    for row in rows:
        control = gained.get((f"{row['representation'].partition('__')[0]}__{CONTROL}", row["predictor"]))
        row["positive_control"] = {None: "none", True: "gained", False: "did not gain"}[control]
        open_ = any(np.isnan(row[f"{column}_ci_high"]) for column in _TWINS.values())
        row["helps"] = "unknown" if not control or open_ else "yes" if _gains(row) else "no"
    return pd.DataFrame(rows).astype({"n": "Int64"})


def _row(measured: Measurements, representation: str, predictor: str, seeds: list[int]) -> dict[str, Any]:
    def of(by: str, seed: list[int] = seeds) -> Measurements:
        return measured.of_row(representation, by, _SPLIT, horizon=1, slice="all", seed=seed)

    own = of(predictor)
    if own.records.empty:
        raise unmeasured({"representation": representation, "predictor": predictor, "split": _SPLIT})
    counted = own.records[own.records["metric"] == NLL.name]
    row: dict[str, Any] = {
        "representation": representation,
        "predictor": predictor,
        "n": int(counted["n"].iloc[0]) if len(counted) else None,
        "seeds": own.records["seed"].nunique(),
    }
    beside = {f"_{twin}": f"{predictor}__{twin}" for twin in _TWINS}
    for end, by in ({"": predictor} | beside).items():
        for metric in (PARAMETERS, DNLL, COSINE):
            row[f"{metric.name}{end}"] = of(by).over_seeds(metric.name)
    row["dnll_seed_sd"] = own.over_seeds(DNLL.name, reduce=_deviation)
    for twin, column in _TWINS.items():
        pairs = [of(predictor, [s]).difference(of(f"{predictor}__{twin}", [s]), NLL.name) for s in seeds]
        pooled = own.difference(of(f"{predictor}__{twin}"), NLL.name) or Comparison(np.nan, np.nan, np.nan)
        row |= {column: pooled.value, f"{column}_ci_low": pooled.ci_low, f"{column}_ci_high": pooled.ci_high}
        row[f"{column}_seed_sd"] = _deviation(np.array([pair.value for pair in pairs if pair]))
    return row


def _deviation(values: np.ndarray) -> float:
    """Between training seeds; NaN of one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def _gains(row: dict[str, Any]) -> bool:
    """Whether a memory is better than both of its controls, for other speakers too."""
    return all(row[f"{column}_ci_high"] < 0 for column in _TWINS.values())


def _decimals(column: str) -> int:
    if column.startswith("parameters"):
        return PARAMETERS.decimals
    return COSINE.decimals if column.startswith("cosine") else DNLL.decimals


def _notes(plan: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Corpus `{plan['corpus']}`. A row is a predictor with a memory, at k = 1, on speakers of `eval`; the mean "
        "over training seeds, `.._seed_sd` their standard deviation. `dnll` is in nats/frame against a diagonal "
        "Gaussian of training deltas."
    )
    yield (
        "`.._widened` is the same predictor without the memory, its network widened until it has as many trained "
        "parameters, within 2 %. `.._random_codes` is the same memory with codes or prototypes that tell nothing. "
        "`over_widened` and `over_random` are the likelihood less theirs, in nats/frame on the same frames: below 0 "
        "the memory gains. Their 95 % intervals draw the same speakers for both."
    )
    yield (
        f"Rows `..__{CONTROL}` are the positive control: frames about 64 anchors, of which a random table of the last "
        "two tells the next. `helps` is told only where the same memory gains on the control of these latents "
        "(`positive_control`): `yes` where both intervals lie below 0, `no` where both are known and one does not. "
        "Else it is `unknown`, whatever the memory gains."
    )


def _on_controls(rows: pd.DataFrame) -> Iterator[str]:
    """For each representation and predictor, whether its control gained, and what may be said."""
    places = rows.set_index(["representation", "predictor"])
    sources = [name for name in rows["representation"].unique() if "__" not in name]
    for source in sources:
        for predictor in rows["predictor"].unique():
            control = (f"{source}__{CONTROL}", predictor)
            if control not in places.index:
                yield (
                    f"**Caution:** `{source}` by `{predictor}` has no positive control: whether its memory helps "
                    "cannot be said."
                )
                continue
            row = places.loc[control]
            found = (
                f"{row['over_widened']:.2f} nats/frame over as many parameters, {row['over_random']:.2f} over random"
            )
            if _gains(row.to_dict()):
                yield f"The control of `{source}` by `{predictor}` gained: {found} codes."
            else:
                yield (
                    f"**Caution:** the control of `{source}` by `{predictor}` did not gain ({found} codes): whether "
                    "its memory helps cannot be said."
                )
