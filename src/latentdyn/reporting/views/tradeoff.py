"""What a representation costs and gives, in one row: dimension, rate, predictability, forecasts, free runs, quality.

A row is a representation and a predictor, on held-out speakers; the last rows are published. Scores of stale contexts
are those at k = 1 of the Phase 1 table, forecasts those of mode D of the injection table, all steps together.
"""

from collections.abc import Callable
from itertools import cycle, product
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.metrics import CONTEXT_GAIN, PESQ, STATE_ERROR_NORMALISED, Metric
from latentdyn.metrics import metric as listed
from latentdyn.reporting.cautions import cautions
from latentdyn.reporting.looks import legend_below, look, named_in
from latentdyn.reporting.measurements import Measurements, unmeasured
from latentdyn.reporting.published import TRADEOFFS, values_of
from latentdyn.reporting.shares import OF_UNBOUNDED
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import known_durations, title
from latentdyn.reporting.views.free_runs import free_run_rows
from latentdyn.reporting.views.injection import injection_rows
from latentdyn.reporting.views.lagged import lagged_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPLIT = "eval"
_KEYS = ["representation", "predictor"]
_BOUNDS = ("ci_low", "ci_high")
# columns, where they have another name than their metric
_METRICS = {
    "forecast_cosine": "cosine", "ceiling_cosine": "cosine", "pesq_codec": "pesq",
    "frechet_latents_data": "frechet_latents", "frechet_deltas_data": "frechet_deltas",
}  # fmt: skip
_OF_LAGGED = ("n", "dim", "frame_rate_hz", "ms_per_step", "dnll", "dnll_per_dim", "context_gain", "level_gain",
              "cosine", "cosine_white_noise")  # fmt: skip
_WITH_INTERVALS = ("context_gain", "predictive_information", "state_error_normalised", "pesq")  # in forms for people
_COLUMNS = (
    "dim", "frame_rate_hz", "ms_per_step", "dnll", "context_gain", "level_gain", "cosine", "cosine_white_noise",
    "predictive_information", "participation_ratio", "ceiling_cosine", "skill", "forecast_cosine", "state_error",
    "state_error_normalised", "frechet_latents", "frechet_latents_data", "frechet_deltas", "frechet_deltas_data",
    "energy", "unbounded", "pesq", "pesq_codec",
)  # fmt: skip
_PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {  # the columns of published values: metric, and the place
    "dnll": ("dnll", {"horizon": 1}),
    "cosine": ("cosine", {"mode": "A"}),
    "forecast_cosine": ("cosine", {"mode": "D"}),
    "state_error": ("state_error", {"mode": "D"}),
}


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; `plan` also says `unheard`: of rows without a way back to audio, the link that breaks it.

    Raises:
        UserError: nothing was measured for a row, or for a group that the table asks for.
    """
    ours, published = tradeoff_rows(measured, table, plan), _published_rows()
    rows = pd.concat([ours, published]).reset_index(drop=True).dropna(axis="columns", how="all")
    shown = [
        name
        for column in _COLUMNS
        for name in (column, *(f"{column}_{bound}" for bound in _BOUNDS if column in _WITH_INTERVALS))
        if name in rows
    ]
    decimals = {f"{name}{end}": _metric(name).decimals for name in _COLUMNS for end in ("", "_ci_low", "_ci_high")}
    return Sheet(
        rows,
        [*_notes(ours, table, plan), *cautions(lagged_rows(measured, _asked(table), plan)), *_notes_on_published()],
        decimals,
        caption=f"What representations cost and give, corpus {plan['corpus']}.",
        columns=["origin", "predictor", "representation", "n", *shown],
        by=("origin", "predictor"),
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """Context gain against PESQ and against the state error of forecasts, a panel for each that was measured (else
    against the dimension); a color for each representation, a mark for each predictor, intervals as bars."""
    from matplotlib.figure import Figure

    rows = tradeoff_rows(measured, table, plan)
    titles = {
        "pesq": title("PESQ of speech decoded from true latents", PESQ),
        "state_error_normalised": title("state error of forecasts over the data's spread", STATE_ERROR_NORMALISED),
    }
    across = [name for name in titles if name in rows and rows[name].notna().any()] or ["dim"]
    figure = Figure(figsize=(6.5 * len(across), 5.5), layout="constrained")
    for panel, x in zip(figure.subplots(1, len(across), squeeze=False)[0], across, strict=True):
        _points(panel, rows.astype(dict.fromkeys(_numbers(rows, x), float)), x)
        panel.set_xlabel(titles.get(x, "dimensions"))
        panel.axhline(0, color="0.6", linewidth=0.6)
    first = figure.axes[0]
    first.set_ylabel(title("context gain at k = 1", CONTEXT_GAIN))
    legend_below(figure, named_in(first))
    return figure


def tradeoff_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation and predictor, with what the table's groups ask for."""
    asked = _asked(table)
    rows = pd.DataFrame(list(product(plan["rows"], table["predictors"])), columns=_KEYS)
    rows["lineage"] = rows["representation"].map(plan["kinds"]["representations"])
    for group in ("lagged", *table["groups"]):
        rows = rows.merge(_GROUPS[group](measured, asked, plan), how="left", on=_GROUP_KEYS.get(group, _KEYS))
    return rows.assign(origin="measured")


def _asked(table: dict[str, Any]) -> dict[str, Any]:
    """The section, as the views of its parts read it."""
    return {**table, "splits": [_SPLIT], "slices": ["all"], "horizons": [1]}


def _lagged(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    rows = lagged_rows(measured, table, plan)
    kept = [*_KEYS, *(name for column in _OF_LAGGED for name in (column, *_bounds(column)) if name in rows)]
    return rows[kept].assign(context_gain_per_dim=rows["context_gain"].astype(float) / rows["dim"].astype(float))


def _injection(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    rows = injection_rows(measured, table, plan)
    rows = rows[rows["step"].isna() & (rows["mode"] == "D")]
    names = {f"cosine{end}": f"forecast_cosine{end}" for end in ("", "_ci_low", "_ci_high")}
    kept = ["ceiling_cosine", *(name for m in ("cosine", "skill", "state_error", "state_error_normalised")
                                for name in (m, *_bounds(m)))]  # fmt: skip
    return rows[[*_KEYS, *kept]].rename(columns=names)


def _free_runs(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    rows = free_run_rows(measured, table, plan)
    distances = ["frechet_latents", "frechet_deltas"]
    runs, data = (rows[rows["mode"] == mode] for mode in ("sampled", "data"))
    kept = [*distances, *(name for m in ("energy", "unbounded") for name in (m, *_bounds(m)))]
    beside = data[[*_KEYS, *distances]].rename(columns={name: f"{name}_data" for name in distances})
    return runs[[*_KEYS, *kept]].merge(beside, how="left", on=_KEYS)


def _geometry(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for name in plan["rows"]:
        mine = measured.where(measurement="geometry", representation=name, split=_SPLIT)
        if mine.records.empty:
            raise unmeasured({"representation": name, "measurement": "geometry", "split": _SPLIT})
        information = _with_bounds(mine.where(horizon=1), "predictive_information")
        rows.append({"representation": name, **information, **_with_bounds(mine, "participation_ratio")})
    return pd.DataFrame(rows)


def _perception(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for name in plan["rows"]:
        mine = measured.where(measurement="decoder_tolerance", representation=name, split=_SPLIT, slice="all")
        true, codec = mine.where(mode="noisy", sigma=0.0), mine.where(mode="reconstruction")
        if true.records.empty and name not in plan["unheard"]:
            raise unmeasured({"representation": name, "measurement": "decoder_tolerance", "split": _SPLIT})
        rows.append({"representation": name, **_with_bounds(true, "pesq"), "pesq_codec": codec.over_seeds("pesq")})
    return pd.DataFrame(rows)


_GROUPS: dict[str, Callable[[Measurements, dict[str, Any], dict[str, Any]], pd.DataFrame]] = {
    "lagged": _lagged, "geometry": _geometry, "injection": _injection, "free_runs": _free_runs,
    "perception": _perception,
}  # fmt: skip
_GROUP_KEYS = {group: ["representation"] for group in ("geometry", "perception")}  # whatever the predictor is


def _published_rows() -> pd.DataFrame:
    """A row for each source and latents that were published, with the columns that their values fit."""
    rows = []
    for name, source, of in TRADEOFFS:
        experiment = source.rpartition("(")[2].rstrip(")")
        row: dict[str, Any] = {
            "origin": "published", "representation": f"{name} ({experiment})", "predictor": "mdn", "source": source,
            "lineage": " or ".join(of.lineages), "dim": of.dim, "frame_rate_hz": of.frame_rate_hz,
            "ms_per_step": of.frame_rate_hz and 1000 / of.frame_rate_hz,
        }  # fmt: skip
        for column, (metric, place) in _PUBLISHED.items():
            facts = {"horizon": None, "mode": None} | place
            (entry,) = values_of(source, of, by="mdn", metric=metric, **facts)
            row[column] = entry.value
        rows.append(row)
    return pd.DataFrame(rows)


def _notes(rows: pd.DataFrame, table: dict[str, Any], plan: dict[str, Any]) -> list[str]:
    """What a reader must know of the rows that were measured."""
    groups = table["groups"]
    notes = [
        f"Corpus `{plan['corpus']}`. A row is a representation and a predictor. All is measured on speakers of `eval`, "
        "with equal windows W and at staleness k = 1. The CSV holds more columns and all intervals, which are 95 % "
        "bootstraps over speakers."
    ]
    durations = [f"{ms:g}" for ms in known_durations(rows["ms_per_step"])]
    if len(durations) > 1:
        notes.append(
            f"**Caution:** frames last {', '.join(durations[:-1])} or {durations[-1]} ms here. Then the same W, k and "
            "number of steps stand for other durations, and nats a frame for other rates. Compare rows of one "
            "`ms_per_step`."
        )
    notes.append(
        "`dnll` and `context_gain` (negative is good) grow with the dimension; the CSV has `dnll_per_dim` and "
        "`context_gain_per_dim`. `context_gain` is against the same density without a context. A cosine says something "
        "as far as it is above `cosine_white_noise`, which white noise of the same covariance reaches."
    )
    if "geometry" in groups:
        notes.append(
            "`predictive_information` (nats a frame) does not depend on units or roughness, and is 0 of white noise. "
            "It is measured without the predictor. `participation_ratio` is in how many directions the frames vary."
        )
    if "injection" in groups:
        notes.append(
            "`forecast_cosine` and `state_error` are of forecasts by the mean without injected truth (mode D), over "
            "all their steps. `ceiling_cosine` is what the start of a forecast can tell at most, over those steps at "
            "which a predictor of that staleness was fitted; `skill` is the forecast's cosine over it, on these same "
            "steps. `state_error` is in units of the latents: compare `state_error_normalised`, which is over the "
            "spread of the data."
        )
    if "free_runs" in groups:
        notes.append(
            "`frechet_..` are squared Fréchet distances of sampled free runs to the data, in squared units of the "
            "latents; `frechet_.._data` is that of as many training frames, the smallest to expect. `energy` is over "
            "that of the data, 1 is right. `unbounded` is the share of runs that came 10 times as far from the "
            f"training mean as any training frame. {OF_UNBOUNDED}"
        )
    if "perception" in groups:
        notes.append(
            "`pesq` is of speech decoded from the true latents, through every link back to the codec; `pesq_codec` is "
            "what the codec makes of its own latents, on the same utterances."
        )
        broken = [f"`{name}` (its link `{link}`)" for name, link in plan["unheard"].items()]
        if broken:
            notes.append(
                f"`pesq` is blank where a link has no inverse, so that nothing can be decoded: {'; '.join(broken)}."
            )
    return notes


def _notes_on_published() -> list[str]:
    sources = "; ".join(dict.fromkeys(source for _, source, _ in TRADEOFFS))
    return [
        f"Rows `published` are of the seed documents ({sources}): LibriSpeech train-clean-100, other speakers and "
        "training runs. Compare, never mix: `dnll` and `state_error` depend on the units of the latents. Their "
        "`cosine` is of forecasts with the truth injected at every step. They say 12.5 Hz of EnCodec too, and not how "
        "they came to it from 75 Hz. No PESQ and no context gain were published."
    ]


def _points(panel: Any, rows: pd.DataFrame, x: str) -> None:
    looks = {name: look(i) for i, name in enumerate(dict.fromkeys(rows["representation"]))}
    marks = dict(zip(dict.fromkeys(rows["predictor"]), cycle("os^Dv*"), strict=False))
    several = len(marks) > 1
    for _, row in rows.iterrows():
        mine, y = looks[row["representation"]], row["context_gain"]
        mark = marks[row["predictor"]] if several else mine["marker"]
        label = row["representation"] + (f", {row['predictor']}" if several else "")
        panel.plot(row[x], y, mark, markersize=5, color=mine["color"], label=label)
        for bounds, place in ((_bounds(x), "x"), (_bounds("context_gain"), "y")):
            low, high = (row.get(bound) for bound in bounds)
            if pd.notna(low) and pd.notna(high):
                span = ([low, high], [y, y]) if place == "x" else ([row[x]] * 2, [low, high])
                panel.plot(*span, color=mine["color"], linewidth=0.8)


def _numbers(rows: pd.DataFrame, x: str) -> list[str]:
    names = [x, *_bounds(x), "context_gain", *_bounds("context_gain")]
    return [name for name in names if name in rows]


def _with_bounds(mine: Measurements, metric: str) -> dict[str, Any]:
    bounds = zip(_bounds(metric), _BOUNDS, strict=True)
    return {metric: mine.over_seeds(metric)} | {name: mine.over_seeds(metric, bound) for name, bound in bounds}


def _bounds(column: str) -> tuple[str, str]:
    return f"{column}_ci_low", f"{column}_ci_high"


def _metric(column: str) -> Metric:
    return listed(_METRICS.get(column, column))
