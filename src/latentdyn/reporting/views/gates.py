"""Gates: a row for each question with a threshold, and each representation, predictor and split that it is asked of.

Rows without a representation are those of the decision matrix: they answer for all representations together.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.reporting.gates import (
    DIRECTION_SUSTAINED,
    FULL_SWEEP,
    FULL_SWEEP_PARTS,
    GATES,
    HORIZON_EXTENDED,
    REPRESENTATION_GAIN,
    Gate,
    Judgement,
    Question,
    decision_matrix,
    every,
    judge,
)
from latentdyn.reporting.measurements import Measurements, unmeasured
from latentdyn.reporting.published import MIMI
from latentdyn.reporting.sheet import Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DECIMALS = {name: 3 for name in ("measured", "ci_low", "ci_high", "ceiling")} | {"threshold": 1}
_COLORS = {"met": "C2", "not met": "C3"}


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row, or representations were measured on different speakers.
    """
    rows = gate_rows(measured, table, plan)
    notes = [
        f"Corpus `{plan['corpus']}`. Each gate was set in the seed documents before its answer was known. `published` "
        "is the answer that they gave themselves, on other speech and splits. The verdict is about the value. "
        "`decided` says whether its 95 % interval over speakers lies on one side of the threshold. An `overflow` meets "
        "no gate. If one part of a joint question is not met, the whole is not met, whatever was not measured.",
        "`ceiling` is the cosine of the lagged predictor at the latest step that has one, up to the step of the gate. "
        "A forecast from the same start knows no more. Where the threshold is above the ceiling, the gate may ask for "
        "what the start does not tell.",
    ]
    if table.get("reference"):
        notes.append(f"`{REPRESENTATION_GAIN.name}` is the ΔNLL of a representation over that of "
                     f"`{table['reference']}`, each in nats/frame at its own frame rate.")  # fmt: skip
    if elsewhere := _elsewhere(measured, plan):
        of_mimi = " and ".join(f"`{gate.name}`" for gate in GATES if gate.in_mimi_units)
        notes.append(
            f"**Not comparable:** the thresholds of {of_mimi} were set on Mimi's latents at 12.5 Hz, in their nats a "
            f"frame and their units. They mean little beside {', '.join(f'`{name}`' for name in elsewhere)}."
        )
    return Sheet(
        rows,
        notes,
        _DECIMALS,
        caption=f"Thresholds that were set beforehand, and what was measured, corpus {plan['corpus']}.",
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A panel for each gate that was measured, a line a representation, predictor and split; met is green, else red.

    The threshold is dashed. An overflow has a line without a point.
    """
    from matplotlib.figure import Figure

    rows = gate_rows(measured, table, plan)
    rows = rows[rows["measured"].notna()]
    panels = list(rows.groupby("gate", sort=False))
    lengths = [len(mine) for _, mine in panels]
    figure = Figure(figsize=(8, 0.9 * len(panels) + 0.25 * sum(lengths)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=lengths)[:, 0]
    for axis, (_, mine) in zip(axes, panels, strict=True):
        mine = mine.iloc[::-1].astype({"measured": float, "ci_low": float, "ci_high": float})
        colors = mine["verdict"].map(_COLORS)
        # not error bars: a percentile interval need not contain the value
        axis.hlines(range(len(mine)), mine["ci_low"], mine["ci_high"], colors=colors, linewidth=1)
        axis.scatter(mine["measured"], range(len(mine)), c=colors, s=12)
        names = [f"{r.representation}, {r.predictor}, {r.split}" for r in mine.itertuples()]
        axis.set_yticks(range(len(mine)), names, fontsize=7)
        gate = mine.iloc[0]
        axis.axvline(gate.threshold, color="0.4", linewidth=0.8, linestyle="--")
        axis.set_title(f"{gate.gate}: {gate.comparison} {gate.threshold:g}. {gate.question}", fontsize=8)
    return figure


def gate_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """For each split, a row for each gate, representation and predictor, and one for each row of the matrix."""
    rows = []
    for split in table["splits"]:
        here = measured.where(split=split, seed=table["seeds"])
        works, vmf_works, gains = [], [], []
        for representation in plan["rows"]:
            for predictor in table["predictors"]:
                keys = {"representation": representation, "predictor": predictor, "split": split}
                judged = _judged(here, keys, table.get("reference"))
                rows += [
                    _row(gate, keys, answer, _ceiling(gate, here.of_row(**keys))) for gate, answer in judged.items()
                ]
                if representation in table["representations"]:  # of surrogates the matrix does not ask
                    works.append(every([judged[DIRECTION_SUSTAINED], judged[HORIZON_EXTENDED]]))
                    if plan["kinds"]["predictors"][predictor] == "vmf_lognormal":
                        vmf_works.append(works[-1])
                    if REPRESENTATION_GAIN in judged and table.get("reference"):
                        gains.append(judged[REPRESENTATION_GAIN])
        everywhere = {"representation": None, "predictor": None, "split": split}
        rows += [_row(row, everywhere, answer, None) for row, answer in decision_matrix(works, vmf_works, gains)]
    return pd.DataFrame(rows)


def _judged(measured: Measurements, keys: dict[str, Any], reference: str | None) -> dict[Question, Judgement]:
    here, theirs = (measured.of_row(**{**keys, "representation": name}) for name in (keys["representation"], reference))
    gates = [gate for gate in GATES if not (gate.relative and keys["representation"] == reference)]
    judged: dict[Question, Judgement] = {gate: judge(gate, here, theirs if reference else None) for gate in gates}
    if all(answer.verdict == "not measured" for answer in judged.values()):
        raise unmeasured(keys)
    return judged | {FULL_SWEEP: every([judged[gate] for gate in FULL_SWEEP_PARTS])}


def _row(question: Question, keys: dict[str, Any], answer: Judgement, ceiling: float | None) -> dict[str, Any]:
    gate = question if isinstance(question, Gate) else None
    return {
        "gate": question.name,
        **keys,
        "measured": answer.value,
        "ci_low": answer.ci_low,
        "ci_high": answer.ci_high,
        "comparison": gate and gate.comparison,
        "threshold": gate and float(gate.threshold),
        "verdict": answer.verdict,
        "decided": "" if answer.verdict == "not measured" else "yes" if answer.decided else "no",
        "why": answer.why,
        "ceiling": ceiling,
        "published": question.published,
        "source": question.source,
        "question": question.question,
    }


def _ceiling(question: Question, here: Measurements) -> float | None:
    """For a gate of a cosine at a step: that of the lagged predictor at the latest step that has one, up to this."""
    if not (isinstance(question, Gate) and question.metric == "cosine" and question.step):
        return None
    ceiling = here.where(mode="ceiling")
    steps = ceiling.records["step"].dropna()
    known = steps[steps <= question.step]
    return None if known.empty else ceiling.at_step(int(known.max())).over_seeds("cosine")


def _elsewhere(measured: Measurements, plan: dict[str, Any]) -> list[str]:
    """The representations that are not Mimi's own latents: the thresholds were set on these."""
    elsewhere = []
    for name in plan["rows"]:
        here = measured.where(representation=name)
        dim, frame_rate_hz = here.over_seeds("dim"), here.over_seeds("frame_rate_hz")
        if not MIMI.are(plan["kinds"]["representations"][name], dim, frame_rate_hz):
            elsewhere.append(name)
    return elsewhere
