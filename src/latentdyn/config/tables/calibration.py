"""The calibration: what the diagnostics measure on known processes, beside the exact values; and a measurement that
nothing else asks for."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field

from latentdyn.config.measurements import Measurement, MeasurementKind
from latentdyn.config.measurements.clusters import Clustering
from latentdyn.config.measurements.factorizer import FactorizerHealth
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.measurements.learned import Learned
from latentdyn.config.measurements.state_information import StateInformation
from latentdyn.config.mistakes import alike
from latentdyn.config.representations import Process
from latentdyn.config.representations.factorizer import Factorizer
from latentdyn.config.representations.processes import StateSpace
from latentdyn.config.representations.same_shape import Outliers
from latentdyn.config.shapes import Known
from latentdyn.config.tables.base import TableKind, by_predictors, check_predictors, undefined
from latentdyn.config.tables.geometry import Geometry
from latentdyn.config.values import Fraction, Horizons, Name, Names, no_duplicates, part_of

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Readouts(MeasurementKind):
    """What slow features and canonical correlations find. W is that of the section `geometry`."""

    measurement = "readouts"
    by = "representation"
    metrics = "readouts.json"
    roles: ClassVar = {}
    needs_gpu = False
    minutes = (20, 50)

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        reach = config.section(Geometry).window_frames
        known.check_frames(where, reach + 1, "the section geometry (window_frames)")
        known.check_split(where, "eval", "directions are measured on it")

    @classmethod
    def form(cls) -> type[BaseModel]:
        return part_of(Evaluation, {"bootstrap_resamples"}, base=part_of(Geometry, {"window_frames"}))

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        resamples = config.section(Evaluation).bootstrap_resamples
        return {"window_frames": config.section(Geometry).window_frames, "bootstrap_resamples": resamples}


class CalibrationTable(TableKind):
    """What the diagnostics measure on known processes, beside the exact values."""

    adds_to_plan = frozenset({"processes"})

    kind: Literal["calibration"]
    predictors: dict[Name, Name] = Field(
        min_length=1, description="for each process, a predictor that can represent it; for its outliers, the same one"
    )
    keys: dict[Name, Names] = Field({}, description="for a process with clusters, the keys that should find them")
    geometry: Annotated[list[Name], AfterValidator(no_duplicates)] = Field(
        [], description="processes that are measured without a predictor, too, as the section `geometry` says"
    )
    judged: Annotated[list[Name], AfterValidator(no_duplicates)] = Field(
        [], description="processes that are judged in their own frames, as the section `learned` says"
    )
    state_information: Annotated[list[Name], AfterValidator(no_duplicates)] = Field(
        [], description="processes of whose own frames a network tells, too, as the section `state_information` says"
    )
    readouts: Annotated[list[Name], AfterValidator(no_duplicates)] = Field(
        [], description="processes whose slow features and canonical correlations are measured"
    )
    factorizers: dict[Name, Name] = Field(
        {}, description="for a process with a hidden state, the factorizer that should find it"
    )
    horizons: Horizons = Field(
        [1, 2, 4, 8], description="k at which values are compared, as far as a predictor is fitted at them"
    )
    tolerance: Fraction = Field(
        0.02,
        description="share of the exact value: a smaller difference agrees, whatever the interval",
    )

    def rows(self, config: "Root") -> list[str]:
        alone = [*self.geometry, *self.judged, *self.state_information, *self.readouts]
        return list(dict.fromkeys([*self.predictors, *self.keys, *alone, *self.factorizers]))

    def check(self, where: str, config: "Root") -> None:
        for name in self.predictors:
            self._process(f"{where}.predictors.{name}", config, self._without_outliers(where, config, name))
        for name in self.keys:
            self._check_clusters(f"{where}.keys.{name}", self._process(f"{where}.keys.{name}", config, name))
        for key, names, section in (("geometry", self.geometry, Geometry), ("judged", self.judged, Learned)):
            for name in names:
                if not self._process(f"{where}.{key}", config, name).exact_geometry:
                    raise ValueError(f"{where}.{key}: no exact value is known of '{name}' without a predictor")
                self._check_window(
                    f"{where}.{key}", config, name, f"the section {section.section}", config.section(section)
                )
        for name in self.state_information:
            if not self._process(f"{where}.state_information", config, name).exact_information:
                raise ValueError(
                    f"{where}.state_information: it is not known exactly what frames of '{name}' tell of later ones"
                )
            self._check_window(
                f"{where}.state_information", config, name, "the section learned", config.section(Learned)
            )
        for name in self.readouts:
            if not self._process(f"{where}.readouts", config, name).exact_readouts:
                raise ValueError(
                    f"{where}.readouts: slow features and canonical correlations of '{name}' are not known exactly: "
                    "they are of a process of kind var with a radius above 0 and below 1"
                )
        for name, factorizer in self.factorizers.items():
            self._check_factorizer(f"{where}.factorizers.{name}", config, name, factorizer)
        check_predictors(where, config, self.predictors.values())
        for name, predictor in self.predictors.items():
            self._check_horizons(f"{where}.horizons", config, name, predictor)
            measuring = config.predictors[predictor]
            self._check_window(f"{where}.predictors.{name}", config, name, f"predictor '{predictor}'", measuring)
        for key in (key for keys in self.keys.values() for key in keys):
            if key not in config.keys:
                raise undefined(f"{where}.keys", key, config.keys)
        super().check(where, config)

    def _without_outliers(self, where: str, config: "Root", name: str) -> str:
        """What a representation with outliers is compared with; or the representation itself."""
        representation = config.representations.get(name)
        if not isinstance(representation, Outliers):
            return name
        if self.predictors.get(representation.source) != self.predictors[name]:
            raise ValueError(
                f"{where}.predictors.{name}: it is compared with '{representation.source}', which must be listed with "
                "the same predictor"
            )
        return representation.source

    def _process(self, where: str, config: "Root", name: str) -> Process:
        if name not in config.representations:
            raise ValueError(f"{where}: no representation is named '{name}'{alike(name, config.representations)}")
        if not isinstance(process := config.representations[name], Process):
            raise ValueError(f"{where}: not a process whose exact values are known")
        return process

    def _check_factorizer(self, where: str, config: "Root", name: str, factorizer: str) -> None:
        if not isinstance(self._process(where, config, name), StateSpace):
            raise ValueError(f"{where}: what a factorizer should find is known of a process of kind state_space alone")
        own = config.representations.get(factorizer)
        if not isinstance(own, Factorizer) or own.source != name or own.timing != "strict":
            raise ValueError(f"{where}: '{factorizer}' is no factorizer of '{name}' whose timing is strict")

    def _check_clusters(self, where: str, process: Process) -> None:
        if not process.exact_clusters:
            raise ValueError(f"{where}: no exact value of clusters is known of a process of kind {process.kind}")
        if 1 not in self.horizons:
            raise ValueError(f"{where}: the exact value of clusters is at k = 1, which is not among horizons")

    def _check_window(self, where: str, config: "Root", name: str, who: str, measuring: Any) -> None:
        """Check that exact values that are given so many frames of context are compared with what has as many."""
        window = getattr(config.representations[name], "window_frames", None)
        if window is not None and window != measuring.window_frames:
            raise ValueError(
                f"{where}: the exact values of '{name}' are given its window_frames = {window} frames of context, and "
                f"{who} has {measuring.window_frames}"
            )

    def _check_horizons(self, where: str, config: "Root", name: str, predictor: str) -> None:
        process = config.representations[name]
        fitted = set(config.predictors[predictor].horizons)
        known = fitted if getattr(process, "exact_at_all_horizons", True) else fitted & {1}
        if not known & set(self.horizons) and name not in self.keys:
            at = f"at k = {sorted(known)} alone" if known else "nowhere (exact values are at k = 1)"
            raise ValueError(
                f"{where}: nothing of '{name}' is compared at k = {self.horizons}: exact values and predictor "
                f"'{predictor}' meet {at}"
            )

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        pairs = self.predictors.items()
        evaluations = by_predictors(config, Evaluation, corpus, pairs, self.seeds, unconditional=True)
        clustering = config.section(Clustering)
        clusters = [clustering.of(config, corpus, r, key, 0) for r, keys in self.keys.items() for key in keys]
        shapes = [config.section(Geometry).of(config, corpus, r, r, 0) for r in self.geometry]
        judged = [config.section(Learned).of(config, corpus, r, r, 0, r) for r in self.judged]
        section = config.section(StateInformation)
        judged += [section.of(config, corpus, r, r, 0, r) for r in self.state_information]
        directions = [config.section(Readouts).of(config, corpus, r, r, 0) for r in self.readouts]
        health = config.section(FactorizerHealth)
        states = [health.of(config, corpus, own, own, 0, process) for process, own in self.factorizers.items()]
        return evaluations + clusters + shapes + judged + directions + states

    def plan(self, config: "Root", corpus: str) -> dict[str, Any]:
        processes = {name: config.representations[name].model_dump(mode="json") for name in self.rows(config)}
        return {**super().plan(config, corpus), "processes": processes}

    def view_code(self, config: "Root", function: Literal["tabulate", "draw"]) -> list[str]:
        """The processes' modules too, whose exact values it shows."""
        processes = {config.root(name).module for name in self.rows(config)}
        return [*super().view_code(config, function), *sorted(processes)]
