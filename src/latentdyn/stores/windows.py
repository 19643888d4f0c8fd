"""Context windows from one resident tensor: a batch is one vectorised gather, on the device where training runs.

Target frame t, staleness k, W frames of context: c = x[t-k-W+1 .. t-k], Δx_t = x_t - x_{t-1} (seed 001 §2.3). One set
of frames serves every k (those valid for the longest), so that the rows of a table can be compared.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.errors import UserError


def common_frames(
    frames: pd.DataFrame, n_rows: int, window_frames: int, horizons: list[int], ahead: int = 0
) -> pd.DataFrame:
    """The frames that every horizon can be scored on: t >= (W-1) + max k, all frames they touch finite.

    Args:
        frames: the frame index. n_rows: rows of the store. ahead: frames of the utterance that must follow.

    Raises:
        UserError: no frame is left, since every utterance is shorter than the longest context reaches back.
    """
    reach = window_frames - 1 + max(horizons)
    t = frames["t"].to_numpy()
    fits = t >= reach
    if ahead:
        fits &= t + ahead <= frames.groupby("utterance_id", observed=True)["t"].transform("max").to_numpy()
    late = frames[fits]
    if late.empty:
        longest = 1 + int(t.max()) if len(t) else 0
        raise UserError(
            f"no utterance is long enough: W = {window_frames} and the longest horizon k = {max(horizons)}"
            + (f" with {ahead} frames to follow" if ahead else "")
            + f" need {reach + 1 + ahead} frames, the longest utterance has {longest}",
            "window_frames and horizons of the predictor" + (", and its training.regime" if ahead else ""),
            "shorten them, or use longer utterances",
        )
    if frames["valid"].all():
        return late
    invalid = np.zeros(n_rows + 1, np.int64)
    invalid[1 + frames["row"].to_numpy()[~frames["valid"].to_numpy()]] = 1
    invalid = np.cumsum(invalid)  # invalid rows before each row
    row = late["row"].to_numpy()
    return late[invalid[row + ahead + 1] == invalid[row - reach]]


@dataclass(frozen=True)
class Windows:
    """Contexts and targets for frames of a resident store.

    latents: (n_rows, D) float32. rows: (n,) int64, the rows of target frames. window_frames: W.
    """

    latents: Tensor
    rows: Tensor
    window_frames: int

    @classmethod
    def of(cls, latents: Tensor, frames: pd.DataFrame, window_frames: int) -> "Windows":
        rows = torch.from_numpy(frames["row"].to_numpy(np.int64, copy=True)).to(latents.device)
        return cls(latents, rows, window_frames)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dim(self) -> int:
        return self.latents.shape[1]

    def batch(self, index: Tensor | slice, k: int) -> tuple[Tensor, Tensor]:
        """Contexts (B, W, D) that end k frames before the targets, and deltas (B, D)."""
        rows = self.rows[index]
        offsets = torch.arange(1 - self.window_frames, 1, device=rows.device) - k
        context = self.latents[rows[:, None] + offsets]
        return context, self.latents[rows] - self.latents[rows - 1]

    def stretch(self, index: Tensor | slice, k: int, steps: int) -> Tensor:
        """The frames (B, W + k - 1 + S, D) from the first of the context to the last of S targets, x_{t+S-1}."""
        rows = self.rows[index]
        return self.latents[rows[:, None] + torch.arange(1 - k - self.window_frames, steps, device=rows.device)]


@dataclass(frozen=True)
class Scaling:
    """Moments of frames and deltas, in float64, from training frames only: means and deviations (D,), and the
    covariance of deltas (D, D)."""

    frame_mean: Tensor
    frame_std: Tensor
    delta_mean: Tensor
    delta_std: Tensor
    delta_covariance: Tensor

    def delta_axes(self) -> tuple[Tensor, Tensor]:
        """Variances (D,), largest first, and principal axes (D, D), a column each, of the deltas."""
        variances, axes = torch.linalg.eigh(self.delta_covariance)
        return variances.flip(0), axes.flip(1)

    @classmethod
    def fit(cls, windows: Windows, block: int = 2048) -> "Scaling":
        """Moments over the target frames of `windows`.

        Raises:
            UserError: a dimension does not move, so that no density over it exists.
        """
        frame, delta = _Sums(windows.dim), _Products(windows.dim)
        for start in range(0, len(windows), block):
            rows = windows.rows[start : start + block]
            x = windows.latents[rows].double()
            frame.add(x)
            delta.add(x - windows.latents[rows - 1].double())
        still = torch.nonzero(delta.std() <= 0).flatten().tolist()
        if still:
            raise UserError(
                f"{len(still)} of {windows.dim} latent dimensions never change on the training frames "
                f"(the first is dimension {still[0]})",
                "the representation's latents",
                "leave constant dimensions out: no density over their steps exists",
            )
        return cls(frame.mean(), frame.std(), delta.mean(), delta.std(), delta.covariance())


class _Sums:
    """Sums and squares in float64 about a nearby point, so that nothing cancels."""

    def __init__(self, dim: int) -> None:
        self.n, self.shift = 0, torch.zeros(dim, dtype=torch.float64)
        self.first, self.square = torch.zeros(dim, dtype=torch.float64), torch.zeros(dim, dtype=torch.float64)

    def add(self, x: Tensor) -> Tensor:
        """Add frames (n, D) of float64; returns them about the nearby point."""
        if not self.n:
            self.shift = x.mean(0).cpu()
        x = x - self.shift.to(x)
        self.n += len(x)
        self.first += x.sum(0).cpu()
        self.square += x.square().sum(0).cpu()
        return x

    def mean(self) -> Tensor:
        return self.shift + self.first / self.n

    def std(self) -> Tensor:
        return (self.square / self.n - (self.first / self.n).square()).clamp_min(0).sqrt()


class _Products(_Sums):
    """And products of dimensions: in float32 within a block, summed in float64."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.second = torch.zeros(dim, dim, dtype=torch.float64)

    def add(self, x: Tensor) -> Tensor:
        x = super().add(x)
        y = x.float()
        self.second += (y.T @ y).cpu()
        return x

    def covariance(self) -> Tensor:
        offset = self.first / self.n
        return self.second / self.n - torch.outer(offset, offset)
