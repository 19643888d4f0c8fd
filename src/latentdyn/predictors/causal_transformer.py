"""A transformer that reads the whole past of an utterance, frame by frame.

A frame attends to itself and to all frames before it. Queries and keys are turned by an angle that grows with their
place (RoPE, Su et al. 2021), so that a head can pick a distance; and a bias falls linearly with the distance (ALiBi,
Press et al. 2022), so that a run may grow longer than any sequence of the training.

What a new frame needs of the others, their keys and values, is kept. So to read n frames one by one costs as many
operations as to read them at once, and a new frame costs the more, the more frames there are before it.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latentdyn.predictors.layers import Dense, Dropout
from latentdyn.predictors.reading import missing_frames

KeysAndValues = tuple[Tensor, Tensor]  # (B, heads, L, d) each
Kept = tuple[Tensor, Sequence[KeysAndValues]]  # how many frames are missing, (B,), and what each block keeps


class CausalTransformer(nn.Module):
    """Pre-norm blocks (Vaswani et al. 2017) with linear biases; `window_frames` decides nothing."""

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
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.answer = Dense(width, outputs)

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        summaries, _ = self.read(context)
        return self.answer_to(summaries[:, -1], n)

    def read(self, frames: Tensor, memory: Kept | None = None) -> tuple[Tensor, Kept]:
        """See reading.Reads; what it says is the last block's tokens."""
        kept: Sequence[KeysAndValues | None]
        if memory is None:
            missing, kept = missing_frames(frames), len(self.blocks) * [None]
            there = torch.arange(frames.shape[1], device=frames.device) >= missing[:, None]
            frames = frames.where(there[..., None], 0)
        else:
            missing, kept = memory
        x, now = self.tokens(frames), []
        for block, past in zip(self.blocks, kept, strict=True):
            x, keys_and_values = block(x, missing, past)
            now.append(keys_and_values)
        return self.norm(x), (missing, now)

    def answer_to(self, summary: Tensor, n: int | None = None) -> Tensor:
        return self.answer(summary, n)


class _Block(nn.Module):
    slopes: Tensor

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inputs, self.mixed = Dense(width, 3 * width), Dense(width, width)
        self.hidden = nn.Sequential(
            Dense(width, 4 * width), nn.GELU(), Dropout(dropout, inplace=True), Dense(4 * width, width)
        )
        self.dropped = Dropout(dropout)
        slopes = [2.0 ** (-8 * (head + 1) / heads) for head in range(heads)]
        self.register_buffer("slopes", torch.tensor(slopes)[:, None, None], persistent=False)

    def forward(self, x: Tensor, missing: Tensor, past: KeysAndValues | None) -> tuple[Tensor, KeysAndValues]:
        """Tokens (B, L, width) after `past` -> the same, mixed with those before, and keys and values of them all."""
        parts = self.inputs(self.before(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts
        place = torch.arange(x.shape[1], device=x.device) + (0 if past is None else past[0].shape[2])
        queries, keys = _turned(queries, place), _turned(keys, place)
        if past is not None:
            keys, values = (torch.cat(pair, dim=2) for pair in zip(past, (keys, values), strict=True))
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            queries, keys, values, self._bias(x.shape[1], keys.shape[2], missing), dropout_p=dropout
        )
        x = x + self.dropped(self.mixed(mixed.transpose(1, 2).flatten(2)))
        return x + self.dropped(self.hidden(self.between(x))), (keys, values)

    def _bias(self, new: int, all_of_them: int, missing: Tensor) -> Tensor:
        """(B or 1, heads, new, all): what is added to the logits; a frame that is missing sees itself alone."""
        place = torch.arange(all_of_them, device=missing.device)
        distance = place[-new:, None] - place
        bias = torch.where(distance >= 0, -self.slopes * distance, -math.inf)[None]
        if missing.any():
            hidden = (place < missing[:, None])[:, None, None] & (distance != 0)
            bias = bias.masked_fill(hidden, -math.inf)
        return bias


def _turned(x: Tensor, place: Tensor) -> Tensor:
    """x (B, heads, L, d) with pairs of its numbers turned by place (L,) times an angle of their own."""
    half = x.shape[3] // 2
    angle = place[:, None] * 10_000.0 ** (-torch.arange(half, dtype=torch.float64, device=x.device) / half)
    cos, sin = angle.cos().to(x), angle.sin().to(x)
    a, b, rest = x.split([half, half, x.shape[3] - 2 * half], dim=3)
    return torch.cat([a * cos - b * sin, a * sin + b * cos, rest], dim=3)
