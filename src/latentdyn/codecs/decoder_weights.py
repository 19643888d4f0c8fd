"""Weights of a codec's decoder that belong to a model: they are trained with it, and make audio of its frames.

The codec stays as it is. Its decoder is called with these weights in the place of its own.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class DecoderWeights(nn.Module):
    """Parameters by the names that the decoder has for them, with ":" for ".". Until `start`, there are none.

    Args:
        learning_rate: of these parameters.
    """

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate

    def start(self, decoder: nn.Module) -> None:
        """Begin with the decoder's own."""
        for name, value in decoder.named_parameters():
            self._take(name.replace(".", ":"), value)

    def by_name(self) -> dict[str, Tensor]:
        """As `torch.func.functional_call` takes them."""
        return {name.replace(":", "."): value for name, value in self.named_parameters()}

    def _take(self, name: str, value: Tensor) -> None:
        self.register_parameter(name, nn.Parameter(value.detach().clone()))

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *more: Any) -> None:
        for name, value in state_dict.items():
            own = name.removeprefix(prefix)
            if name.startswith(prefix) and own not in self._parameters:
                self._take(own, value)
        super()._load_from_state_dict(state_dict, prefix, *more)


@torch.no_grad()
def use_weights(decoder: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Give a decoder other weights for good.

    Raises:
        KeyError, RuntimeError: they are of another decoder.
    """
    for name, value in decoder.named_parameters():
        value.copy_(torch.from_numpy(weights[name]))
