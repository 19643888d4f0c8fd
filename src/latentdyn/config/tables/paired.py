"""The table of differences between rows."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from latentdyn.config.tables.base import PredictorTable
from latentdyn.config.values import no_duplicates


class PairedTable(PredictorTable):
    """Differences between rows, with the interval of the difference: predictors, surrogates against the real, and
    representations with each other."""

    kind: Literal["paired"]
    metrics: Annotated[
        list[
            Literal[
                "nll",
                "dnll",
                "dnll_per_dim",
                "dnll_full",
                "context_gain",
                "context_gain_per_dim",
                "level_gain",
                "cosine",
                "r2_delta",
            ]
        ],
        Field(min_length=1),
        AfterValidator(no_duplicates),
    ] = Field(["dnll", "context_gain", "cosine"], description="what is compared; `nll` not between representations")

    @field_validator("predictors")
    @classmethod
    def _make_pairs(cls, predictors: list[str], earlier: ValidationInfo) -> list[str]:
        alone = len(predictors) == 1 and len(earlier.data.get("representations", ["", ""])) == 1
        if alone and not earlier.data.get("surrogates", [""]):  # where they are wrong, that is told
            raise ValueError(f"'{predictors[0]}' alone makes no pair: name two, surrogates, or two representations")
        return predictors

    @field_validator("metrics")
    @classmethod
    def _measured_somewhere(cls, metrics: list[str], earlier: ValidationInfo) -> list[str]:
        if metrics == ["level_gain"] and 1 not in earlier.data.get("horizons", [1]):
            raise ValueError("level_gain is measured at k = 1 only, which is not among horizons")
        return metrics
