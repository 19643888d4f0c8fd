"""The certificate of the measurements: what they give on processes whose exact predictability is known.

The answers of a process are those of its true density. The predictor that measures them can represent that density but
has to learn it from finite data, so that its likelihood should be a little worse. A row agrees if the exact value lies
within the measured 95 % interval, or is as near as the table's tolerance; the row says which of the two.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.metrics import MEASURED
from latentdyn.metrics import metric as listed
from latentdyn.processes.base import Answer, build_process
from latentdyn.reporting.looks import look
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.sheet import Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DECIMALS = {
    "exact": 4,
    "error": 4,
    "measured": 4,
    "ci_low": 4,
    "ci_high": 4,
    "difference": 4,
    "tolerance": 4,
    "intervals": 2,
}
_COLUMNS = ("process", "by", "diagnostic", "k", "exact", "measured", "ci_low", "ci_high", "intervals", "agrees")
_BOUNDS = ("ci_low", "ci_high")
_CLUSTERED = ("variance_ratio",)  # measured with keys, not with predictors
_SHAPES = [metric.name for metric in MEASURED["geometry"]]  # measured with nothing
_JUDGED = {"decoded_skill": "exact", "state_information_whole": "window"}  # in the process's own frames: which mode
_BY_MDN = {"state_information_mdn_whole": "window"}  # the same by a network
_FACTORED = ("innovation_nats", "frame_nll", "next_frame_information")  # measured with a factorizer
_DIRECTIONS = tuple(f"{metric.name}_c" for metric in MEASURED["readouts"])  # the i-th slow feature, ...
_OF_LIKELIHOODS = ("nll", "dnll", "dnll_full", "context_gain", "level_gain")
_ROUNDING = 1e-9  # below which an exact value is 0, whatever its closed form rounds to


@dataclass(frozen=True)
class _Measured:
    value: float
    ci_low: float | None
    ci_high: float | None


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table.

    Args:
        measured, table: as for the lagged one. plan: corpus; rows; kinds; processes, the config's sections of the rows.

    Raises:
        UserError: a process is compared with nothing, or a value of it was not measured.
    """
    rows = calibration_rows(measured, table, plan)
    agreed = int((rows["agrees"] != "no").sum())
    percent = f"{100 * table['tolerance']:g} %"
    notes = [
        f"**{agreed} of {len(rows)} rows agree.** Corpus `{plan['corpus']}`, eval speakers. `exact` follows from the "
        "realised parameters of each process. Where it is a Monte-Carlo mean over the true density, `error` is its "
        "standard error. A row agrees if `exact` is within the 95 % interval over speakers (`interval`), or if the "
        f"difference is at most {percent} of `exact`. Where `exact` is 0, it is {percent} of 1 (ratios), or of the "
        "largest exact ΔNLL of the process (nats).",
        "`measured` is followed by that interval, and `intervals` is the difference in its half-widths. Predictors "
        "were fitted to finite data, so their likelihoods (in nats/frame) are expected a little above the exact ones. "
        "`unbounded` is the share of free runs (by the mean, 256 steps) that left the data behind. `spectral_radius` "
        "is the factor a step by which a small difference of two runs grows. The CSV holds the formula of each exact "
        "value.",
        "Rows of a representation with outliers compare with the same measurement without outliers: the median must "
        "stay where it was, and the mean must move.",
    ]
    if table["judged"]:
        notes.append(
            "`decoded_skill` and `state_information_whole` are what tables of learned representations judge by. Here "
            "the process is judged in its own frames, by the best straight line from a window; k is the horizon."
        )
    if table["state_information"]:
        notes.append(
            "`state_information_mdn_whole` is what a mixture density network finds that reads the window. It learns a "
            "density from finite data, so it is expected a little below what is exact."
        )
    if table["readouts"]:
        notes.append(
            "`slowness_c1` is the slowest feature of a process, `canonical_correlation_c1` the highest correlation "
            "of a frame with its past. `as fitted` is what the transforms `sfa` and `cca` find on training speakers, "
            "`held out` what the same directions are worth on eval speakers."
        )
    return Sheet(
        rows,
        notes,
        _DECIMALS,
        caption=f"What is measured beside what is exact, corpus {plan['corpus']}.",
        columns=_COLUMNS,
        by=("process", "by"),
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """(measured - exact) / tolerance, a line for each row, with the measured 95 % interval; the band is the tolerance.

    Rows of outliers, which compare two measurements, are left out. What overflowed is drawn at the edge.
    """
    from matplotlib.figure import Figure

    rows = calibration_rows(measured, table, plan)
    rows = rows[~rows["exact_is"].str.contains("must")].iloc[::-1].reset_index(drop=True)
    scaled = pd.DataFrame(
        {name: (rows[name].astype(float) - rows["exact"]) / rows["tolerance"] for name in ("measured", *_BOUNDS)}
    )
    edge = 2 * max(1.0, float(scaled.abs().where(np.isfinite(scaled), 0.0).max(axis=None)))
    scaled = scaled.clip(-edge, edge)
    figure = Figure(figsize=(9, 1.6 + 0.17 * len(rows)), layout="constrained")
    axis = figure.subplots()
    axis.axvspan(-1, 1, color="0.92")
    for number, (process, mine) in enumerate(scaled.groupby(rows["process"], sort=False)):
        style = {**look(number), "linestyle": ""}
        axis.hlines(mine.index, mine["ci_low"], mine["ci_high"], linewidth=1, color=style["color"])
        axis.plot(mine["measured"], mine.index, markersize=4, label=process, **style)
    failed = scaled[rows["agrees"] == "no"]
    axis.plot(failed["measured"], failed.index, "kx", markersize=9, label="no agreement")
    axis.axvline(0, color="0.6", linewidth=0.8)
    axis.set_xscale("symlog", linthresh=1)
    axis.set_xlim(-1.1 * edge, 1.1 * edge)
    axis.set_ylim(-1, len(rows))
    labels = [f"{r.process}, {r.diagnostic}" + ("" if pd.isna(r.k) else f", k = {r.k:g}") for r in rows.itertuples()]
    axis.set_yticks(rows.index, labels, fontsize=7)
    axis.set_xlabel("(measured - exact) / tolerance")
    axis.set_title(
        f"The band is the tolerance, {100 * table['tolerance']:g} % of the exact value; lines are 95 % intervals over "
        "speakers.\nA row agrees if its point is in the band or its line crosses 0.",
        fontsize=9,
    )
    return figure


def calibration_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """A row for each process, diagnostic and horizon."""
    whole = measured.where(slice="all")
    held_out = whole.where(split="eval")
    rows: list[dict[str, Any]] = []
    for name in plan["rows"]:
        settings = plan["processes"][name]
        if settings["kind"] == "outliers":
            mine = list(_outlier_rows(held_out, name, settings["source"], table))
        else:
            mine = list(_process_rows(whole, name, settings, table))
        if not mine:  # rather than a certificate that passes it over
            raise UserError(
                f"no exact value of '{name}' is compared with anything",
                "the calibration table's predictors, keys and horizons",
                "add k = 1, where every process has exact values, and a predictor trained at it",
            )
        rows += mine
    return pd.DataFrame(rows)


def _process_rows(
    measured: Measurements, name: str, settings: dict[str, Any], table: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    answers = build_process(settings).answers(table["horizons"])
    scale = _scale(answers)
    gains = {answer.horizon for answer in answers if answer.metric == "dnll"}
    for answer in answers:
        if answer.metric == "nll" and answer.horizon in gains:
            continue  # the same difference, on a scale whose zero means nothing
        for who, value in _measurements(measured, name, answer, table):
            exact = (answer.value, answer.error)
            yield _row(name, who, answer.metric, answer.horizon, exact, value, scale, table, answer.formula)


def _measurements(
    measured: Measurements, name: str, answer: Answer, table: dict[str, Any]
) -> Iterator[tuple[str, _Measured]]:
    """What was measured for an answer, and by which predictor, key or readout."""
    if answer.metric.startswith(_DIRECTIONS):
        if name in table["readouts"]:
            for split, who in (("train", "as fitted"), ("eval", "held out")):
                here = measured.where(representation=name, by=name, split=split)
                if answer.metric in set(here.records.metric):  # only the first directions are measured
                    yield who, _of_record(here, answer.metric, name)
        return
    measured = measured.where(split="eval")
    if answer.metric in _CLUSTERED:
        for key in table["keys"].get(name, []):
            here = measured.where(representation=name, by=key, horizon=answer.horizon)
            fewest = here.records.loc[here.records.metric == answer.metric, "clusters"].min()
            yield f"{key}, {fewest} clusters", _of_record(here.where(clusters=fewest), answer.metric, name)
        return
    if answer.metric in _SHAPES:
        if name in table["geometry"]:
            here = measured.where(representation=name, by=name, horizon=answer.horizon)
            if not here.records.empty or answer.horizon is None:  # not measured at this k
                yield "no predictor", _of_record(here, answer.metric, name)
        return
    if answer.metric in _JUDGED:
        if name in table["judged"]:
            mode = _JUDGED[answer.metric]
            here = measured.where(measurement="learned", representation=name, horizon=answer.horizon, mode=mode)
            if not here.records.empty:  # else it is not measured at this k
                yield "a line of the window", _of_record(here, answer.metric, name)
        return
    if answer.metric in _BY_MDN:
        if name in table["state_information"]:
            found = measured.where(measurement="state_information", representation=name, horizon=answer.horizon)
            here = found.where(mode=_BY_MDN[answer.metric])
            if not here.records.empty:  # else it is not measured at this k
                yield "a network of the window", _of_record(here, answer.metric, name)
        return
    if answer.metric in _FACTORED:
        if (own := table["factorizers"].get(name)) is not None:
            yield own, _of_record(measured.where(representation=own, by=own), answer.metric, own)
        return
    if name not in table["predictors"]:
        return
    predictor = table["predictors"][name]
    mine = measured.where(representation=name, seed=table["seeds"])
    here = mine.where(by=predictor, horizon=answer.horizon)
    if here.records.empty:  # not trained at this k
        return
    measure = "nll" if answer.metric in _OF_LIKELIHOODS else answer.metric
    if (here.where(metric=measure).records["status"] == "missing").any():  # its density does not give it
        return
    if answer.metric == "context_gain":
        gain = here.difference(mine.where(by=f"{predictor}__unconditional"), "nll")
        if gain is not None:
            yield predictor, _Measured(gain.value, gain.ci_low, gain.ci_high)
    else:
        yield predictor, _of_record(here, answer.metric, name)


def _of_record(here: Measurements, metric: str, name: str) -> _Measured:
    value = here.over_seeds(metric)
    if value is None:
        raise UserError(
            f"{metric} of '{name}' was not measured",
            "the calibration table's predictors and keys",
            "name the predictor of a kind that reports it (vmf_lognormal for kappa)",
        )
    return _Measured(value, here.over_seeds(metric, "ci_low"), here.over_seeds(metric, "ci_high"))


def _scale(answers: list[Answer]) -> float:
    """What a difference in nats is compared with where the exact value is 0."""
    gains = [abs(a.value) for a in answers if a.metric == "dnll"]
    return max(gains, default=1.0)


def _row(
    name: str,
    who: str,
    metric: str,
    horizon: int | None,
    exact: tuple[float, float],
    measured: _Measured,
    scale: float,
    table: dict[str, Any],
    formula: str,
) -> dict[str, Any]:
    value, error = exact
    difference = measured.value - value
    zero = abs(value) < _ROUNDING
    size = abs(value) if not zero else scale if listed(metric).unit == "nats/frame" else 1.0
    tolerance = table["tolerance"] * size
    low, high = (math.nan if bound is None else bound for bound in (measured.ci_low, measured.ci_high))
    if low - 2 * error <= value <= high + 2 * error:
        agrees = "interval"
    elif abs(difference) <= tolerance:
        agrees = f"{100 * table['tolerance']:g} %"
    else:
        agrees = "no"
    return {
        "process": name,
        "by": who,
        "diagnostic": metric,
        "k": horizon,
        "exact": value,
        "error": error or None,
        "measured": measured.value,
        "ci_low": measured.ci_low,
        "ci_high": measured.ci_high,
        "difference": difference,
        "tolerance": tolerance,
        "intervals": 2 * difference / (high - low) if high > low else None,
        "agrees": agrees,
        "exact_is": formula,
    }


def _outlier_rows(measured: Measurements, name: str, source: str, table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Two rows a horizon: with outliers the median must not move and the mean must, against the frames without."""
    if name not in table["predictors"]:
        return
    predictor = table["predictors"][name]
    for k in table["horizons"]:
        here = measured.where(by=predictor, horizon=k, seed=table["seeds"])
        shaken, clean = (here.where(representation=r) for r in (name, source))
        if shaken.records.empty:  # not trained at this k
            continue
        if clean.records.empty:
            raise UserError(
                f"'{source}' was not measured with '{predictor}'",
                "the calibration table's predictors",
                f"give '{source}' the same predictor as '{name}'",
            )
        for metric in ("dnll_median", "dnll"):
            reference = _of_record(clean, metric, source)
            exact = (reference.value, 0.0)
            row = _row(name, predictor, metric, k, exact, _of_record(shaken, metric, name), 1.0, table, "")
            if metric == "dnll":
                moved = abs(row["difference"]) > table["tolerance"] * abs(reference.value)
                row |= {"agrees": "moved" if moved else "no", "exact_is": f"{source}: must differ"}
            else:
                row |= {"exact_is": f"{source}: must not differ"}
            yield row
