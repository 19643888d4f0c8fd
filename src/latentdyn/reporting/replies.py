"""The answers that rows of tables give to questions.

An answer is yes or no where the row's 95 % interval lies on one side of what it is compared with. Where it does not, or
where there is no interval, the question is undecided; where there is no number, the answer is missing. Beside another
row, the interval of their difference over the same speakers decides, where the table has it. An overflow is never a
yes, and beside one nothing is decided. Rows of surrogates and of published values are compared with, and are
not asked; nor are gates on speakers of training. A table that has answered a question in a column of its own is asked
what stands there. Rows that a question names as its controls are shown beside its answers. Trainings of one model that
differ in their seed alone are one row: its numbers, and the bounds of its intervals, are the means of theirs.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from latentdyn.reporting.bounds import Bounds, Verdict, bounds_of, verdict_of
from latentdyn.reporting.criteria import Gate
from latentdyn.reporting.questions import PLACES, Question, Value, asked, gates
from latentdyn.reporting.row_names import name_of, number_of, place_of, telling, unit_of
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.trainings import over_seeds

_GATES: dict[str, Verdict] = {"met": "yes", "not met": "no", "undecided": "undecided"}
_TOLD: dict[str, Verdict] = {"yes": "yes", "no": "no"}


@dataclass(frozen=True)
class Reply:
    """What one row answers.

    topic, leads: of the question. row: which one, in words. verdict: None of a control, which is shown and not asked.
    column: of the value, where its name tells something. said: the value as people read it, or what else is told.
    asked: what it is compared with, and what stands beside. value, low, high: NaN where there is none. place: all that
    says what the row is of, but for what the question fixes; empty if it is of the whole table. seeds: how many
    trainings the row is the mean of; None where that is not told. name: of the question, or of a gate that says what
    helps. beyond: how far the value is on the side of a yes from what it is compared with, the least of several; NaN
    where nothing is. level: what the row comes to, where the value is a difference or stands beside another row's.
    """

    question: str
    topic: str
    leads: bool
    row: str
    verdict: Verdict | None
    said: str
    asked: str = ""
    column: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    place: Mapping[str, Any] = field(default_factory=dict)
    seeds: int | None = None
    name: str = ""
    beyond: float = math.nan
    level: float = math.nan

    def of(self, bounds: Bounds | None) -> "Reply":
        """The same, of this number."""
        return self if bounds is None else replace(self, value=bounds.value, low=bounds.low, high=bounds.high)

    @property
    def number(self) -> str:
        """The value; with its interval where that leaves a question undecided."""
        return self.said if self.verdict == "undecided" else self.said.split(" [")[0]

    @property
    def text(self) -> str:
        """The value with its name, and what it is compared with."""
        value = f"{self.column} {self.said}" if self.column else self.said
        return f"{value}, {self.asked}" if self.asked else value


def replies(kind: str, sheet: Sheet) -> list[Reply]:
    """What the rows of a table of this kind answer, in the order of the questions."""
    sheet = over_seeds(sheet)
    found = list(_of_gates(sheet)) if kind == "gates" else []
    told: list[str] = []
    for question in asked().questions.root:
        if question.kinds and kind not in question.kinds:
            continue
        if all(column in sheet.rows for column in (*_columns(question, kind), *question.beside)):
            told = told or telling(sheet)
            found += _jointly(question, kind, sheet, told) if question.every else _of_rows(question, kind, sheet, told)
    return found


def _columns(question: Question, kind: str) -> list[str]:
    """The columns that answer a question in a table of a kind."""
    if question.every:
        return [column for part in _parts(question) for column in _columns(part, kind)]
    return [question.columns.get(kind, question.column)]


def _parts(question: Question) -> list[Question]:
    """The questions that answer this one together."""
    return [entry for entry in asked().questions.root if entry.name in question.every]


def _of_gates(sheet: Sheet) -> Iterator[Reply]:
    """Gates have their verdict already. Of a gate that is gone, no question is told."""
    entries = gates()
    for row in sheet.rows.to_dict("records"):
        if (entry := entries.get(row["gate"])) is None or not _counts(row) or row.get("split", "eval") != "eval":
            continue
        measured = not pd.isna(row["measured"])
        of = [str(row[name]) for name in ("representation", "predictor") if not pd.isna(row[name])]
        reply = Reply(
            row["question"],
            entry.topic,
            False,  # no gate leads a topic
            ", ".join(of) or entry.name,
            # tables of older versions told beside a verdict whether the interval decides it
            "undecided" if row.get("decided") == "no" else _GATES.get(row["verdict"], "missing"),
            "" if pd.isna(row["why"]) else str(row["why"]),
            place=place_of(row, ("split",)) if of else {},
            name=entry.name if entry.cause else "",  # others may share their words with a question
        )
        if measured:
            column = entry.metric if isinstance(entry, Gate) and entry.beside is None else ""  # else, a difference
            side = 1 if row["comparison"] == ">" else -1
            beyond = side * (row["measured"] - row["threshold"])
            said = number_of(sheet, row, "measured")
            reply = replace(reply, column=column, said=said, asked=_threshold(row), beyond=beyond)
        yield reply.of(bounds_of(row, "measured"))


def _threshold(row: Mapping[str, Any]) -> str:
    """What the value of a gate is asked for, in words."""
    told = f"asked: {row['comparison']} {row['threshold']:g}"
    against, ceiling = row.get("against"), row.get("ceiling")
    told += f" beside {against}" if isinstance(against, str) and against else ""
    if ceiling is not None and not pd.isna(ceiling):
        told += f" (a predictor that is fitted to look ahead reaches {ceiling:.3f} at the latest step that has one"
        out_of_reach = row["comparison"] == ">" and ceiling < row["threshold"]
        told += ", so that no forecast can be expected to)" if out_of_reach else ")"
    return told + (", a threshold of Mimi's latents" if row["verdict"] == "not comparable" else "")


def _of_rows(question: Question, kind: str, sheet: Sheet, told: Sequence[str]) -> Iterator[Reply]:
    """told: the columns that name a row."""
    rows = sheet.rows.to_dict("records")
    for row in rows:
        if (control := _control(question, row)) is not None:
            if _counts(row) and _may_stand(question, row) and (reply := _shown_alone(question, kind, sheet, row)):
                named = f"{row['representation']}, {control}"
                place = {"representation": row["representation"], "control": control}
                yield replace(reply, row=named, verdict=None, place=place)
        elif _is_asked(question, row) and (reply := _reply(question, kind, sheet, told, row, rows)):
            yield reply


def _control(question: Question, row: Mapping[str, Any]) -> str | None:
    """The name by which a row is a control of a question; None if it is none."""
    return next((row[name] for name in ("predictor", "mode") if row.get(name) in question.controls), None)


def _may_stand(question: Question, row: Mapping[str, Any]) -> bool:
    """Whether a control is of what the question asks of: where a column names the control or is blank, it is."""
    given = {c: v for c, v in question.where.items() if c in row and not pd.isna(row[c])}
    return all(_fits(row, c, v) or row[c] in question.controls for c, v in given.items())


def _shown_alone(question: Question, kind: str, sheet: Sheet, row: Mapping[str, Any]) -> Reply | None:
    """A row's number, which nothing is asked of; None where it has none."""
    (column,) = _columns(question, kind)
    mine = bounds_of(row, column, without=math.inf)
    said = f"{number_of(sheet, row, column)}{unit_of(column)}" if mine else ""
    return Reply(question.question, question.topic, question.leads, "", None, said, column=column,
                 name=question.name).of(mine) if mine else None  # fmt: skip


def _reply(
    question: Question, kind: str, sheet: Sheet, told: Sequence[str], row: Mapping[str, Any], rows: list[dict[str, Any]]
) -> Reply | None:
    """What a row answers; None where it is not asked after all."""
    (column,) = _columns(question, kind)
    reply = Reply(
        question.question,
        question.topic,
        question.leads,
        name_of([name for name in told if name not in question.fixed], row),
        "missing",
        "",
        place=place_of(row, question.fixed),
        seeds=None if pd.isna(row.get("seeds")) else int(row["seeds"]),
        name=question.name,
    )
    shown = ", ".join(f"{name} {number_of(sheet, row, name)}{unit_of(name)}" for name in question.shows if name in row)
    if pd.isna(row[column]) and question.optional:
        return None
    if question.is_ in ("told", "not"):
        return replace(reply, verdict=_in_a_word(question, row[column]), said=shown)
    mine = bounds_of(row, column, without=math.inf)
    if mine:
        reply = replace(reply, column=column, said=f"{number_of(sheet, row, column)}{unit_of(column)}").of(mine)
    else:
        reply = replace(reply, said=f"there is no {column}")
    others = _compared(question, column, sheet, row, rows)
    if not others:
        return None
    asked_for = f"asked: {question.is_} {' and '.join(text for _, text in others)}" + (f"; {shown}" if shown else "")
    paired = bounds_of(row, question.paired, without=math.inf) if mine and question.paired in row else None
    if paired:
        asked_for += f"; {question.paired} {number_of(sheet, row, question.paired)}"
        verdicts = {verdict_of(question.is_, paired, Bounds(0, 0, 0))}
    else:
        verdicts = {verdict_of(question.is_, mine, other) for other, _ in others}
    verdict = verdicts.pop() if len(verdicts) == 1 else "undecided"
    beyond, level = _beyond(question, reply, others), _level(question, reply, row)
    return replace(reply, verdict=verdict, asked=asked_for if mine else "", beyond=beyond, level=level)


def _level(question: Question, reply: Reply, row: Mapping[str, Any]) -> float:
    """What a row comes to: its value beside another row's, or what stands in the column that the question names."""
    if question.level:
        return float(row[question.level]) if question.level in row and not pd.isna(row[question.level]) else math.nan
    return reply.value if question.beside else math.nan


def _beyond(question: Question, reply: Reply, others: Sequence[tuple[Bounds, str]]) -> float:
    """How far a value is on the side of a yes from what it is compared with."""
    side = {"above": 1.0, "below": -1.0}.get(question.is_, math.nan)
    return min((side * (reply.value - other.value) for other, _ in others), key=abs)


def _jointly(question: Question, kind: str, sheet: Sheet, told: Sequence[str]) -> Iterator[Reply]:
    """What rows answer that are asked all of several questions: a no to one of them is a no."""
    rows = sheet.rows.to_dict("records")
    parts = _parts(question)
    for row in rows:
        if not all(_is_asked(part, row) and _control(part, row) is None for part in parts):
            continue
        answers = [reply for part in parts if (reply := _reply(part, kind, sheet, told, row, rows))]
        if len(answers) < len(parts):
            continue
        verdicts = {reply.verdict for reply in answers}
        order: tuple[Verdict, ...] = ("no", "missing", "undecided", "yes")
        yield replace(
            answers[0],
            question=question.question,
            topic=question.topic,
            leads=question.leads,
            name=question.name,
            verdict=next(verdict for verdict in order if verdict in verdicts),
            said="; ".join(filter(None, (f"{reply.column} {reply.said}".lstrip() for reply in answers))),
            asked="",
            column="",
            value=math.nan,
            low=math.nan,
            high=math.nan,
            beyond=math.nan,
            level=math.nan,
        )


def _fits(row: Mapping[str, Any], column: str, values: Value | tuple[Value, ...]) -> bool:
    return row[column] in (values if isinstance(values, tuple) else (values,))


def _in_a_word(question: Question, told: Any) -> Verdict:
    """The answer of a column of words; a blank is none."""
    if pd.isna(told):
        return "missing"
    if question.is_ == "told":
        return _TOLD.get(told, "undecided")
    return "no" if told == question.than else "yes"


def _counts(row: Mapping[str, Any]) -> bool:
    """Whether a row is of speech that was measured here, neither of a surrogate nor of what was published."""
    return "__" not in str(row.get("representation", "")) and row.get("origin") != "published"


def _is_asked(question: Question, row: Mapping[str, Any]) -> bool:
    if not _counts(row):
        return False
    return all(_fits(row, c, v) for c, v in question.where.items() if c in row) and not any(
        _fits(row, c, v) for c, v in question.unless.items() if c in row
    )


def _compared(
    question: Question, column: str, sheet: Sheet, row: Mapping[str, Any], rows: list[dict[str, Any]]
) -> list[tuple[Bounds, str]]:
    """What a row is compared with, and that in words: one number, or that of every row beside which it stands. Empty
    where there is no such thing."""
    if not question.beside:
        if isinstance(question.than, str):
            bounds = bounds_of(row, question.than) if question.than in row else None
            return [(bounds, f"{question.than} {number_of(sheet, row, question.than)}")] if bounds else []
        if isinstance(question.than, tuple):
            low, high = question.than
            return [(Bounds((low + high) / 2, low, high), f"{low:g} to {high:g}")]
        assert question.than is not None
        return [(Bounds(question.than, question.than, question.than), f"{question.than:g}")]
    changed = {name: text.format(**row) for name, text in question.beside.items()}
    places = [name for name in PLACES if name in row and name not in (*changed, *question.whatever)]
    wanted = {**{name: row[name] for name in places}, **changed}
    found = []
    for other in rows:
        if all(other[name] == value or (pd.isna(other[name]) and pd.isna(value)) for name, value in wanted.items()):
            told = [str(other[name]) for name in question.whatever if name in other and not pd.isna(other[name])]
            named = told if told and "predictor" not in changed else changed.values()
            if bounds := bounds_of(other, column):
                found.append((bounds, f"{number_of(sheet, other, column)} of {', '.join(named)}"))
    return found
