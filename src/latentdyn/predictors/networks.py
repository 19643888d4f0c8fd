"""Networks: from a normalised context (B, W, D) to the numbers (B, outputs) that a head makes a density of.

Kinds: `none` (the same outputs for every context), `linear`, `mlp`, `transformer`, `gru`. Each can compute its first n
outputs alone, so that its last layer costs less.
"""

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def build_network(settings: dict[str, Any], dim: int, window_frames: int, outputs: int) -> nn.Module:
    """A fresh network of the kind that `settings` (the `network` section of a predictor) names."""
    options = {name: value for name, value in settings.items() if name != "kind"}
    return _KINDS[settings["kind"]](dim, window_frames, outputs, **options)


class Constant(nn.Module):
    """The same outputs for every context: an unconditional density."""

    def __init__(self, dim: int, window_frames: int, outputs: int) -> None:
        super().__init__()
        self.outputs = nn.Parameter(torch.empty(outputs).uniform_(-0.1, 0.1))  # else all components stay equal

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        return self.outputs[:n].expand(len(context), -1)


class Linear(nn.Module):
    """One affine map of the flattened context."""

    def __init__(self, dim: int, window_frames: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(window_frames * dim, outputs)

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        return _first(self.layer, context.flatten(1), n)


class MLP(nn.Module):
    """`layers` hidden layers of `width` GELU units over the flattened context (seed 001 §2.4)."""

    def __init__(self, dim: int, window_frames: int, outputs: int, *, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [window_frames * dim, *[width] * layers]
        hidden = [nn.Sequential(nn.Linear(i, o), nn.GELU(), nn.Dropout(dropout)) for i, o in itertools.pairwise(sizes)]
        self.layers = nn.Sequential(*hidden, nn.Linear(sizes[-1], outputs))

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        *hidden, last = self.layers
        assert isinstance(last, nn.Linear)
        x = context.flatten(1)
        for layer in hidden:
            x = layer(x)
        return _first(last, x, n)


class Transformer(nn.Module):
    """Causal self-attention over the W frames (Vaswani et al. 2017, pre-norm); the outputs are the newest frame's."""

    def __init__(
        self,
        dim: int,
        window_frames: int,
        outputs: int,
        *,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.tokens = nn.Linear(dim, width)
        self.positions = nn.Parameter(0.02 * torch.randn(window_frames, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.answer = nn.Linear(width, outputs)
        mask = nn.Transformer.generate_square_subsequent_mask(window_frames)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        tokens = self.layers(self.tokens(context) + self.positions, mask=self.mask, is_causal=True)
        return _first(self.answer, tokens[:, -1], n)


class GRU(nn.Module):
    """Gated recurrent units over the W frames, oldest first (Cho et al. 2014); the outputs are of the last state."""

    def __init__(self, dim: int, window_frames: int, outputs: int, *, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0  # torch warns of dropout between layers where there is one layer
        self.recurrence = nn.GRU(dim, width, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.answer = nn.Linear(width, outputs)

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        states, _ = self.recurrence(context)
        return _first(self.answer, self.dropout(states[:, -1]), n)


def _first(layer: nn.Linear, x: Tensor, n: int | None) -> Tensor:
    """The first n outputs of a layer, or all."""
    return layer(x) if n is None else F.linear(x, layer.weight[:n], layer.bias[:n])


_KINDS: dict[str, type[nn.Module]] = {
    "none": Constant,
    "linear": Linear,
    "mlp": MLP,
    "transformer": Transformer,
    "gru": GRU,
}
