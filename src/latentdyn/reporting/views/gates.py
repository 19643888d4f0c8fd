"""Gates: a row for each question of gates.yaml, and each representation, predictor and split that it is asked of.

Rows without a representation are decisions, which answer for all representations together, and questions that no row
of this table is asked.
"""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.reporting.asked import Answers, Row, judged
from latentdyn.reporting.criteria import Gate, Joint, Question, criteria
from latentdyn.reporting.gates import Judgement
from latentdyn.reporting.measurements import Measurements, unmeasured
from latentdyn.reporting.published import MIMI
from latentdyn.reporting.sheet import Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DECIMALS = {name: 3 for name in ("measured", "ci_low", "ci_high", "ceiling")}
_BY = ("representation", "predictor")
_SHOWN = ("gate", *_BY, "split", "measured", "ci_low", "ci_high", "comparison", "threshold", "against", "verdict",
          "ceiling", "why")  # fmt: skip
_TITLE = 75  # characters of a line
_COLORS = {"met": "C2", "not met": "C3", "undecided": "C1", "not comparable": "0.5"}


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row, or representations were measured on different speakers.
    """
    rows = gate_rows(measured, table, plan)
    return Sheet(
        rows,
        _notes(rows, _elsewhere(measured, plan), table, plan),
        _DECIMALS,
        caption=f"Thresholds, and what was measured, corpus {plan['corpus']}.",
        columns=_SHOWN,
        by=_BY,
        heads={"split": "split"},
    )


def _notes(rows: pd.DataFrame, elsewhere: list[str], table: dict[str, Any], plan: dict[str, Any]) -> list[str]:
    """What a reader must know. elsewhere: the representations that are not Mimi's own latents."""
    asked = [gate for gate in criteria().gates.root if isinstance(gate, Gate) and (rows["gate"] == gate.name).any()]
    notes = [
        f"Corpus `{plan['corpus']}`. What a seed document asks was set there before its answer was known. `published` "
        "is the answer that they gave themselves, on other speech and splits. A gate is met or not met where "
        "the 95 % interval over speakers lies on one side of the threshold, and undecided where it does not, or where "
        "the value has no interval. `against` is what the value is a difference from, or a ratio to. Where speakers "
        "cannot be paired (`divergence_horizon`), the interval is as wide as both together. An `overflow` "
        "meets no gate. If one part of a joint question is not met, the whole is not met, whatever else is open.",
        "`ceiling` is the cosine of the lagged predictor at the latest step that has one, up to the step of the gate. "
        "A forecast from the same start knows no more. Where the threshold is above the ceiling, the gate may ask for "
        "what the start does not tell.",
    ]
    if ours := ", ".join(f"`{gate.name}`" for gate in asked if gate.source == "ours"):
        notes.append(
            f"No seed document asks {ours}: what their gates take for granted is asked here, of the "
            "predictors of this table alone. These thresholds are ours, and were set when some answers were known. "
            "The report asks what is about free runs of the arms of all tables."
        )
    settings = rows["gate"].isin([gate.name for gate in asked if gate.some]) & rows["measured"].notna()
    if several := ", ".join(f"`{name}`" for name in rows.loc[settings, "gate"].unique()):
        notes.append(f"{several}: met if it is met at one of several settings. The interval is that of one setting, so "
                     "that with many settings one may be met by chance.")  # fmt: skip
    if table.get("reference"):
        ratios = ", ".join(f"`{gate.name}`" for gate in asked if gate.by == "ratio")
        notes.append(f"{ratios} is the ΔNLL of a representation over that of "
                     f"`{table['reference']}`, each in nats/frame at its own frame rate.")  # fmt: skip
    if table["parts"]:
        notes.append("**Caution:** a gate of learned representations compares one training of each. What chance does, "
                     "only entries that differ in `seed` alone would show.")  # fmt: skip
    if elsewhere:
        named = ", ".join(f"`{name}`" for name in elsewhere)
        of_mimi = " and ".join(f"`{gate.name}`" for gate in asked if gate.in_mimi_units)
        notes.append(
            f"**Not comparable:** the thresholds of {of_mimi} were set on Mimi's latents at 12.5 Hz, in their nats a "
            f"frame and their units. They mean little beside {named}: no verdict is given."
        )
    every = rows.drop_duplicates("gate")[["gate", "source", "question", "published"]].itertuples(index=False, name=None)
    told = " ".join(
        f"`{gate}` ({source}): {question} Published: {published}." for gate, source, question, published in every
    )
    return [*notes, f"The questions: {told}"]


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A panel for each gate that was measured, a line a representation, predictor and split.

    Met is green, not met red, undecided orange, not comparable grey.
    The threshold is dashed. An overflow has a line without a point.
    """
    from matplotlib.figure import Figure

    rows = gate_rows(measured, table, plan)
    rows = rows[rows["measured"].notna()]
    panels = list(rows.groupby("gate", sort=False))
    lengths = [len(mine) for _, mine in panels]
    figure = Figure(figsize=(8, 0.75 * len(panels) + 0.15 * sum(lengths)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=lengths)[:, 0]
    for axis, (_, mine) in zip(axes, panels, strict=True):
        mine = mine.iloc[::-1].astype({"measured": float, "ci_low": float, "ci_high": float})
        colors = mine["verdict"].map(_COLORS)
        # not error bars: a percentile interval need not contain the value
        axis.hlines(range(len(mine)), mine["ci_low"], mine["ci_high"], colors=colors, linewidth=1)
        axis.scatter(mine["measured"], range(len(mine)), c=colors, s=12)
        places = mine[["representation", "predictor", "split"]].itertuples(index=False)
        names = [", ".join(word for word in place if isinstance(word, str)) for place in places]
        axis.set_yticks(range(len(mine)), names, fontsize=7)
        axis.set_ylim(-0.7, len(mine) - 0.3)
        axis.tick_params(axis="x", labelsize=7)
        gate = mine.iloc[0]
        axis.axvline(gate.threshold, color="0.4", linewidth=0.8, linestyle="--")
        question = textwrap.fill(f"{gate.gate}: {gate.comparison} {gate.threshold:g}. {gate.question}", _TITLE)
        axis.set_title(question, fontsize=8)
    return figure


def gate_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """For each split, a row for each gate and what it is asked of, and one for each decision."""
    rows = []
    for split in table["splits"]:
        here = measured.where(split=split)  # of the table's seeds, and of what has none
        answers = judged(criteria(), here, table, plan)
        for row in _rows(answers, table, plan, split):
            keys = {"representation": row[0], "predictor": row[1], "split": split}
            of_row = here.of_row(**keys, measurement="injection")
            units = _in_mimi_units() if _is_elsewhere(row[0], measured, plan) else set()
            for gate, answer in answers.of_row(row):
                found = _row(gate, keys, answer, _ceiling(gate, of_row))
                found["against"] = _against(gate, row, answers, measured)
                if gate.name in units and answer.verdict != "not measured":
                    found["verdict"] = "not comparable"
                rows.append(found)
        everywhere = {"representation": None, "predictor": None, "split": split}
        decided = answers.decisions(table["representations"], plan["kinds"]["predictors"])
        rows += [_row(gate, everywhere, answer, None) for gate, answer in (*answers.of_no_row(), *decided)]
    return pd.DataFrame(rows)


def _against(question: Question, row: Row, answers: Answers, measured: Measurements) -> str:
    """What the value of a row is compared with, where it is a difference or a ratio; and the dimensions, if they
    differ."""
    other = answers.asked[question.name].rows[row]
    if not other or not isinstance(question, Gate):
        return ""
    told = ", ".join(str(name) for name, own in zip(other, row, strict=True) if name != own) or "no correction"
    own, theirs = (measured.where(representation=name).over_seeds("dim") for name, _ in (row, other))
    return told if own == theirs else f"{told} ({theirs:g} dimensions, here {own:g})"


def _in_mimi_units() -> set[str]:
    """The gates whose threshold is of Mimi's latents, and those that follow from them."""
    every = criteria().gates.root
    own = {gate.name for gate in every if isinstance(gate, Gate) and gate.in_mimi_units}
    return own | {gate.name for gate in every if isinstance(gate, Joint) and own.intersection(gate.every)}


def _rows(answers: Answers, table: dict[str, Any], plan: dict[str, Any], split: str) -> Iterator[Row]:
    """What gates are asked of, in order.

    Raises:
        UserError: nothing was measured for a row.
    """
    for representation in plan["rows"]:
        for predictor in (*table["predictors"], None):
            row: Row = (representation, predictor)
            verdicts = [answer.verdict for _, answer in answers.of_row(row)]
            if predictor and all(verdict == "not measured" for verdict in verdicts):
                raise unmeasured({"representation": representation, "predictor": predictor, "split": split})
            yield row


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
        "against": "",
        "verdict": answer.verdict,
        "why": answer.why or _follows_from(question),
        "ceiling": ceiling,
        "published": question.published,
        "source": question.source,
        "question": question.question,
    }


def _follows_from(question: Question) -> str:
    """Of what other gates answer together, what is asked of them; decisions say it with the rows that meet it."""
    return f"asked: all of {', '.join(question.every)}" if isinstance(question, Joint) else ""


def _ceiling(question: Question, here: Measurements) -> float | None:
    """For a gate of a forecast's cosine at a step: that of the lagged predictor at the latest step that has one, up to
    this."""
    if not (isinstance(question, Gate) and question.metric == "cosine" and question.at.mode == "D"):
        return None
    if question.at.step is None:
        return None
    ceiling = here.where(mode="ceiling")
    steps = ceiling.records["step"].dropna()
    known = steps[steps <= question.at.step]
    return None if known.empty else ceiling.at_step(int(known.max())).over_seeds("cosine")


def _elsewhere(measured: Measurements, plan: dict[str, Any]) -> list[str]:
    """The representations that are not Mimi's own latents: the thresholds were set on these."""
    return [name for name in plan["rows"] if _is_elsewhere(name, measured, plan)]


def _is_elsewhere(name: str, measured: Measurements, plan: dict[str, Any]) -> bool:
    here = measured.where(representation=name)
    lineage = plan["kinds"]["representations"][name]
    return not MIMI.are(lineage, here.over_seeds("dim"), here.over_seeds("frame_rate_hz"))
