"""An encoder's frames, quantized by the codec's own quantizer and dequantized again.

The first few stages of the quantizer give the depth. The encoder is not run again: its store carries the codebooks.
The codes are kept beside the frames. The codec's decoder takes the frames as they are.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.representations.base import Source, Transform, Utterance, Utterances
from latentdyn.stores.quantizer import Quantizer


class Quantized(Transform):
    """Sums of codewords, one of each stage.

    Args:
        stages: how many of the quantizer's stages.
    """

    inverse = "approximate"  # the frames themselves, and what quantizing lost is lost

    def __init__(self, source: Source, dtype: str, stages: int) -> None:
        super().__init__(source, dtype)
        self.stages = self.code_stages = stages
        self._latest: tuple[str, np.ndarray] | None = None

    def fit(self, training: Utterances) -> None:
        """Take the codebooks that the source's store carries; nothing is learned from its frames.

        Raises:
            UserError: it carries none, or fewer than `stages`.
        """
        whole = Quantizer.of(training.store.fitted())
        if not whole.groups:
            raise UserError(
                f"the store of '{training.store.handle['kind']}' carries no quantizer",
                "source of the quantized representation",
                "name an encoder of kind soundstream (with quantizer.tflite in its folder), encodec, dac or mimi",
            )
        if self.stages > whole.stages:
            raise UserError(
                f"the quantizer of '{training.store.handle['kind']}' has {whole.stages} stages, not {self.stages}",
                "stages of the quantized representation",
                f"choose {whole.stages} or fewer",
            )
        self.quantizer = whole.first(self.stages)

    def fitted(self) -> dict[str, np.ndarray]:
        return self.quantizer.arrays()

    def restore(self, fitted: Mapping[str, np.ndarray]) -> None:
        self.quantizer = Quantizer.of(fitted)

    def facts(self, utterances: pd.DataFrame) -> dict[str, Any]:
        bits = self.quantizer.bits_per_frame * self.frame_rate_hz
        return {"code_bits_per_s": bits, "codewords": self.quantizer.codewords}

    def codes(self, utterance: Utterance) -> np.ndarray:
        if self._latest is None or self._latest[0] != utterance.utterance_id:
            self._latest = utterance.utterance_id, self.quantizer.encode(utterance.latents)
        return self._latest[1]

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        self._latest = None
        return self.quantizer.decode(self.codes(utterance)), utterance.energy_db

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        return np.asarray(latents, np.float32)


TRANSFORM = Quantized
