"""The whole configuration: its sections, that their names resolve, and what follows from them."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field, create_model, model_validator

from latentdyn.config import drawing_heads as drawing_heads  # defines kinds of predictors
from latentdyn.config.compute import Compute
from latentdyn.config.corpora import CorpusKind
from latentdyn.config.corrections import Correction
from latentdyn.config.keys import KeyKind
from latentdyn.config.kinds import any_kind_of
from latentdyn.config.measurements import MeasurementKind, measurement_kinds
from latentdyn.config.paper import Paper
from latentdyn.config.predictors import PredictorKind
from latentdyn.config.representations import Derived, RepresentationKind
from latentdyn.config.representations.same_shape import Surrogate
from latentdyn.config.tables import TableKind
from latentdyn.config.tables.base import undefined
from latentdyn.config.values import Name, Strict

M = TypeVar("M", bound=MeasurementKind)

if TYPE_CHECKING:
    Corpus = CorpusKind
    Representation = RepresentationKind
    Predictor = PredictorKind
    Key = KeyKind
    Table = TableKind
else:  # an entry is of any kind that is defined
    Corpus = any_kind_of(CorpusKind)
    Representation = any_kind_of(RepresentationKind)
    Predictor = any_kind_of(PredictorKind)
    Key = any_kind_of(KeyKind)
    Table = any_kind_of(TableKind)


# Folders of the workflow, beside which names of the config become folders.
_RESERVED = {
    "representations": {"audio", "measured", "tables", "figures", "parts", "paper", "logs"},
    "predictors": {"parts", "logs"},
    "keys": {"parts", "logs"},
    "corrections": {"parts", "logs"},
}


class Root(Strict):
    """The whole configuration, but for the sections of kinds of measurement."""

    schema_version: Literal[1] = Field(description="the form of the configuration that a file is written in")
    corpora: dict[Name, Corpus] = Field({}, description="utterances and their speakers, by name")
    representations: dict[Name, Representation] = Field(
        {}, description="encoders, known processes and what is derived from them, by name"
    )
    predictors: dict[Name, Predictor] = Field({}, description="models of the next step, by name")
    keys: dict[Name, Key] = Field({}, description="coarse views of the context, by name")
    corrections: dict[Name, Correction] = Field({}, description="score models that correct forecasts, by name")
    tables: dict[Name, Table] = Field({}, description="what a run makes, by name")
    paper: Paper = Field(Paper(tables=None), description="which tables are put together into one document")
    compute: Compute = Field(Compute(), description="where jobs run, and in which arithmetic")

    @model_validator(mode="after")
    def _fits_together(self) -> "Root":
        mistakes = [*self._names_that_clash()]
        for section in ("corpora", "representations", "predictors", "tables"):
            for name, entry in getattr(self, section).items():
                if mistakes and section == "tables":
                    break  # tables go through all other sections, which must fit by then
                try:
                    entry.check(f"{section}.{name}", self)
                    for corpus in entry.corpora if section == "tables" else ():
                        entry.check_data(f"{section}.{name}", self, corpus)
                except ValueError as error:
                    mistakes.append(str(error))
        unknown = [name for name in self.paper.tables or () if name not in self.tables]
        mistakes += [str(undefined("paper.tables", name, self.tables)) for name in unknown]
        if mistakes:
            raise ValueError("\n".join(dict.fromkeys(mistakes)))
        return self

    def _names_that_clash(self) -> Iterator[str]:
        """Names that another thing has, each with its dotted path."""
        for section, reserved in _RESERVED.items():
            for name in getattr(self, section).keys() & reserved:
                yield f"{section}.{name}: the workflow has a folder of this name; choose another one"
        for name in self.predictors.keys() & self.keys.keys():
            yield f"keys.{name}: a predictor has this name too, and rows of tables could not be told apart"
        for name in self.corrections.keys() & (self.predictors.keys() | self.keys.keys()):
            yield f"corrections.{name}: a predictor or key has this name too, and its folder of results"

    def section(self, kind: type[M]) -> M:
        """The settings of a kind of measurement."""
        return getattr(self, kind.section) if kind.section else kind()

    def measurement_kinds(self) -> list[MeasurementKind]:
        """All kinds of measurement, with their settings."""
        return [self.section(kind) for kind in measurement_kinds()]

    def measurement_kind(self, measurement: str) -> MeasurementKind:
        """The kind of this name, with its settings."""
        return self._kinds_by_name[measurement]

    @cached_property
    def _kinds_by_name(self) -> dict[str, MeasurementKind]:
        return {kind.measurement: kind for kind in self.measurement_kinds()}

    @cached_property
    def all_representations(self) -> dict[str, Representation]:
        """The representations of the config, and the surrogates that tables ask for."""
        asked_for = {name: of for table in self.tables.values() for name, of in table.surrogates_of_rows().items()}
        return self.representations | {
            name: Surrogate(kind="surrogate", source=source, method=method)
            for name, (source, method) in asked_for.items()
        }

    @cached_property
    def all_predictors(self) -> dict[str, Predictor]:
        """The predictors of the config as their jobs are given them, and the twins of each."""
        found = {name: predictor.resolved(self.predictors) for name, predictor in self.predictors.items()}
        twins = {name: predictor.twins().items() for name, predictor in found.items()}
        return found | {f"{name}__{end}": twin for name, mine in twins.items() for end, twin in mine}

    def origin(self, predictor: str) -> str:
        """The predictor that another one continues, or that which that one continues, and so on; or itself."""
        while (start := self.all_predictors[predictor].start) is not None:
            predictor = start
        return predictor

    def chain(self, name: str) -> list[str]:
        """The names from the root to a representation, itself included."""
        chain = [name]
        while isinstance(link := self.all_representations[chain[-1]], Derived):
            chain.append(link.source)
        return chain[::-1]

    def derivation(self, name: str) -> list[Representation]:
        """A representation, what it is derived from, and so on to the encoder, process or provided latents."""
        return [self.all_representations[link] for link in reversed(self.chain(name))]

    def root(self, name: str) -> Representation:
        """What stands at the start of a chain of derived representations."""
        return self.derivation(name)[-1]

    def lineage(self, name: str) -> str:
        """The kinds from the root to a representation: "mimi", "encodec>pooled"."""
        return ">".join(link.kind for link in reversed(self.derivation(name)))


def _sections() -> dict[str, Any]:
    kinds = (kind for kind in measurement_kinds() if kind.section)
    return {str(kind.section): (kind, Field(kind(), description=kind.purpose)) for kind in kinds}


if TYPE_CHECKING:
    Config = Root
else:
    Config = create_model("Config", __base__=Root, __doc__="The whole configuration.", **_sections())
