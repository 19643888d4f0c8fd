"""Gates as data (gates.yaml): questions with thresholds.

Of each: where it was asked, what value answers it, the threshold, and the answer that its source gave itself. What the
keys mean, the file says at its top. How a gate is judged, `gates` says.
"""

import hashlib
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from latentdyn.metrics import MEASURED, METRICS
from latentdyn.reporting.entries import Effect, Entry, Named, read_entries

CRITERIA = Path(__file__).with_name("gates.yaml")


class Question(Effect):
    """Who asked what, and what they answered themselves. topic, and what it says of an effect: as in questions.yaml."""

    name: str
    source: str
    question: str
    published: str
    topic: str


class Place(Entry):
    """Where the records lie that answer. None: everywhere; but a step of None is all steps pooled."""

    horizon: int | None = None
    mode: str | None = None
    step: int | None = None
    correction: str | None = None
    sigma: float | None = None


class Rows(Entry):
    """Rows of one kind: representations that play a part, predictors of a kind, forecasts with a correction."""

    representation: str | None = None
    predictor: str | None = None
    correction: str | None = None


class Gate(Question):
    """A question that a value of a row answers."""

    measurement: str
    metric: str
    at: Place = Place()
    comparison: Literal[">", "<"]
    threshold: float
    least_steps: int = 0
    some: tuple[Literal["clusters", "sigma", "langevin_steps"], ...] = ()
    of: Rows = Rows()
    beside: Rows | None = None
    by: Literal["ratio", "difference"] = "difference"
    once: bool = False
    optional: bool = False
    in_mimi_units: bool = False

    @property
    def of_difference(self) -> bool:
        """Whether a no says that a row is worse than the one that it stands beside."""
        return self.beside is not None and self.threshold == 0

    @model_validator(mode="after")
    def _of_a_metric(self) -> Self:
        if self.metric not in METRICS:
            raise ValueError(f"there is no metric {self.metric!r}")
        if self.measurement not in MEASURED:
            raise ValueError(f"there is no measurement {self.measurement!r}")
        return self


class Joint(Question):
    """A question that several gates answer together, which are named before it. some: of gates on one measurement, none
    of which sets a row beside another."""

    every: tuple[str, ...] = Field(min_length=1)
    some: tuple[Literal["clusters", "sigma", "langevin_steps"], ...] = ()


class Part(Entry):
    """A condition on all rows together: that some row, or none, meets all of these gates. Or what cannot be known."""

    some: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    predictor: str | None = None
    without: str = ""
    unknown: str = ""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if sum(map(bool, (self.some, self.none, self.unknown))) != 1:
            raise ValueError("say one of `some`, `none` and `unknown`")
        if not self.unknown and not self.without:
            raise ValueError("`without` is missing: what is said where no row is asked")
        return self


class Decision(Question):
    """A question to all rows together: whether all parts hold."""

    every: tuple[Part, ...] = Field(min_length=1)


def _form(entry: Any) -> str:
    """Which of two forms an entry of `gates` has."""
    return "joint" if isinstance(entry, Joint) or (isinstance(entry, dict) and "every" in entry) else "gate"


class Criteria(Entry):
    """All that gates.yaml holds."""

    gates: Named[Annotated[Annotated[Gate, Tag("gate")] | Annotated[Joint, Tag("joint")], Discriminator(_form)]]
    decisions: Named[Decision]

    @model_validator(mode="after")
    def _names_are_of_gates(self) -> Self:
        known: dict[str, Gate | Joint] = {}
        for gate in self.gates.root:
            if isinstance(gate, Joint) and (unknown := [name for name in gate.every if name not in known]):
                raise ValueError(f"gates.{gate.name}.every: no gate before it has the name {', '.join(unknown)}")
            if isinstance(gate, Joint) and gate.some:
                parts = [known[name] for name in gate.every]
                alone = [part for part in parts if isinstance(part, Gate) and part.beside is None]
                if len(alone) < len(parts) or len({part.measurement for part in alone}) > 1:
                    raise ValueError(
                        f"gates.{gate.name}.every: with `some`, each is a gate on one measurement, without `beside`"
                    )
            known[gate.name] = gate
        for decision in self.decisions.root:
            if decision.name in known:
                raise ValueError(f"decisions.{decision.name}: a gate has this name")
            named = [name for part in decision.every for name in (*part.some, *part.none)]
            if unknown := [name for name in named if name not in known]:
                raise ValueError(f"decisions.{decision.name}.every: no gate has the name {', '.join(unknown)}")
        return self


@cache
def criteria() -> Criteria:
    """Every gate and decision.

    Raises:
        UserError: the file is not of the form; its mistakes are told with their dotted paths.
    """
    return read_entries(CRITERIA, Criteria)


def gate(name: str) -> Gate:
    """The gate of this name, which is no joint one.

    Raises:
        KeyError: there is none.
    """
    for found in criteria().gates.root:
        if isinstance(found, Gate) and found.name == name:
            return found
    raise KeyError(f"gates.yaml has no gate {name!r}")


def digest_of(names: Collection[str]) -> str:
    """A digest of what these gates ask; of everything, decisions included, for "all". Remarks in the file do not count.

    Raises:
        UserError: the file is not of the form.
    """
    shown = (
        criteria()
        if "all" in names
        else Criteria(gates=Named(tuple(gate(name) for name in names)), decisions=Named(()))
    )
    return hashlib.sha256(shown.model_dump_json().encode()).hexdigest()[:16]
