"""The quantization table: one encoder, continuous and dequantized at several depths."""

from typing import TYPE_CHECKING, Literal

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.tokens import Tokens
from latentdyn.config.tables.base import PredictorTable

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class QuantizationTable(PredictorTable):
    """Rate and distortion (seed 002 §2): the same encoder continuous and dequantized, beside the codes themselves."""

    kind: Literal["quantization"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        tokens = [config.section(Tokens).of(config, corpus, row, row, 0) for row in self.rows(config)]
        return [*super().measurements(config, corpus), *tokens]
