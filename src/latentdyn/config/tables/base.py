"""What every kind of table answers: its rows, what they are measured with, what must fit, what its view must know."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field

from latentdyn.config.measurements import Measurement, MeasurementKind
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.measurements.transfer import Transfer
from latentdyn.config.mistakes import alike
from latentdyn.config.representations import Derived
from latentdyn.config.representations.same_shape import SurrogateMethod
from latentdyn.config.shapes import Known
from latentdyn.config.values import Count, Horizons, Name, Names, Slice, Split, Strict, no_duplicates
from latentdyn.families import VIEWS

if TYPE_CHECKING:
    from latentdyn.config.root import Root

Seeds = Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1), AfterValidator(no_duplicates)]
SplitRows = Annotated[list[Split], Field(min_length=1), AfterValidator(no_duplicates)]
SliceRows = Annotated[list[Slice], Field(min_length=1), AfterValidator(no_duplicates)]
SurrogateRows = Annotated[list[SurrogateMethod], AfterValidator(no_duplicates)]


class PlannedKinds(BaseModel):
    """Of each row the lineage, of each predictor and key the kind."""

    representations: dict[str, str]
    predictors: dict[str, str]
    keys: dict[str, str] = {}


class Difference(BaseModel):
    """`{metric}_over_{name}`: a metric of a mode less that of another mode, over the same resampled speakers.

    of: what the mode's name begins with. other: the other mode; a `*` at its end stands for the rest of the name.
    """

    name: str
    metric: str
    of: str
    other: str


class Shown(BaseModel):
    """What the plain view shows of records.

    about: what a row is and what a reader must know; the first note. caption: without a full stop. columns: metrics of
    the forms for people; all where it is empty. drawn: metrics with a panel of the figure; the first one where it is
    empty. axis: the field of records that lines run over (`horizon`, `step`, `sigma`, ...); None for a bar a row.
    across: the field whose values are columns of one row, `{metric}_{value}`, where others make a row of each.
    differences: columns of what rows differ by from other rows.
    """

    about: str
    caption: str
    columns: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    axis: str | None = None
    across: str | None = None
    differences: tuple[Difference, ...] = ()


class Plan(BaseModel):
    """What every view must know beyond its table's own section; a kind of table may add to it."""

    corpus: str
    bootstrap_resamples: Count
    rows: list[str]
    kinds: PlannedKinds


class TableKind(Strict):
    """What a run makes: rows of measurements, for each of some corpora."""

    not_in_figure: ClassVar[frozenset[str]] = frozenset()  # settings that the figure does not depend on
    adds_to_plan: ClassVar[frozenset[str]] = frozenset()  # what its plan says beyond what every plan says
    gates: ClassVar[tuple[str, ...]] = ()  # that its view judges by, of reporting/gates.yaml; "all"

    kind: str  # each kind's own word
    view: ClassVar[str | None] = None  # that shows it; None for the one of the kind's own word
    corpora: Names = Field(description="a table is made for each")
    seeds: Seeds = Field([0], description="training runs that a row averages")
    untrained: bool = Field(
        False, description="allow rows of encoders with random weights (`untrained`): the table is a test, and says so"
    )

    def rows(self, config: "Root") -> list[str]:
        """The representations of the rows, in order."""
        raise NotImplementedError  # abstract

    def surrogates_of_rows(self) -> dict[str, tuple[str, SurrogateMethod]]:
        """The surrogates that the table asks for: source and method, by name."""
        return {}

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        """All that the rows for one corpus are measured with."""
        raise NotImplementedError  # abstract

    def check(self, where: str, config: "Root") -> None:
        """Check what the section alone cannot know.

        Args:
            where: dotted path of this entry.

        Raises:
            ValueError: a name is not defined, or rows could not be measured or compared.
        """
        for corpus in self.corpora:
            if corpus not in config.corpora:
                raise undefined(f"{where}.corpora", corpus, config.corpora)
            gives = config.corpora[corpus].gives
            for name in self.rows(config):
                if config.root(name).made_from != gives:
                    raise ValueError(
                        f"{where}: corpus '{corpus}' (kind {config.corpora[corpus].kind}) cannot give representation "
                        f"'{name}': kind provided goes with corpora of kind latents, known processes with corpora of "
                        "kind synthetic, every codec with audio"
                    )
        random = [name for name in self.rows(config) if getattr(config.root(name), "untrained", False)]
        if random and not self.untrained:
            raise ValueError(
                f"{where}: '{random[0]}' is made by an encoder with random weights (untrained: true), and its numbers "
                "say nothing of a codec. Give it trained weights; a table that is only a test says `untrained: true`"
            )

    def check_data(self, where: str, config: "Root", name: str) -> None:
        """Check that its measurements can be made, as far as the config knows the data of a corpus.

        Raises:
            ValueError: the data are too short or too few, or do not tell what is asked for.
        """
        corpus = config.corpora[name]
        if "high_energy" in getattr(self, "slices", []) and corpus.gives != "audio":
            raise ValueError(
                f"{where}.slices: high_energy is measured on audio, and corpus '{name}' (kind {corpus.kind}) has none"
            )
        measured = self.measurements(config, name)
        known = {
            row: Known(name, corpus, row, config.all_representations[row].shape(config, corpus))
            for row in (*self.rows(config), *(m.representation for m in measured))
        }
        for split in getattr(self, "splits", ["eval"]):
            for of in known.values():
                of.check_split(f"{where}.splits", split, f"rows of split {split} are asked for")
        kinds = {kind.measurement: kind for kind in config.measurement_kinds()}
        found = ((m.kind, m.representation, m.by, m.variant) for m in measured)
        for measurement, row, by, variant in dict.fromkeys(found):
            kinds[measurement].check(where, config, known[row], by, variant)

    def plan(self, config: "Root", corpus: str) -> dict[str, Any]:
        """What the view must know beyond the table's own section.

        Returns:
            corpus; bootstrap_resamples; rows; kinds: of each row the lineage, of each predictor and key the kind.
        """
        by = {m.by for m in self.measurements(config, corpus)}
        return {
            "corpus": corpus,
            "bootstrap_resamples": config.section(Evaluation).bootstrap_resamples,
            "rows": self.rows(config),
            "kinds": {
                "representations": {name: config.lineage(name) for name in self.rows(config)},
                "predictors": {name: p.kind for name, p in config.all_predictors.items() if name in by},
                "keys": {name: key.kind for name, key in config.keys.items() if name in by},
            },
        }

    def view_code(self, config: "Root", function: Literal["tabulate", "draw"]) -> list[str]:
        """The code that makes its sheet or its figure and is picked by name, as entries of a code digest."""
        return [f"{VIEWS.module(self.view or self.kind)}:{function}"]


class RowsTable(TableKind):
    """A table whose rows are representations, each followed by its surrogates."""

    representations: Names = Field(description="rows, in this order")
    surrogates: SurrogateRows = Field([], description="rows after those of each representation: its surrogates")

    def rows(self, config: "Root") -> list[str]:
        return [
            row for name in self.representations for row in (name, *(f"{name}__{method}" for method in self.surrogates))
        ]

    def surrogates_of_rows(self) -> dict[str, tuple[str, SurrogateMethod]]:
        return {f"{name}__{m}": (name, m) for name in self.representations for m in self.surrogates}

    def check(self, where: str, config: "Root") -> None:
        for name in self.representations:
            if name not in config.representations:
                raise undefined(f"{where}.representations", name, config.representations)
        super().check(where, config)

    def by_rows(
        self, config: "Root", kind: type[MeasurementKind], corpus: str, predictors: Iterable[str],
        variant: str | None = None, *, unconditional: bool = False,
    ) -> list[Measurement]:  # fmt: skip
        """The measurements of a kind of every row by every predictor."""
        pairs = [(row, predictor) for row in self.rows(config) for predictor in predictors]
        return by_predictors(config, kind, corpus, pairs, self.seeds, variant, unconditional=unconditional)


class PlainTable(RowsTable):
    """A table of records as they are. A kind says in `shown` what a reader must know; no view of its own is needed."""

    view = "plain"
    shown: ClassVar[Shown]
    adds_to_plan: ClassVar[frozenset[str]] = frozenset({"view", "shown"})

    def plan(self, config: "Root", corpus: str) -> dict[str, Any]:
        return super().plan(config, corpus) | {"view": self.view, "shown": self.shown.model_dump(mode="json")}


class PredictorTable(RowsTable):
    """A table of predictors' scores, horizon by horizon."""

    predictors: Names = Field(
        description="rows; they must share `window_frames` and their longest horizon, so that all are scored on the "
        "same frames"
    )
    horizons: Horizons = Field([1, 2, 4, 8], description="rows; each predictor must be fitted at them")
    splits: SplitRows = Field(["train", "eval"], description="rows")
    fitted_on: Name | None = Field(
        None,
        description="another corpus: predictors and baselines are fitted to it, and `corpora` are only evaluated. It "
        "must give the same representation",
    )

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        if self.fitted_on is not None:
            self._check_transfer(where, config, self.fitted_on)
        check_predictors(where, config, self.predictors)
        check_same_frames(where, [frames_of(config, name, name) for name in self.predictors])
        check_trained(where, config, self.predictors, self.horizons)

    def _check_transfer(self, where: str, config: "Root", other: str) -> None:
        """Check that what is fitted to another corpus can be evaluated on these.

        Raises:
            ValueError: there is no such corpus, it gives other data, it is one of these, or a representation is another
                one in each corpus, since it is fitted to it.
        """
        if other not in config.corpora:
            raise undefined(f"{where}.fitted_on", other, config.corpora)
        for name in self.corpora:
            if name == other:
                raise ValueError(
                    f"{where}.fitted_on: '{other}' is among corpora; a table without fitted_on shows what is fitted to "
                    "a corpus and evaluated on it"
                )
            if (gives := config.corpora[name].gives) != config.corpora[other].gives:
                raise ValueError(
                    f"{where}.fitted_on: corpus '{other}' gives {config.corpora[other].gives}, and '{name}' {gives}"
                )
        for row in self.rows(config):
            if fitted := [link for link in config.derivation(row) if isinstance(link, Derived) and link.is_fitted]:
                raise ValueError(
                    f"{where}.fitted_on: '{row}' is fitted to the training speakers of each corpus (kind "
                    f"{fitted[0].kind}), so its latents mean something else in '{other}' than in "
                    f"{' and '.join(map(repr, self.corpora))}; leave it out"
                )

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        if self.fitted_on is not None:
            return self.by_rows(config, Transfer, corpus, self.predictors, self.fitted_on, unconditional=True)
        return self.by_rows(config, Evaluation, corpus, self.predictors, unconditional=True)


class RolloutTable(RowsTable):
    """A table of forecasts or free runs."""

    predictors: Names = Field(
        description="rows; each must be fitted at k = 1, and the ceiling is shown at its other horizons. They must "
        "share `window_frames` and their longest horizon"
    )
    splits: SplitRows = Field(
        ["eval"], description="rows, among those that the section `injection` or `free_runs` measures"
    )

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        check_predictors(where, config, self.predictors)
        section, measured = self.measured_splits(config)
        missing = sorted(set(self.splits) - set(measured))
        if missing:
            raise ValueError(f"{where}.splits: {', '.join(missing)} not among {section}")
        # forecasts and ceilings share frames; a ceiling has the horizons of the predictor that training began with
        check_same_frames(where, [frames_of(config, name, config.origin(name)) for name in self.predictors])
        check_trained(where, config, self.predictors, [1])

    def measured_splits(self, config: "Root") -> tuple[str, list[Split]]:
        """Which setting says what splits are measured, and those splits."""
        raise NotImplementedError  # abstract


def by_predictors(
    config: "Root", kind: type[MeasurementKind], corpus: str, pairs: Iterable[tuple[str, str]], seeds: list[int],
    variant: str | None = None, *, unconditional: bool = False,
) -> list[Measurement]:  # fmt: skip
    """The measurements of a kind, for pairs of representation and predictor.

    Args:
        seeds: training runs; what is solved in closed form has one.
        unconditional: measure the predictor without a context too, where there is one.
    """
    section = config.section(kind)
    found = []
    for representation, name in pairs:
        for predictor in (name, f"{name}__unconditional") if unconditional else (name,):
            if predictor in config.all_predictors:
                drawn = seeds[:1] if config.all_predictors[predictor].closed_form else seeds
                found += [section.of(config, corpus, representation, predictor, seed, variant) for seed in drawn]
    return found


def unheard_rows(config: "Root", rows: Iterable[str]) -> dict[str, str]:
    """Of each row that does not lead back to audio, the kind of the link that has no inverse."""
    links = ((row, link) for row in rows for link in config.derivation(row))
    return {row: link.kind for row, link in links if not link.has_inverse}


def undefined(where: str, name: str, defined: Iterable[str]) -> ValueError:
    """The error for a name that nothing defines."""
    defined = sorted(defined)
    return ValueError(
        f"{where}: '{name}' is not defined (defined: {', '.join(defined) or 'none'}){alike(name, defined)}"
    )


def check_predictors(where: str, config: "Root", names: Iterable[Name]) -> None:
    for name in names:
        if name not in config.predictors:
            raise undefined(f"{where}.predictors", name, config.predictors)


def check_trained(where: str, config: "Root", predictors: Iterable[Name], horizons: list[int]) -> None:
    for name in predictors:
        missing = sorted(set(horizons) - set(config.predictors[name].horizons))
        if missing:
            raise ValueError(f"{where}.horizons: predictor '{name}' is not trained at k = {missing}")


def frames_of(config: "Root", name: str, origin: str) -> tuple[str, int, int]:
    """What decides the frames that a predictor is scored on: its window, and the longest horizon of `origin`."""
    return f"predictor '{name}'", config.predictors[name].window_frames, config.predictors[origin].horizons[-1]


def check_same_frames(where: str, scored: list[tuple[str, int, int]]) -> None:
    """Check that rows are measured on one set of frames.

    Args:
        scored: of each, what to call it, its window and its longest horizon.
    """
    if len({(window, longest) for _, window, longest in scored}) > 1:
        raise ValueError(
            f"{where}: {' and '.join(name for name, *_ in scored)} differ in window_frames or in their longest "
            "horizon, so their rows would be measured on different frames"
        )
