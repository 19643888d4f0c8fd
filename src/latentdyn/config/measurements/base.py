"""What every kind of measurement answers: its files, the models that it needs, the settings that its step gets.

A kind of measurement is a section of the config: its fields say how measurements of that kind are made, wherever a
table asks for one. (A kind without settings of its own has no section.)
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel

from latentdyn.config.shapes import Known
from latentdyn.config.values import Strict
from latentdyn.families import MEASUREMENTS

if TYPE_CHECKING:
    from latentdyn.config.root import Root


@dataclass(frozen=True)
class Measurement:
    """What one job measures: a kind, of a corpus's representation, by a predictor, by a key, or by nothing else.

    by: what measures; the representation itself where nothing else does. regime: how `by` was trained, `clustered` for
    a key, `none` without either. variant: the name of the settings, where a kind has several. fitted_on: the corpus
    that `by` is fitted to.
    metrics, sums: names of the files with the records and with the sums by speaker (None where there are none).
    """

    kind: str
    corpus: str
    representation: str
    by: str
    regime: str
    seed: int
    metrics: str
    sums: str | None = None
    variant: str | None = None
    fitted_on: str = ""

    def identity(self) -> dict[str, Any]:
        """What the measurement's files say of themselves."""
        names = ("corpus", "representation", "by", "regime", "seed", "fitted_on")
        return {"measurement": self.kind} | {name: value for name, value in asdict(self).items() if name in names}


@dataclass(frozen=True)
class Model:
    """A fitted model that a measurement reads.

    name: in the config. module: that it is made of. settings: that it was fitted with. fitted_on: the corpus that it
    was fitted to, if not the one that is measured.
    """

    name: str
    kind: Literal["predictor", "score"]
    module: str
    settings: dict[str, Any]
    fitted_on: str | None = None


class MeasurementKind(Strict):
    """How one kind of measurement is made."""

    measurement: ClassVar[str]  # the kind: of the module latentdyn.measurements.{kind}, and of the rule measure_{kind}
    section: ClassVar[str | None] = None  # of the config, where it has settings
    purpose: ClassVar[str] = ""  # of that section, in the config's documents
    by: ClassVar[Literal["predictor", "key", "representation"]] = "predictor"  # what measures
    metrics: ClassVar[str]  # file names; {variant} stands for the name of the settings
    variant: ClassVar[str | None] = None  # what that is the name of, where a kind has several
    sums: ClassVar[str | None] = None
    roles: ClassVar[dict[str, Literal["predictor", "score"]]] = {"predictor": "predictor"}  # kinds of models it reads
    needs_gpu: ClassVar[bool] = True
    decodes: ClassVar[bool] = False  # it reads what leads back to audio: codec, chain of latents, recordings
    compares: ClassVar[bool] = False  # it maps frames to those of another representation, which `variant` names
    aligned: ClassVar[bool] = False  # it reads when phones are spoken
    hears: ClassVar[bool] = False  # it reads the recordings
    folder: ClassVar[str | None] = None  # of further files that it writes
    minutes: ClassVar[tuple[int, int]] = (30, 100)  # a job's own, and megabytes of latents a minute
    copies: ClassVar[float] = 1.2  # of the latents that a job holds in memory

    @property
    def module(self) -> str:
        """The module that measures."""
        return MEASUREMENTS.module(self.measurement)

    @property
    def threads(self) -> int | None:
        """Threads of its job; None: as many as its predictor wants."""
        return None if self.by == "predictor" else 2

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        """What the step gets: these settings, and those that it shares with other sections."""
        return self.model_dump(mode="json")

    @classmethod
    def form(cls) -> type[BaseModel]:
        """The class of what `settings` gives."""
        return cls

    def models(self, config: "Root", by: str, variant: str | None) -> dict[str, Model]:
        """The fitted models that are read, by their role."""
        return {"predictor": predictor_model(config, by)} if self.by == "predictor" else {}

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        """Check that the measurement, and the models that it reads, can be made of such data.

        Args:
            where: dotted path of the table that asks for it. by, variant: as of `settings`.

        Raises:
            ValueError: they cannot.
        """
        if self.by == "predictor":
            check_fit(where, config, known, by)

    def of(
        self, config: "Root", corpus: str, representation: str, by: str, seed: int, variant: str | None = None
    ) -> Measurement:
        """The measurement of this kind for these names."""
        regimes = {"key": "clustered", "representation": "none"}
        regime = regimes.get(self.by) or config.all_predictors[by].regime
        metrics, sums = (name and name.format(variant=variant) for name in (self.metrics, self.sums))
        assert metrics
        names = (self.measurement, corpus, representation, by, regime, seed)
        return Measurement(*names, metrics, sums, variant, fitted_on=corpus)


def predictor_model(config: "Root", name: str) -> Model:
    predictor = config.all_predictors[name]
    return Model(name, "predictor", predictor.module, predictor.model_dump(mode="json"))


def check_fit(where: str, config: "Root", known: Known, name: str) -> None:
    """Check that a predictor can be fitted to such data.

    Raises:
        ValueError: it cannot.
    """
    predictor = config.all_predictors[name]
    known.check_frames(where, predictor.frames_needed, f"fitting predictor '{name}' (window_frames, horizons, regime)")
    own = f"predictors.{name.partition('__')[0]}"
    training = known.frames("train", predictor.frames_needed - 1)
    if training is not None and training < predictor.training_frames_needed:
        raise ValueError(
            f"{own}.{predictor.sized_by}: fitting so many takes {predictor.training_frames_needed} training frames, "
            f"and '{known.representation}' of corpus '{known.corpus_name}' has {training}"
        )
    if (setting := predictor.chosen_by_validation) is not None:
        where = f"{own}.{setting}"
        known.check_split(where, "validation", "speakers of the split validation choose it")


def measurement_kinds(base: type[MeasurementKind] = MeasurementKind) -> list[type[MeasurementKind]]:
    """All kinds of measurement, at any depth below `base`."""
    below = [kind for child in base.__subclasses__() for kind in (child, *measurement_kinds(child))]
    return [kind for kind in dict.fromkeys(below) if "measurement" in vars(kind)]
