"""`tables`: what a run makes. A table's entry names what its rows are measured with, and the DAG follows."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, ValidationInfo, field_validator

from latentdyn import metrics
from latentdyn.config.representations import SurrogateMethod
from latentdyn.config.values import Fraction, Horizons, Name, Names, Slice, Split, Strict, no_duplicates

if TYPE_CHECKING:
    LaggedColumn = str
else:
    LaggedColumn = Literal[tuple(metrics.LAGGED_COLUMNS)]

LAGGED_COLUMNS: list[LaggedColumn] = [name for name, shown in metrics.LAGGED_COLUMNS.items() if shown]

Seeds = Annotated[list[NonNegativeInt], Field(min_length=1), AfterValidator(no_duplicates)]
SplitRows = Annotated[list[Split], Field(min_length=1), AfterValidator(no_duplicates)]
SliceRows = Annotated[list[Slice], Field(min_length=1), AfterValidator(no_duplicates)]
SurrogateRows = Annotated[list[SurrogateMethod], AfterValidator(no_duplicates)]


class _Table(Strict):
    corpora: Names = Field(description="a table is made for each")
    seeds: Seeds = Field([0], description="training runs that a row averages")


class _PredictorTable(_Table):
    representations: Names = Field(description="rows, in this order")
    surrogates: SurrogateRows = Field([], description="rows after those of each representation: its surrogates")
    predictors: Names = Field(description="rows; they share window_frames and the longest horizon")
    horizons: Horizons = Field([1, 2, 4, 8], description="rows; each predictor must be trained at them")
    splits: SplitRows = Field(["train", "eval"], description="rows")


class LaggedTable(_PredictorTable):
    """Phase 1 (seed 001): a row for each representation, predictor, split, slice and horizon."""

    kind: Literal["lagged"]
    slices: SliceRows = Field(["all"], description="rows; high_energy needs audio")
    columns: Annotated[list[LaggedColumn], Field(min_length=1), AfterValidator(no_duplicates)] = Field(
        LAGGED_COLUMNS, description="columns, in this order"
    )


class PairedTable(_PredictorTable):
    """Differences between rows, with the interval of the difference: predictors, and surrogates against the real."""

    kind: Literal["paired"]
    metrics: Annotated[
        list[Literal["nll", "dnll", "dnll_full", "level_gain", "cosine"]],
        Field(min_length=1),
        AfterValidator(no_duplicates),
    ] = Field(["dnll", "cosine"], description="what is compared")

    @field_validator("predictors")
    @classmethod
    def _make_pairs(cls, predictors: list[str], earlier: ValidationInfo) -> list[str]:
        if len(predictors) == 1 and not earlier.data.get("surrogates", [""]):  # where they are wrong, that is told
            raise ValueError(f"'{predictors[0]}' alone makes no pair: name two, or surrogates")
        return predictors

    @field_validator("metrics")
    @classmethod
    def _measured_somewhere(cls, metrics: list[str], earlier: ValidationInfo) -> list[str]:
        if metrics == ["level_gain"] and 1 not in earlier.data.get("horizons", [1]):
            raise ValueError("level_gain is measured at k = 1 only, which is not among horizons")
        return metrics


class OutlierAuditTable(_PredictorTable):
    """What a few frames do to a mean: quantiles, trimmed means, the worst frames."""

    kind: Literal["outlier_audit"]


class RolloutTable(_Table):
    representations: Names = Field(description="rows, in this order")
    surrogates: SurrogateRows = Field([], description="methods: rows beside those of each representation")
    predictors: Names = Field(description="rows; each is fitted at k = 1, and a ceiling is shown at its other horizons")
    splits: SplitRows = Field(["eval"], description="rows")


class InjectionTable(RolloutTable):
    """Forecasts with and without injected truth, beside the ceiling (seed 003, Appendix A)."""

    kind: Literal["injection"]


class InjectionStepsTable(RolloutTable):
    """The same, a row for each step."""

    kind: Literal["injection_steps"]


class FreeRunsTable(RolloutTable):
    """Long free runs beside the data: bounded, moving, of the same distribution?"""

    kind: Literal["free_runs"]


class ScoreCorrectionTable(RolloutTable):
    """Forecasts whose states a score model corrects, beside their controls (seed 003 §6.2)."""

    kind: Literal["score_correction"]
    correction: Name = Field(description="whose score model, levels and numbers of steps")
    variants: Annotated[
        list[Literal["none", "langevin", "noise_only", "score_only"]],
        Field(min_length=1),
        AfterValidator(no_duplicates),
    ] = Field(
        ["none", "langevin", "noise_only", "score_only"], description="rows: both parts of a Langevin step, one, none"
    )


class RegimesTable(RolloutTable):
    """Training regimes beside teacher forcing for as many steps (seed 003 §1.2, seed 004 §2)."""

    kind: Literal["regimes"]
    against: Name = Field(description="the control among the predictors: trained on by teacher forcing")

    @field_validator("against")
    @classmethod
    def _one_of_several(cls, against: str, earlier: ValidationInfo) -> str:
        predictors = earlier.data.get("predictors", [against, ""])  # where they are wrong themselves, that is told
        if against not in predictors:
            raise ValueError(f"'{against}' is not among predictors")
        if len(predictors) == 1:
            raise ValueError(f"'{against}' is the only predictor: there is nothing to compare with it")
        return against


class GatesTable(RolloutTable):
    """The seed documents' thresholds, met or not (seed 003 §2, §6, seed 004 §9)."""

    kind: Literal["gates"]
    reference: Name | None = Field(
        None, description="one of the representations, whose ΔNLL those of the others are compared with"
    )

    @field_validator("reference")
    @classmethod
    def _one_of_them(cls, reference: str | None, earlier: ValidationInfo) -> str | None:
        if reference is not None and reference not in earlier.data.get("representations", [reference]):
            raise ValueError(f"'{reference}' is not among representations")
        return reference


class ClusteringTable(_Table):
    """Phase 0 (seed 000 §2, 001 §1): do clusters of contexts tell about the next step?"""

    kind: Literal["clustering"]
    representations: Names = Field(description="rows, in this order")
    surrogates: SurrogateRows = Field([], description="rows after those of each representation: its surrogates")
    keys: Names = Field(description="rows, in this order")
    predictors: Annotated[list[Name], AfterValidator(no_duplicates)] = Field(
        [], description="further rows, at k = 1 on the same frames: what the whole context tells"
    )
    splits: SplitRows = Field(["eval"], description="rows")
    slices: SliceRows = Field(["all"], description="rows; high_energy needs audio")


class CalibrationTable(_Table):
    """The battery's own certificate: what it measures on known processes beside the exact values."""

    kind: Literal["calibration"]
    predictors: dict[Name, Name] = Field(description="of each process, a predictor that can represent it")
    keys: dict[Name, Names] = Field({}, description="of a process with clusters, the keys that are to find them")
    horizons: Horizons = Field([1, 2, 4, 8], description="k at which values are compared with exact ones")
    tolerance: Fraction = Field(0.02, description="of the exact value: near enough where the interval excludes it")

    @property
    def representations(self) -> list[str]:
        return list(dict.fromkeys([*self.predictors, *self.keys]))


Table = Annotated[
    InjectionTable
    | InjectionStepsTable
    | FreeRunsTable
    | RegimesTable
    | GatesTable
    | ScoreCorrectionTable
    | LaggedTable
    | PairedTable
    | OutlierAuditTable
    | ClusteringTable
    | CalibrationTable,
    Field(discriminator="kind"),
]
