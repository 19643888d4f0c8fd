"""The Phase 1 table."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from latentdyn import metrics
from latentdyn.config.tables.base import PredictorTable, SliceRows
from latentdyn.config.values import no_duplicates

if TYPE_CHECKING:
    LaggedColumn = str
else:
    LaggedColumn = Literal[tuple(metrics.LAGGED_COLUMNS)]

LAGGED_COLUMNS: list[LaggedColumn] = [name for name, shown in metrics.LAGGED_COLUMNS.items() if shown]


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
