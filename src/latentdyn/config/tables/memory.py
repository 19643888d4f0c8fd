"""The table of memories: what is looked up, beside as many parameters without it and beside codes that tell nothing."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.tables.base import RowsTable, SurrogateRows, check_predictors, check_trained
from latentdyn.config.values import Names

if TYPE_CHECKING:
    from latentdyn.config.root import Root

_TWINS = ("widened", "random_codes")  # of a predictor with a memory (see config.predictors)


class MemoryTable(RowsTable):
    """Predictors with a memory at k = 1, each beside its two controls, on held-out speakers."""

    kind: Literal["memory"]
    predictors: Names = Field(
        description="rows; each has a `lookup`, a network with a width, and is fitted at k = 1. Beside each two more "
        "are fitted: the same without the memory, its network widened to as many parameters, and with random codes"
    )
    surrogates: SurrogateRows = Field(
        ["looked_up"],
        description="rows after those of each representation. Frames that are `looked_up` are the positive control: "
        "without a gain there, nothing is said of the memory elsewhere",
    )

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        check_predictors(where, config, self.predictors)
        check_trained(where, config, self.predictors, [1])
        for name in self.predictors:
            predictor = config.predictors[name]
            if getattr(predictor, "lookup", None) is None:
                raise ValueError(f"{where}.predictors: '{name}' has no lookup, so no memory")
            if f"{name}__widened" not in config.all_predictors:
                raise ValueError(
                    f"{where}.predictors: the network of '{name}' has no width, so that nothing of as many parameters "
                    "can stand beside it; use mlp, transformer or gru"
                )
            if predictor.start is not None:
                raise ValueError(
                    f"{where}.predictors: '{name}' starts from '{predictor.start}', from which what stands beside it "
                    "cannot start; leave out starts_from"
                )

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        names = [name for p in self.predictors for name in (p, *(f"{p}__{twin}" for twin in _TWINS))]
        return self.by_rows(config, Evaluation, corpus, names)
