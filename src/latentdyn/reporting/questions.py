"""Questions that are asked of the rows of tables, as data (questions.yaml), and the answers that the rows give.

An answer is yes or no where the row's 95 % interval lies on one side of what it is compared with. Where it does not, or
where there is no interval, the question is undecided; where there is no number, the answer is missing. An overflow is
never a yes, and beside one nothing is decided. Rows of surrogates and of published values are compared with, and are
not asked; nor are gates on speakers of training. A table that has answered a question in a column of its own is asked
what stands there. Rows that a question names as its controls are shown beside its answers. Trainings of one model that
differ in their seed alone are one row: its numbers, and the bounds of its intervals, are the means of theirs.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Literal

import pandas as pd
from pydantic import Field, model_validator

from latentdyn.errors import UserError
from latentdyn.metrics import metric
from latentdyn.reporting.criteria import CRITERIA, Decision, Gate, Joint, criteria
from latentdyn.reporting.entries import Entry, Named, read_entries
from latentdyn.reporting.sheet import Sheet, cell

Verdict = Literal["yes", "no", "undecided", "missing"]
Value = str | int | float

QUESTIONS = Path(__file__).with_suffix(".yaml")
# the columns that say what a row is of
PLACES = ("process", "representation", "predictor", "seed", "by", "a", "b", "metric", "diagnostic", "split", "slice",
          "k", "mode", "step", "sigma", "clusters", "correction", "variant", "forecast", "n_steps", "langevin_steps",
          "target", "linear_skip", "target_axes", "regime", "gate")  # fmt: skip
_FACTS = ("origin", "role")  # further columns by which rows are chosen
_MODEL = ("process", "representation", "predictor", "by")  # named in whatever table a row stands
_FOLLOWS = ("gate", "slice", "target", "linear_skip", "target_axes", "regime")  # from what else a row is of
_TRAINING = re.compile(r"_seed\d+$")  # ends the name of a representation: another training of the one named before
_BEFORE = {"k": "k =", "sigma": "σ =", "clusters": "K =", "n_steps": "steps", "langevin_steps": "steps"}
_GATES: dict[str, Verdict] = {"met": "yes", "not met": "no", "undecided": "undecided"}
_TOLD: dict[str, Verdict] = {"yes": "yes", "no": "no"}


class Topic(Entry):
    """What some questions are about. head: in words."""

    name: str
    head: str


class Question(Entry):
    """One entry of questions.yaml, which says what its keys mean."""

    name: str
    question: str
    topic: str
    leads: bool = False
    kinds: tuple[str, ...] = ()
    column: str = ""
    columns: Mapping[str, str] = {}  # by kind of table, where it has another name
    is_: Literal["above", "below", "within", "not", "told", "all"] = Field(alias="is")
    than: Value | tuple[float, float] | None = None
    beside: Mapping[str, str] = {}
    whatever: tuple[str, ...] = ()
    every: tuple[str, ...] = ()
    where: Mapping[str, Value | tuple[Value, ...]] = {}
    unless: Mapping[str, Value | tuple[Value, ...]] = {}
    optional: bool = False
    shows: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    about_controls: str = ""
    helps: str = ""

    @model_validator(mode="after")
    def _compares(self) -> "Question":
        if (isinstance(self.than, tuple) and self.than[0] < self.than[1]) != (self.is_ == "within"):
            raise ValueError("`within` is of two bounds, the lower one first, and nothing else is")
        given = [value for value in (self.than, self.beside or None) if value is not None]
        if len(given) != (self.is_ not in ("told", "all")):
            raise ValueError("say either `than` or `beside`; of what is `told`, or asks for `all` of others, neither")
        if bool(self.every) != (self.is_ == "all") or bool(self.every) == bool(self.column):
            raise ValueError("`every` names questions, of what is `all`; anything else has a column")
        return self

    @model_validator(mode="after")
    def _is_of_rows(self) -> "Question":
        own = [name for text in self.beside.values() for _, name, *_ in Formatter().parse(text) if name is not None]
        if unknown := sorted({*self.where, *self.unless, *self.beside, *self.whatever, *own} - {*PLACES, *_FACTS}):
            raise ValueError(f"no column that says what a row is has the name {', '.join(unknown)}")
        return self


class Asked(Entry):
    """All that questions.yaml holds."""

    topics: Named[Topic]
    questions: Named[Question]

    @model_validator(mode="after")
    def _topics_are_there(self) -> "Asked":
        known = {topic.name for topic in self.topics.root}
        if lost := [question.name for question in self.questions.root if question.topic not in known]:
            raise ValueError(f"no topic is there for {', '.join(lost)}")
        return self

    @model_validator(mode="after")
    def _parts_are_there(self) -> "Asked":
        before: set[str] = set()
        for question in self.questions.root:
            if lost := sorted({*question.every} - before):
                raise ValueError(f"questions.{question.name}.every: no question before it is {', '.join(lost)}")
            before |= {question.name} if question.column else set()
        return self


@dataclass(frozen=True)
class Reply:
    """What one row answers.

    topic, leads: of the question. row: which one, in words. verdict: None of a control, which is shown and not asked.
    column: of the value, where its name tells something. said: the value as people read it, or what else is told.
    asked: what it is compared with, and what stands beside. value, low, high: NaN where there is none. place: all that
    says what the row is of, but for what the question fixes; empty if it is of the whole table. seeds: how many
    trainings the row is the mean of; None where that is not told. name: of the question, "" of gates.
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

    def of(self, bounds: "_Bounds | None") -> "Reply":
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


@dataclass(frozen=True)
class _Bounds:
    """A number with its interval; the number itself where it is exact."""

    value: float
    low: float
    high: float


@cache
def asked() -> Asked:
    """Every topic and question of questions.yaml.

    Raises:
        UserError: the file is not of the form; its mistakes are told with their dotted paths.
    """
    found = read_entries(QUESTIONS, Asked)
    topics = {topic.name for topic in found.topics.root}
    if lost := [entry.name for entry in _gates().values() if entry.topic not in topics]:
        raise UserError(f"no topic of {QUESTIONS.name} is that of {', '.join(lost)}", CRITERIA, "correct `topic` there")
    return found


def _gates() -> dict[str, Gate | Joint | Decision]:
    """Every gate and decision by its name."""
    return {entry.name: entry for entry in (*criteria().gates.root, *criteria().decisions.root)}


def replies(kind: str, sheet: Sheet) -> list[Reply]:
    """What the rows of a table of this kind answer, in the order of the questions."""
    sheet = _over_seeds(sheet)
    found = list(_of_gates(sheet)) if kind == "gates" else []
    told: list[str] = []
    for question in asked().questions.root:
        if question.kinds and kind not in question.kinds:
            continue
        if all(column in sheet.rows for column in _columns(question, kind)):
            told = told or _telling(sheet)
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


def _over_seeds(sheet: Sheet) -> Sheet:
    """The sheet with one row for all trainings of a model: the means of their numbers. A representation whose name ends
    in `_seed1` and the like is another training of the one named before it."""
    rows = sheet.rows
    names = rows.get("representation", pd.Series(dtype=object)).astype(str)
    first = names.str.replace(_TRAINING, "", regex=True)
    first = first.where(first.isin(set(names)), names)
    if "seed" not in rows and (first == names).all():
        return sheet
    rows = rows.assign(representation=first)
    told = [name for name in (*PLACES, *_FACTS) if name in rows and name != "seed"]
    merged = [_merged(mine) for _, mine in rows.groupby(told, sort=False, dropna=False)]
    return replace(sheet, rows=pd.DataFrame(merged))


def _merged(rows: pd.DataFrame) -> dict[str, Any]:
    """Rows of several trainings as one: numbers as their mean, what is not the same in all is left out."""
    if len(rows) == 1:
        return {"seeds": 1, **rows.iloc[0].drop(labels="seed", errors="ignore").to_dict()}
    found: dict[str, Any] = {"seeds": len(rows)}
    for name in rows.columns.drop("seed", errors="ignore"):
        values = rows[name]
        if pd.api.types.is_numeric_dtype(values) and name not in PLACES:
            found[name] = values.to_numpy(float, na_value=math.nan).mean()  # without one of them, there is none
        else:
            found[name] = values.iloc[0] if values.nunique(dropna=False) == 1 else None
    return found


def _of_gates(sheet: Sheet) -> Iterator[Reply]:
    """Gates have their verdict already. Of a gate that is gone, no question is told."""
    entries = _gates()
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
            place=_place(row, ("split",)) if of else {},
        )
        if measured:
            column = entry.metric if isinstance(entry, Gate) and entry.beside is None else ""  # else, a difference
            reply = replace(reply, column=column, said=_shown(sheet, row, "measured"), asked=_threshold(row))
        yield reply.of(_bounds(row, "measured"))


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
            if _counts(row) and (reply := _shown_alone(question, kind, sheet, row)):
                named = f"{row['representation']}, {control}"
                yield replace(reply, row=named, verdict=None, place={"control": named})
        elif _is_asked(question, row) and (reply := _reply(question, kind, sheet, told, row, rows)):
            yield reply


def _control(question: Question, row: Mapping[str, Any]) -> str | None:
    """The name by which a row is a control of a question; None if it is none."""
    return next((row[name] for name in ("predictor", "mode") if row.get(name) in question.controls), None)


def _shown_alone(question: Question, kind: str, sheet: Sheet, row: Mapping[str, Any]) -> Reply | None:
    """A row's number, which nothing is asked of; None where it has none."""
    (column,) = _columns(question, kind)
    mine = _bounds(row, column, without=math.inf)
    said = f"{_shown(sheet, row, column)}{_unit(column)}" if mine else ""
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
        _named([name for name in told if name not in _fixed(question)], row),
        "missing",
        "",
        place=_place(row, _fixed(question)),
        seeds=None if pd.isna(row.get("seeds")) else int(row["seeds"]),
        name=question.name,
    )
    shown = ", ".join(f"{name} {_shown(sheet, row, name)}{_unit(name)}" for name in question.shows if name in row)
    if pd.isna(row[column]) and question.optional:
        return None
    if question.is_ in ("told", "not"):
        return replace(reply, verdict=_in_a_word(question, row[column]), said=shown)
    mine = _bounds(row, column, without=math.inf)
    if mine:
        reply = replace(reply, column=column, said=f"{_shown(sheet, row, column)}{_unit(column)}").of(mine)
    else:
        reply = replace(reply, said=f"there is no {column}")
    others = _compared(question, column, sheet, row, rows)
    if not others:
        return None
    asked_for = f"asked: {question.is_} {' and '.join(text for _, text in others)}" + (f"; {shown}" if shown else "")
    verdicts = {_verdict(question.is_, mine, other) for other, _ in others}
    verdict = verdicts.pop() if len(verdicts) == 1 else "undecided"
    return replace(reply, verdict=verdict, asked=asked_for if mine else "")


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
) -> list[tuple[_Bounds, str]]:
    """What a row is compared with, and that in words: one number, or that of every row beside which it stands. Empty
    where there is no such thing."""
    if not question.beside:
        if isinstance(question.than, str):
            bounds = _bounds(row, question.than) if question.than in row else None
            return [(bounds, f"{question.than} {_shown(sheet, row, question.than)}")] if bounds else []
        if isinstance(question.than, tuple):
            low, high = question.than
            return [(_Bounds((low + high) / 2, low, high), f"{low:g} to {high:g}")]
        assert question.than is not None
        return [(_Bounds(question.than, question.than, question.than), f"{question.than:g}")]
    changed = {name: text.format(**row) for name, text in question.beside.items()}
    places = [name for name in PLACES if name in row and name not in (*changed, *question.whatever)]
    wanted = {**{name: row[name] for name in places}, **changed}
    found = []
    for other in rows:
        if all(other[name] == value or (pd.isna(other[name]) and pd.isna(value)) for name, value in wanted.items()):
            named = [str(other[name]) for name in question.whatever if name in other] or changed.values()
            if bounds := _bounds(other, column):
                found.append((bounds, f"{_shown(sheet, other, column)} of {', '.join(named)}"))
    return found


def _bounds(row: Mapping[str, Any], column: str, without: float = 0.0) -> _Bounds | None:
    """A value with the bounds that its row has of it; None where there is no value. without: half the width of the
    interval of a value that has none: 0 of what is exact."""
    value = row[column]
    if pd.isna(value):
        return None
    bounds = [row.get(f"{_stem(column)}ci_{end}") for end in ("low", "high")]
    if any(bound is None or pd.isna(bound) for bound in bounds):
        bounds = [value - without, value + without]
    return _Bounds(*(float(number) for number in (value, *bounds)))


def _verdict(is_: str, mine: _Bounds | None, other: _Bounds) -> Verdict:
    if mine is None:
        return "missing"
    if mine.value == math.inf:
        return "no"
    if not (math.isfinite(mine.value) and math.isfinite(other.value)):  # -inf: less than what overflowed
        return "undecided"
    if is_ == "within" and other.low <= mine.low and mine.high <= other.high:
        return "yes"
    if is_ == "within":
        return "no" if mine.high < other.low or mine.low > other.high else "undecided"
    if is_ == "below":
        mine, other = (_Bounds(-b.value, -b.high, -b.low) for b in (mine, other))
    if mine.low > other.high:
        return "yes"
    exact = other.low == other.high  # what is just as large as a threshold is not above it
    return "no" if mine.high < other.low or (exact and mine.high == other.low) else "undecided"


def _telling(sheet: Sheet) -> list[str]:
    """The columns that name the rows of a table: its models, and what else tells rows apart; of one row, the first that
    says what it is of."""
    told = [name for name in _MODEL if name in sheet.rows]
    groups = sheet.rows[told].drop_duplicates().shape[0] if told else 1
    for name in (name for name in PLACES if name not in told):
        if name in sheet.rows and (found := sheet.rows[[*told, name]].drop_duplicates().shape[0]) > groups:
            told, groups = [*told, name], found
    return told or [name for name in PLACES if name in sheet.rows][:1]


def _named(told: Sequence[str], row: Mapping[str, Any]) -> str:
    """What a row is of, as far as that tells it from other rows."""
    return ", ".join(_in_words(name, row[name]) for name in told if not pd.isna(row[name]))


def _in_words(place: str, value: Any) -> str:
    """One place of a row; a number is named."""
    return value if isinstance(value, str) else f"{_BEFORE.get(place, place)} {value:g}"


def _place(row: Mapping[str, Any], fixed: Collection[str]) -> dict[str, Any]:
    """What a row is of, the same in each table that has this row. fixed: columns that one value was asked of."""
    left = (name for name in PLACES if name in row and name not in (*_FOLLOWS, *fixed))
    return {name: row[name] for name in left if not pd.isna(row[name])}


def _fixed(question: Question) -> list[str]:
    """The columns of which a question asks one value."""
    return [name for name, value in question.where.items() if not isinstance(value, tuple)]


def _shown(sheet: Sheet, row: Mapping[str, Any], column: str) -> str:
    """A value as people read it, with its interval."""
    digits = sheet.decimals.get(column)
    text = _text(row[column], digits)
    low, high = (_text(row.get(f"{_stem(column)}ci_{end}"), digits) for end in ("low", "high"))
    return f"{text} [{low}, {high}]" if low and high else text


def _stem(column: str) -> str:
    """What the names of an interval's columns begin with."""
    return "" if column == "measured" else f"{column}_"


def _unit(column: str) -> str:
    """The unit of a metric, after a blank; "" of ratios and of what is no metric."""
    bare = column.split("_over_")[0]  # what is set beside something has the unit of the metric
    for name in (column, bare, bare.rpartition("_")[0]):  # and so has what is of one horizon
        try:
            unit = metric(name).unit
        except KeyError:
            continue
        return "" if unit == "1" else f" {unit}"
    return ""


def _text(value: Any, digits: int | None) -> str:
    """A number as tables show it, but with a digit of its own where they would round it to 0: a verdict hangs on it."""
    text = cell(value, digits)
    return f"{value:.1g}" if digits is not None and text.strip("0.") == "" and text and value else text
