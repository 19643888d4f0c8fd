"""Questions that are asked of the rows of tables, as data (questions.yaml)."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Literal

from pydantic import Field, model_validator

from latentdyn.errors import UserError
from latentdyn.reporting.criteria import CRITERIA, Decision, Gate, Joint, criteria
from latentdyn.reporting.entries import Effect, Entry, Named, read_entries

Value = str | int | float

QUESTIONS = Path(__file__).with_suffix(".yaml")
# the columns that say what a row is of
PLACES = ("process", "representation", "predictor", "seed", "by", "a", "b", "metric", "diagnostic", "split", "slice",
          "k", "mode", "step", "sigma", "clusters", "correction", "variant", "forecast", "n_steps", "langevin_steps",
          "target", "linear_skip", "target_axes", "regime", "gate", "agrees")  # fmt: skip
FACTS = ("origin", "role", "objective")  # further columns by which rows are chosen


class Topic(Entry):
    """What some questions are about. head: in words."""

    name: str
    head: str


class Question(Effect):
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
    paired: str = ""
    whatever: tuple[str, ...] = ()
    every: tuple[str, ...] = ()
    where: Mapping[str, Value | tuple[Value, ...]] = {}
    unless: Mapping[str, Value | tuple[Value, ...]] = {}
    optional: bool = False
    shows: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    about_controls: str = ""

    @model_validator(mode="after")
    def _compares(self) -> "Question":
        if (isinstance(self.than, tuple) and self.than[0] < self.than[1]) != (self.is_ == "within"):
            raise ValueError("`within` is of two bounds, the lower one first, and nothing else is")
        given = [value for value in (self.than, self.beside or None) if value is not None]
        if len(given) != (self.is_ not in ("told", "all")):
            raise ValueError("say either `than` or `beside`; of what is `told`, or asks for `all` of others, neither")
        if self.paired and not self.beside:
            raise ValueError("`paired` is the difference from the row that `beside` names")
        if bool(self.every) != (self.is_ == "all") or bool(self.every) == bool(self.column):
            raise ValueError("`every` names questions, of what is `all`; anything else has a column")
        return self

    @property
    def fixed(self) -> list[str]:
        """The columns of which it asks one value."""
        return [name for name, value in self.where.items() if not isinstance(value, tuple)]

    @property
    def of_difference(self) -> bool:
        """Whether a no says that a row is worse than what it is compared with."""
        return bool(self.beside) or self.than == 0

    @model_validator(mode="after")
    def _is_of_rows(self) -> "Question":
        own = [name for text in self.beside.values() for _, name, *_ in Formatter().parse(text) if name is not None]
        if unknown := sorted({*self.where, *self.unless, *self.beside, *self.whatever, *own} - {*PLACES, *FACTS}):
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


@cache
def asked() -> Asked:
    """Every topic and question of questions.yaml.

    Raises:
        UserError: the file is not of the form; its mistakes are told with their dotted paths.
    """
    found = read_entries(QUESTIONS, Asked)
    topics = {topic.name for topic in found.topics.root}
    if lost := [entry.name for entry in gates().values() if entry.topic not in topics]:
        raise UserError(f"no topic of {QUESTIONS.name} is that of {', '.join(lost)}", CRITERIA, "correct `topic` there")
    caused = {name for name, entry in gates().items() if entry.cause}
    if twice := {entry.name for entry in found.questions.root} & caused:
        raise UserError(
            f"a question has the name of a gate: {', '.join(sorted(twice))}", QUESTIONS, "rename one of them"
        )
    return found


def gates() -> dict[str, Gate | Joint | Decision]:
    """Every gate and decision by its name."""
    return {entry.name: entry for entry in (*criteria().gates.root, *criteria().decisions.root)}


def effects() -> list[Question | Gate]:
    """The questions and gates that ask whether something helps, in their order."""
    of_gates = [entry for entry in gates().values() if isinstance(entry, Gate)]
    every: list[Question | Gate] = [*asked().questions.root, *of_gates]
    return [entry for entry in every if entry.cause]
