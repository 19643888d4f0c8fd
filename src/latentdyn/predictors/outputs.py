"""The first outputs of a last layer alone, for what needs no more."""

from torch import Tensor, nn
from torch.nn import functional as F


def first_outputs(layer: nn.Linear, x: Tensor, n: int | None) -> Tensor:
    """The first n outputs of a layer, or all."""
    return layer(x) if n is None else F.linear(x, layer.weight[:n], layer.bias[:n])
