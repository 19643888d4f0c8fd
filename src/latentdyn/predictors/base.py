"""The interface of predictors: a conditional density p(Δx | context)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from latentdyn.distributions.density import Density
from latentdyn.families import PREDICTORS
from latentdyn.predictors.reading import Context, Reading, ReadPast
from latentdyn.predictors.widths import with_matched_width
from latentdyn.stores.windows import Scaling, Windows

_BLOCK = 8192
# settings that are no arguments of the class
_NOT_OPTIONS = ("kind", "horizons", "starts_from", "training", "match_parameters_of")


class Predictor(nn.Module):
    """p(Δx | context) for one horizon, in the latents' own units.

    All that it knows of the data is in its buffers and parameters, so its state_dict is the whole checkpoint.
    A kind of predictor is either trained by gradient descent (it has `nll`) or solved (it has `solve`).

    reads_past: its contexts hold all frames of an utterance so far, not the newest W alone (see reading).
    """

    reads_past = False

    frame_mean: Tensor
    frame_std: Tensor
    delta_mean: Tensor
    delta_std: Tensor

    def __init__(self, dim: int, window_frames: int) -> None:
        super().__init__()
        self.dim, self.window_frames = dim, window_frames
        for name in ("frame_mean", "frame_std", "delta_mean", "delta_std"):
            self.register_buffer(name, torch.ones(dim) if name.endswith("std") else torch.zeros(dim))

    def set_scaling(self, scaling: Scaling) -> None:
        """Work in units of the training frames' mean and deviation."""
        for name, buffer in self.named_buffers():
            if hasattr(scaling, name):
                buffer.copy_(getattr(scaling, name))

    def set_start(self, scaling: Scaling, train: Windows, validation: Windows | None, k: int) -> None:
        """What a fresh predictor takes from the training frames before it is fitted: here, their moments.

        Args:
            scaling: of `train`. validation: held-out training speakers, who may choose among candidates; None without
                any. k: staleness.
        """
        self.set_scaling(scaling)

    def standardized(self, context: Tensor) -> Tensor:
        """Context (B, W, D) in units of the training frames' mean and deviation."""
        return (context - self.frame_mean) / self.frame_std

    def reading(self) -> Reading:
        """Begin to read frames that come one after another."""
        return Reading(self.window_frames)

    def batches(self, windows: Windows, k: int) -> Callable[[Tensor | slice], tuple[Context, Tensor]]:
        """What gives contexts at staleness k and deltas (B, D) of some target frames of `windows`."""
        return lambda index: windows.batch(index, k)

    def history(self, windows: Windows, index: Tensor | slice, length: int, ahead: int = 0) -> Tensor:
        """What runs start from: frames (B, H, D), H >= length, up to the one `ahead` frames after some targets of
        `windows` (before them, if negative). Where it reads the past, all there are; NaN stands for missing ones."""
        return windows.histories(index, length, ahead)

    def density(self, context: Context) -> Density:
        """The density of the next step given context (B, W, D)."""
        raise NotImplementedError  # abstract

    def mean_step(self, context: Context) -> Tensor:
        """E[Δx | c], (B, D): density(context).mean() up to rounding, but often cheaper to compute."""
        return self.density(context).mean()


class TrainedPredictor(Predictor):
    """A predictor that is fitted by gradient descent: on its negative log-likelihood, or on another score.

    trains_likelihood: which of both. draws_by_rejection: how much work a draw is depends on the draw. kept_step: the
    step of the training whose weights these are; 0: those that the training started from.
    """

    trains_likelihood = True
    draws_by_rejection = False
    kept_step: Tensor

    def __init__(self, dim: int, window_frames: int) -> None:
        super().__init__(dim, window_frames)
        self.register_buffer("kept_step", torch.zeros((), dtype=torch.int64))

    def every_context(self, frames: Tensor, newest: Tensor) -> tuple[ReadPast, Tensor]:
        """The contexts that end with a frame of sequences (B, L, D), of what reads the past.

        Args:
            newest: the same frames (B, L, D), as the newest W of each context show them.

        Returns:
            The contexts where W frames are known and none is missing, n of them; and bool (B, L), true there.
        """
        raise NotImplementedError  # abstract

    def nll(self, context: Context, delta: Tensor) -> Tensor:
        """-log p(Δx | c), (B,) in nats."""
        return self.nll_under(self.density(context), delta)

    def nll_under(self, density: Density, delta: Tensor) -> Tensor:
        """The same from the density of the contexts, if it is already there: -density.log_prob(delta)."""
        return -density.log_prob(delta)

    def loss(self, context: Context, delta: Tensor) -> Tensor:
        """What training makes small, (B,)."""
        return self.nll(context, delta) if self.trains_likelihood else self.loss_under(self.density(context), delta)

    def loss_under(self, density: Density, delta: Tensor) -> Tensor:
        """The same from the density of the contexts, if it is already there."""
        return self.nll_under(density, delta)


class SolvedPredictor(Predictor):
    """A predictor that is fitted in closed form."""

    def solve(self, train: Windows, validation: Windows | None, k: int) -> Iterable[dict[str, float]]:
        """Fit at staleness k; `validation` (held-out training speakers) chooses among candidates, if there are several.

        Returns:
            A record for each candidate, with its validation NLL.
        """
        raise NotImplementedError  # abstract

    def validation_nll(self, validation: Windows | None, k: int) -> float:
        """Mean NLL over all frames of `validation`, nats a frame, summed in float64; NaN without any."""
        return float("nan") if validation is None else mean_nll(self.frame_nlls(validation, k))

    def frame_nlls(self, windows: Windows, k: int) -> Tensor:
        """NLL of each frame in nats, (n,) in float64."""
        nlls = torch.empty(len(windows), dtype=torch.float64, device=windows.rows.device)
        for start in range(0, len(windows), _BLOCK):
            context, delta = windows.batch(slice(start, start + _BLOCK), k)
            nlls[start : start + _BLOCK] = -self.density(context).log_prob(delta)
        return nlls


def mean_nll(nlls: Tensor) -> float:
    """Mean over frames (n,), summed by blocks."""
    return sum(float(block.sum()) for block in nlls.split(_BLOCK)) / len(nlls)


def build_predictor(settings: dict[str, Any], dim: int) -> Predictor:
    """A fresh predictor of the kind that `settings` names, for one horizon.

    Raises:
        UserError: its network has no width with which it would have as many parameters as it must have.
    """
    if settings.get("match_parameters_of"):
        settings = with_matched_width(settings, dim, build_predictor)
    options = {name: value for name, value in settings.items() if name not in _NOT_OPTIONS}
    predictor: Predictor = PREDICTORS.load(settings["kind"])(dim=dim, **options)
    return predictor
