"""Networks: from a normalised context (B, W, D) to the numbers (B, outputs) that a head makes a density of.

Kinds: `none` (the same outputs for every context), `linear`, `mlp`, `transformer`, `gru`. Each can compute its first n
outputs alone, so that its last layer costs less. A `gru` can read a whole past too (see reading); a transformer that
does is a network of its own (see causal_transformer).
"""

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from latentdyn.predictors.causal_transformer import CausalTransformer
from latentdyn.predictors.layers import Dense, Dropout
from latentdyn.predictors.reading import missing_frames


def build_network(
    settings: dict[str, Any], dim: int, window_frames: int, outputs: int, reads: str = "window"
) -> nn.Module:
    """A fresh network of the kind that `settings` (the `network` section of a predictor) names.

    Args:
        reads: `window`, or `past` for one that can `read` (see reading).
    """
    options = {name: value for name, value in settings.items() if name != "kind"}
    kinds = {"window": _KINDS, "past": _KINDS_OF_PAST}[reads]
    return kinds[settings["kind"]](dim, window_frames, outputs, **options)


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
        self.layer = Dense(window_frames * dim, outputs)

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        return self.layer(context.flatten(1), n)


class MLP(nn.Module):
    """`layers` hidden layers of `width` GELU units over the flattened context (seed 001 §2.4)."""

    def __init__(self, dim: int, window_frames: int, outputs: int, *, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [window_frames * dim, *[width] * layers]
        hidden = [
            nn.Sequential(Dense(i, o), nn.GELU(), Dropout(dropout, inplace=True)) for i, o in itertools.pairwise(sizes)
        ]
        self.layers = nn.Sequential(*hidden, Dense(sizes[-1], outputs))

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        *hidden, last = self.layers
        assert isinstance(last, Dense)
        x = context.flatten(1)
        for layer in hidden:
            x = layer(x)
        return last(x, n)


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
        self.tokens = Dense(dim, width)
        self.positions = nn.Parameter(0.02 * torch.randn(window_frames, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.answer = Dense(width, outputs)
        mask = nn.Transformer.generate_square_subsequent_mask(window_frames)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        tokens = self.layers(self.tokens(context) + self.positions, mask=self.mask, is_causal=True)
        return self.answer(tokens[:, -1], n)


class GRU(nn.Module):
    """Gated recurrent units over the W frames, oldest first (Cho et al. 2014); the outputs are of the last state."""

    def __init__(self, dim: int, window_frames: int, outputs: int, *, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0  # torch warns of dropout between layers where there is one layer
        self.recurrence = nn.GRU(dim, width, layers, batch_first=True, dropout=between)
        self.dropout = Dropout(dropout)
        self.answer = Dense(width, outputs)

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        states, _ = self.recurrence(context)
        return self.answer_to(states[:, -1], n)

    def read(self, frames: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The states (B, L, width) of the last layer, and the newest of all layers (see reading.Reads)."""
        missing = missing_frames(frames) if memory is None else None
        if missing is None or not missing.any():
            states, memory = self.recurrence(frames, memory)
            return states, memory
        # each row's frames first, so that its recurrence begins with them
        there = frames.shape[1] - missing
        order = (torch.arange(frames.shape[1], device=frames.device) + missing[:, None]) % frames.shape[1]
        moved = torch.take_along_dim(frames, order[..., None], dim=1)
        packed = pack_padded_sequence(moved, there.cpu(), batch_first=True, enforce_sorted=False)
        states, memory = self.recurrence(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=frames.shape[1])
        return torch.take_along_dim(states, order.argsort(dim=1)[..., None], dim=1), memory

    def answer_to(self, summary: Tensor, n: int | None = None) -> Tensor:
        return self.answer(self.dropout(summary), n)


_KINDS: dict[str, type[nn.Module]] = {
    "none": Constant,
    "linear": Linear,
    "mlp": MLP,
    "transformer": Transformer,
    "gru": GRU,
}
_KINDS_OF_PAST: dict[str, type[nn.Module]] = {"transformer": CausalTransformer, "gru": GRU}
