"""The Phase 1 table."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from latentdyn.config.tables.base import PredictorTable, SliceRows
from latentdyn.config.values import no_duplicates

LaggedColumn = Literal[
    "representation", "predictor", "split", "slice", "k", "n", "speakers", "nll", "nll_baseline", "dnll", "dnll_ci_low",
    "dnll_ci_high", "dnll_median", "dnll_trimmed", "dnll_per_dim", "bits_per_frame", "kbit_per_s", "dnll_full",
    "dnll_full_ci_low", "dnll_full_ci_high", "dnll_direction", "dnll_length", "dnll_factored", "dnll_factored_ci_low",
    "dnll_factored_ci_high", "context_gain", "context_gain_ci_low", "context_gain_ci_high", "level_gain",
    "level_gain_ci_low", "level_gain_ci_high", "cosine", "cosine_ci_low", "cosine_ci_high", "r2_delta", "r2_mean",
    "r2_head", "kappa", "kappa_at_clamp", "sigma_at_clamp", "mu_logm_at_clamp", "rollout_gap", "rollout_gap_median",
    "rollout_overflow", "spectral_radius", "unbounded", "nonfinite", "frame_rate_hz", "dim", "ms_per_step", "seeds",
    "dnll_seed_sd", "published_dnll", "published_cosine", "published_r2", "published_rollout_gap",
    "published_dnll_factored",
]  # fmt: skip

LAGGED_COLUMNS: list[LaggedColumn] = [
    "representation", "predictor", "split", "k", "n", "nll", "nll_baseline", "dnll", "dnll_ci_low", "dnll_ci_high",
    "dnll_median", "dnll_per_dim", "bits_per_frame", "kbit_per_s", "dnll_full", "context_gain", "context_gain_ci_low",
    "context_gain_ci_high", "level_gain", "cosine", "r2_delta", "r2_mean", "r2_head", "rollout_gap",
    "rollout_gap_median", "rollout_overflow", "ms_per_step", "seeds", "dnll_seed_sd", "published_dnll",
    "published_cosine",
]  # fmt: skip


class LaggedTable(PredictorTable):
    """Phase 1 (seed 001): a row for each representation, predictor, split, slice and horizon."""

    not_in_figure = frozenset({"columns"})

    kind: Literal["lagged"]
    slices: SliceRows = Field(
        ["all"], description="rows (docs/data.md says what slices are); `high_energy` needs audio"
    )
    columns: Annotated[list[LaggedColumn], Field(min_length=1), AfterValidator(no_duplicates)] = Field(
        LAGGED_COLUMNS, description="columns, in this order"
    )
