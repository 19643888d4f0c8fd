"""What representations are judged by, in one row each: what forecasts and states tell of the reference's frames, beside
what is left of these frames. The first row is the reference itself.

What a filter, a scale or mixing buys stands beside it (`predictive_information` of the representation's own frames, and
the dimensions that they vary in), so that a reader sees which of the two moved.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.metrics import (
    DECODED_NLL,
    DECODED_SKILL,
    EFFECTIVE_RANK,
    FRAME_RATE_HZ,
    PARTICIPATION_RATIO,
    PESQ,
    PREDICTIVE_INFORMATION,
    RATE_KBIT_PER_S,
    RATE_SAVED,
    RATE_SAVED_SHUFFLED,
    RECONSTRUCTION,
    SPEAKERS,
    STATE_INFORMATION,
    STATE_INFORMATION_MDN,
    STATE_INFORMATION_MDN_OVER_LINE,
    STATE_INFORMATION_MDN_WHOLE,
    STATE_INFORMATION_WHOLE,
    Metric,
)
from latentdyn.reporting.looks import legend_below, look, named_in
from latentdyn.reporting.measurements import Measurements, as_columns, unmeasured
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WAYS = ["exact", "approximate", "line"]  # modes of what is mapped back
_STATES = {"": "frame", "_window": "window", "_cca": "cca"}  # ends of columns, and the modes of their records
# kinds that nothing trains
_CONTROLS = ("pca", "random_projection", "cca", "sfa", "leaky", "stacked", "random_gru", "canonical_state")
_BY_MDN = (STATE_INFORMATION_MDN, STATE_INFORMATION_MDN_WHOLE, STATE_INFORMATION_MDN_OVER_LINE)
_BOUNDS = ("ci_low", "ci_high")
_OBJECTIVES = (
    "`objective`: what gradient descent fitted a row to, beside few nats a frame. `frames`: to rebuild frames, nothing "
    "else; `decoded_prediction`: that forecasts in it, decoded, are near to the true frames, too; `predict`: that "
    "forecasts of it are near to it (L_pred); `smooth`: small steps (L_smooth); `waveform`: that what is heard is near "
    "to true audio; `mel_metric`: errors count by how far they move the decoded log-mel. `static part`: dimensions "
    "that stay for an utterance, a running mean, whose own steps are smooth as those of `leaky` are. `factorizer`: a "
    "state and an innovation; `rollout`: that its own forecasts, rebuilt, are near to the true frames, too."
)


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; `plan` also says `window_frames`, the W of forecasts; `unheard`: of rows without a
    way back to audio, the link that breaks it; and `objectives`: what trained rows are trained for.

    Raises:
        UserError: nothing was measured for a row.
    """
    rows, columns = learned_rows(measured, table, plan)
    shown = [name for name in ("representation", "objective", "dim", "way_back") if name in rows]
    for column in _for_people(columns, rows):
        shown += [name for name in (column, *_bounds(column)) if name in rows]
    decimals = {name: metric.decimals for column, metric in columns.items() for name in (column, *_bounds(column))}
    caption = f"Representations in the frames of {table['reference']}, corpus {plan['corpus']}."
    return Sheet(rows, _notes(measured, columns, table, plan), decimals, caption=caption, columns=shown)


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """Decoded skill, state information and predictive information, a panel each, against PESQ if it was measured, else
    against the reconstruction. The line joins the rows that no other row but the reference beats in both; the
    dashed one is the reference."""
    from matplotlib.figure import Figure

    rows, columns = learned_rows(measured, table, plan)
    heard = PESQ.name in rows and rows[PESQ.name].notna().any()
    across = PESQ if heard else RECONSTRUCTION
    panels = [_first(columns, metric) for metric in (DECODED_SKILL, STATE_INFORMATION, PREDICTIVE_INFORMATION)]
    figure = Figure(figsize=(4.3 * len(panels), 4.6), layout="constrained")
    looks = {name: look(i) for i, name in enumerate(dict.fromkeys(rows["kind"]))}
    for panel, column in zip(figure.subplots(1, len(panels)), panels, strict=True):
        _points(panel, rows, across.name, column, looks)
        panel.set_title(title(column, columns[column]), fontsize=10)
        panel.set_xlabel(title(across.name, across))
    said = {0: "mixing buys nothing here, filters only a longer memory", -1: "filters buy this"}
    for place, words in said.items():
        panel = figure.axes[place]
        panel.text(0.02, 0.98, words, transform=panel.transAxes, va="top", fontsize=8)
    legend_below(figure, named_in(figure.axes[0]))
    return figure


def learned_rows(
    measured: Measurements, table: dict[str, Any], plan: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Metric]]:
    """A row for each representation, and which metric each column with numbers is."""
    judged = measured.where(measurement="learned", split="eval")
    ceiling = judged.where(representation=plan["rows"][0])
    columns: dict[str, Metric] = {}
    rows: list[dict[str, Any]] = []
    for name in plan["rows"]:
        mine = judged.where(representation=name)
        if mine.records.empty:
            raise unmeasured({"representation": name, "measurement": "learned", "split": "eval"})
        lineage = plan["kinds"]["representations"][name]
        row: dict[str, Any] = {"representation": name, "lineage": lineage, "kind": lineage.rpartition(">")[2]}
        row["role"] = "reference" if not rows else "control" if row["kind"] in _CONTROLS else "judged"
        row["objective"] = plan["objectives"].get(name) or None
        row |= {"dim": mine.over_seeds("dim"), "frame_rate_hz": mine.over_seeds("frame_rate_hz")}
        row["ms_per_step"] = 1000 / row["frame_rate_hz"]
        values = {**_judged(mine, ceiling, row), **_shape(measured, name)}
        if "perception" in table["groups"]:
            values |= _heard(measured, name, plan)
        if "state_information" in table["groups"]:
            values |= _by_mdn(measured, name)
        rows.append(row | {name: value for _, given in values.values() for name, value in given.items()})
        columns |= {column: metric for column, (metric, _) in values.items()}
    for row in rows:
        for column, (metric, given) in _over_controls(measured, row, rows).items():
            row |= given
            columns[column] = metric
    made = pd.DataFrame(rows).dropna(axis="columns", how="all")
    return made, {column: metric for column, metric in columns.items() if column in made}


_Columns = dict[str, tuple[Metric, dict[str, Any]]]  # by column: its metric, and its value with bounds


def _judged(mine: Measurements, ceiling: Measurements, row: dict[str, Any]) -> _Columns:
    """What is measured in the frames of the reference. Sets `way_back` and `n` of the row."""
    found: _Columns = {}
    back = mine.where(mode=_WAYS)
    skill = back.records[back.records["metric"] == DECODED_SKILL.name]
    row["way_back"], row["n"] = (skill["mode"].iloc[0], int(skill["n"].iloc[0])) if len(skill) else (None, 0)
    for h in sorted(skill["horizon"].dropna().unique()):
        here, there = back.where(horizon=h), ceiling.where(mode=_WAYS, horizon=h)
        for metric in (DECODED_SKILL, DECODED_NLL):
            found[f"{metric.name}_{h}"] = metric, _with_bounds(here, metric, f"{metric.name}_{h}")
            column = f"{metric.name}_to_reference_{h}"
            found[column] = metric, _difference(here, there, metric, column)
    found |= _told(mine, _STATES, (STATE_INFORMATION, STATE_INFORMATION_WHOLE))
    found[RECONSTRUCTION.name] = RECONSTRUCTION, _with_bounds(back, RECONSTRUCTION, RECONSTRUCTION.name)
    noisy = mine.where(mode="noisy")
    found |= {m.name: (m, _with_bounds(noisy, m, m.name)) for m in (RATE_KBIT_PER_S, RATE_SAVED, RATE_SAVED_SHUFFLED)}
    return found


def _told(mine: Measurements, states: dict[str, str], metrics: tuple[Metric, ...]) -> _Columns:
    """What states tell, a column for each horizon, state and metric."""
    found: _Columns = {}
    for j in sorted(mine.where(mode=list(states.values())).records["horizon"].dropna().unique()):
        for end, mode in states.items():
            for metric in metrics:
                column = f"{metric.name}{end}_{j}"
                found[column] = metric, _with_bounds(mine.where(mode=mode, horizon=j), metric, column)
    return found


def _by_mdn(measured: Measurements, name: str) -> _Columns:
    """What states tell by a network."""
    mine = measured.where(measurement="state_information", representation=name, split="eval")
    if mine.records.empty:
        raise unmeasured({"representation": name, "measurement": "state_information", "split": "eval"})
    return _told(mine, {end: mode for end, mode in _STATES.items() if mode != "cca"}, _BY_MDN)


def _over_controls(measured: Measurements, row: dict[str, Any], rows: list[dict[str, Any]]) -> _Columns:
    """What a row that is no control has more than controls of equal dimension: at the first horizon, of decoded skill
    at the others, too, and of PESQ."""
    found: _Columns = {}
    judged = measured.where(measurement=["learned", "state_information"], split="eval")
    if row["role"] != "judged":
        return found
    for other in rows:
        if other["role"] != "control" or other["dim"] != row["dim"]:
            continue
        for metric, modes in (
            (DECODED_SKILL, _WAYS), (STATE_INFORMATION, [_STATES[""]]), (STATE_INFORMATION_MDN, [_STATES[""]])
        ):  # fmt: skip
            here, there = (judged.where(representation=r["representation"], mode=modes) for r in (row, other))
            if metric.name not in set(here.records["metric"]):
                continue
            horizons = here.records.loc[here.records["metric"] == metric.name, "horizon"].dropna().unique()
            for i, h in enumerate(sorted(horizons) if metric is DECODED_SKILL else [min(horizons)]):
                column = f"{metric.name}_over_{other['kind']}{f'_{h:g}' if i else ''}"
                sides = (here.where(horizon=h), there.where(horizon=h))
                found.setdefault(column, (metric, _difference(*sides, metric, column)))
        column = f"{PESQ.name}_over_{other['kind']}"
        here, there = (_decoded(measured, r["representation"]) for r in (row, other))
        found.setdefault(column, (PESQ, as_columns(here.difference_of_scores(there, PESQ.name), column)))
    return found


def _difference(here: Measurements, there: Measurements, metric: Metric, column: str) -> dict[str, Any]:
    return as_columns(here.difference(there, metric.name), column)


def _shape(measured: Measurements, name: str) -> _Columns:
    """What is measured of the representation's own frames."""
    here = measured.where(measurement="geometry", representation=name, split="eval")
    if here.records.empty:
        raise unmeasured({"representation": name, "measurement": "geometry", "split": "eval"})
    found = {m.name: (m, _with_bounds(here, m, m.name)) for m in (EFFECTIVE_RANK, PARTICIPATION_RATIO)}
    of_frames = PREDICTIVE_INFORMATION.name
    return {of_frames: (PREDICTIVE_INFORMATION, _with_bounds(here.where(horizon=1), PREDICTIVE_INFORMATION, of_frames)),
            **found}  # fmt: skip


def _heard(measured: Measurements, name: str, plan: dict[str, Any]) -> _Columns:
    true = _decoded(measured, name)
    if true.records.empty and name not in plan["unheard"]:
        raise unmeasured({"representation": name, "measurement": "decoder_tolerance", "split": "eval"})
    return {PESQ.name: (PESQ, _with_bounds(true, PESQ, PESQ.name))}


def _decoded(measured: Measurements, name: str) -> Measurements:
    """What is measured of a representation's decoded true frames."""
    here = measured.where(measurement="decoder_tolerance", representation=name, split="eval", slice="all")
    return here.where(mode="noisy", sigma=0.0)


def _with_bounds(mine: Measurements, metric: Metric, column: str) -> dict[str, Any]:
    values = {column: mine.over_seeds(metric.name)}
    bounds = zip(_bounds(column), _BOUNDS, strict=True)
    return values | {name: mine.over_seeds(metric.name, bound) for name, bound in bounds}


def _bounds(column: str) -> tuple[str, str]:
    return f"{column}_ci_low", f"{column}_ci_high"


def _places(columns: dict[str, Metric], metric: Metric) -> list[str]:
    """The columns `{metric}_{horizon}`, by horizon."""
    return [name for name in columns if name.removeprefix(f"{metric.name}_").isdigit()]


def _first(columns: dict[str, Metric], metric: Metric) -> str:
    return next(iter([*_places(columns, metric), metric.name]))


def _for_people(columns: dict[str, Metric], rows: pd.DataFrame) -> list[str]:
    """Skill at two horizons, information at two, what is left of frames, and what filters buy."""
    skill, told = _places(columns, DECODED_SKILL), []
    for metric in (STATE_INFORMATION, STATE_INFORMATION_MDN, STATE_INFORMATION_MDN_OVER_LINE):
        of_metric = _places(columns, metric)
        told += [*of_metric[:1], *of_metric[3:4]]
    chosen = [*skill[:1], *skill[2:3], *told, RECONSTRUCTION.name, PESQ.name,
              RATE_KBIT_PER_S.name, PREDICTIVE_INFORMATION.name, EFFECTIVE_RANK.name]  # fmt: skip
    return [name for name in chosen if name in rows]


def _notes(
    measured: Measurements, columns: dict[str, Metric], table: dict[str, Any], plan: dict[str, Any]
) -> list[str]:
    reference = measured.of_row(plan["rows"][0], None, "eval", measurement="learned")
    speakers, rate = reference.over_seeds(SPEAKERS.name), reference.over_seeds(FRAME_RATE_HZ.name)
    held_out = "held-out speakers" if speakers is None else f"{speakers:.0f} held-out speakers"
    window = f"W = {plan['window_frames']} frames"
    window += "" if rate is None else f" ({1000 * plan['window_frames'] / rate:.4g} ms)"
    objectives = [_OBJECTIVES] * any(plan["objectives"].values())
    notes = [
        f"Corpus `{plan['corpus']}`, {held_out}; intervals are 95 % bootstraps over speakers, not over training "
        f"runs. The first row is the reference, `{table['reference']}`: all rows are judged in its frames, so rows of "
        "tables with another reference do not compare. There neither scale nor mixing of dimensions buys anything in "
        "`decoded_..` and `state_information_..`. A filter buys the longer memory that it gives to a "
        f"window of {window}, and no more; it can cost (see `leaky`).",
        "`decoded_skill_h`: forecasts h frames ahead are made in the representation, by the best straight line from "
        f"its own last {window}, and mapped back. It is the share of the variance of the reference's frames that they "
        "explain. The first row is what a straight line from the reference's own frames tells. Its many weights cost "
        "digits to fit, so a row can be above it. Further columns hold each row less the first "
        "(`decoded_skill_to_reference_h`, with paired intervals), and the NLL, which may rank rows otherwise. "
        "`way_back`: `exact` and `approximate` are by the inverse of each link; `line` is the best straight line from "
        "a frame to the reference's, where a link has no inverse.",
        "`state_information_j`: what one frame tells about the reference's frame j later, in nats, by a straight line, "
        "less what it tells if frames are in random order within utterances (voice and room; `_whole` is without "
        "this). Beside it, for comparison: `_window`, of W frames of the reference, and `_cca`, of the best straight "
        "combinations of these, as many as the row has dimensions. They are fitted as well, and can be below a row.",
        "`.._over_{control}`, of rows that are neither the reference nor a control (`role`): how much more they have "
        "than the control of that kind and equal dimension, at the first horizon (`.._h`: at horizon h), and by how "
        "much they sound better (`pesq`), with paired intervals. A speaker with a PESQ that could not be given to both "
        "is left out. Look at the other horizons too: an order of rows may turn.",
        *objectives,
        "`reconstruction`: the share of the variance of the reference's frames that comes back from true frames. "
        "Compare rows at equal `reconstruction` (or `pesq`): a representation that keeps less can forecast less.",
        "`rate_kbit_per_s`: what frames cost to send with the help of their past, with noise that costs a set share of "
        "the variance of the reference's frames (`damage` of the section `learned`).",
        "`predictive_information` is of the representation's own frames at k = 1, the level gain with its sign turned. "
        "Smoothing buys it, so it must not rank rows: `leaky` and `random_gru` show how much. `effective_rank` says in "
        "how many directions frames vary; it is near 1 where a representation has collapsed.",
    ]
    if _places(columns, STATE_INFORMATION_MDN):
        notes.append(
            "`state_information_mdn_j`: the same by a mixture density network about that line, and `.._over_line_j` "
            "what it is above the line's on the same frames. `_window` stands in the first row. A network must learn "
            "what it tells. What it misses makes the estimate too small; it can be below the line's, since validation "
            "speakers choose the weights. What it misses of frames in random order makes it too large. Intervals do "
            "not hold the chance of training. `_whole` is too large where no constant mixture of as many components is "
            "the law of frames."
        )
    if PESQ.name in columns and plan["unheard"]:
        broken = "; ".join(f"`{name}` (its link `{link}`)" for name, link in plan["unheard"].items())
        notes.append(f"`pesq` is blank where a link has no inverse, so that nothing can be decoded: {broken}.")
    return notes


def _points(panel: Any, rows: pd.DataFrame, x: str, y: str, looks: dict[str, dict[str, Any]]) -> None:
    numbers = [name for name in (x, y, *_bounds(y)) if name in rows]
    drawn = rows[["representation", "kind", "role", "dim", *numbers]].dropna(subset=[x, y])
    drawn = drawn.astype(dict.fromkeys(numbers, float))
    for kind, mine in drawn.groupby("kind", sort=False):
        panel.plot(mine[x], mine[y], markersize=5, label=kind, **{**looks[kind], "linestyle": ""})
        if _bounds(y)[0] in mine:
            panel.vlines(mine[x], mine[_bounds(y)[0]], mine[_bounds(y)[1]], color=looks[kind]["color"], linewidth=0.8)
    for _, row in drawn[pd.Series(drawn[[x, y]].abs().max(axis=1) < 1e30)].iterrows():
        panel.annotate(f"{row['dim']:g}", (row[x], row[y]), xytext=(4, 3), textcoords="offset points", fontsize=8)
    others = drawn[drawn["role"] != "reference"]
    nearly = others[x].round(3)  # of two that differ by rounding, the better one
    best = others.assign(nearly=nearly).sort_values(["nearly", y], ascending=False)
    best = best[best[y] >= best[y].cummax()]
    panel.plot(best[x], best[y], color="0.6", linewidth=1, zorder=0)
    if len(first := drawn[drawn["representation"] == rows["representation"].iloc[0]]):
        panel.axhline(first[y].iloc[0], color="0.6", linestyle="--", linewidth=0.8, zorder=0)
