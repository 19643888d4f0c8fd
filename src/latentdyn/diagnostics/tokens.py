"""Codes of a codec's quantizer, predicted one after another: their cross-entropy in bits, with the past and without it.

The law of a frame's codes is p(c_t | past) = Π_s p(c_{t,s} | c_{t,1..s-1}, past), a categorical law for each stage. The
past is the W frames before, as sums of their codewords; the earlier stages of the frame itself are known as the sum of
their codewords so far. One hidden layer reads both:

    h = gelu(A past + U_s Σ_{i<s} codeword_i + b_s)        p(c_s | ·) = softmax(W_s h + v_s)

The same law without the past (A = 0) is fitted beside it. What it needs more is what the past tells, in bits that do
not depend on units: the discrete sibling of predictive information.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from latentdyn.stores.quantizer import Quantizer

_VALIDATED = 4096  # validation frames that choose the weights


@dataclass(frozen=True)
class TokenSettings:
    """window_frames: W. width: of the hidden layer. steps, batch_frames, learning_rate: of the training by AdamW."""

    window_frames: int
    width: int
    steps: int
    batch_frames: int
    learning_rate: float


class TokenModel(nn.Module):
    """The law of a frame's codes.

    Args:
        books: codewords of each stage (S, K, d), deviations of frames about 1.
        past_dim: numbers that the past holds; 0 for the law without it.
    """

    books: Tensor

    def __init__(self, books: Tensor, past_dim: int, width: int) -> None:
        super().__init__()
        stages, codewords, dim = books.shape
        self.register_buffer("books", books)
        self.past = nn.Linear(past_dim, width, bias=False) if past_dim else None
        self.earlier = nn.Parameter(torch.randn(stages, dim, width) / dim**0.5)
        self.offset = nn.Parameter(torch.zeros(stages, width))
        self.weight = nn.Parameter(torch.zeros(stages, width, codewords))
        self.bias = nn.Parameter(torch.zeros(stages, codewords))

    def bits(self, past: Tensor, codes: Tensor) -> Tensor:
        """-log2 p of each code, (n, S), for past (n, past_dim) and codes (n, S) int64."""
        stages = torch.arange(len(self.books), device=codes.device)
        words = self.books[stages, codes]  # (n, S, d)
        earlier = words.cumsum(1) - words
        hidden = torch.einsum("nsd,sdw->nsw", earlier, self.earlier) + self.offset
        if self.past is not None:
            hidden = hidden + self.past(past)[:, None]
        logits = torch.einsum("nsw,swk->nsk", nn.functional.gelu(hidden), self.weight) + self.bias
        nats = nn.functional.cross_entropy(logits.flatten(0, 1), codes.flatten(), reduction="none")
        return nats.view(codes.shape) / np.log(2)


@dataclass(frozen=True)
class Codes:
    """codes: (n, S) int64 of frames that are predicted. past: (n, W d) float32, codewords of the frames before."""

    codes: Tensor
    past: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def first(self, n: int) -> "Codes":
        return Codes(self.codes[:n], self.past[:n])


def stage_books(quantizer: Quantizer) -> np.ndarray:
    """Codewords of all stages, (S, K, d'), each group's in dimensions of its own; the first stage's deviate by 1."""
    dims = [group.codebooks.shape[2] for group in quantizer.groups]
    books, at = np.zeros((quantizer.stages, quantizer.codewords, sum(dims)), np.float32), 0
    first = 0
    for group, dim in zip(quantizer.groups, dims, strict=True):
        books[first : first + len(group.codebooks), :, at : at + dim] = group.codebooks
        first, at = first + len(group.codebooks), at + dim
    return books / max(float(books[0].std()), 1e-12)


def predicted(codes: np.ndarray, rows: np.ndarray, books: np.ndarray, window: int) -> Codes:
    """What the frames in these rows of a store, and the `window` rows before each, give to predict.

    Args:
        codes: (n_rows, S), of the whole store. rows: (n,), each with `window` rows of its utterance before it.
    """
    used, place = np.unique(rows[:, None] - np.arange(window, 0, -1), return_inverse=True)
    sums = np.zeros((len(used), books.shape[2]), np.float32)
    for stage, book in enumerate(books):
        sums += book[codes[used, stage]]
    past = sums[place.reshape(len(rows), window)].reshape(len(rows), -1)
    return Codes(torch.from_numpy(codes[rows].astype(np.int64)), torch.from_numpy(past))


def fit(train: Codes, validation: Codes, books: np.ndarray, settings: TokenSettings, *, past: bool, seed: int,
        device: torch.device) -> TokenModel:  # fmt: skip
    """Fit the law to training frames; the weights with the fewest bits on the validation frames are kept."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = TokenModel(torch.from_numpy(books), train.past.shape[1] if past else 0, settings.width).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    fewest, kept = float("inf"), {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(1, settings.steps + 1):
        rows = torch.randint(len(train), (settings.batch_frames,), generator=generator)
        loss = model.bits(train.past[rows].to(device), train.codes[rows].to(device)).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        schedule.step()
        if step % max(1, settings.steps // 10) == 0 or step == settings.steps:
            now = float(frame_bits(model, validation.first(_VALIDATED), device).mean())
            if now < fewest:
                fewest, kept = now, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return model


@torch.no_grad()
def frame_bits(model: TokenModel, frames: Codes, device: torch.device, block: int = 512) -> np.ndarray:
    """Bits of each frame's codes, (n,) float64."""
    parts = [
        model.bits(past.to(device), codes.to(device)).double().sum(1).cpu().numpy()
        for past, codes in zip(frames.past.split(block), frames.codes.split(block), strict=True)
    ]
    return np.concatenate([*parts, np.empty(0)])
