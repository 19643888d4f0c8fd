"""The objective of predictors: the negative log-likelihood on the contexts of a regime, in nats per frame."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latentdyn.errors import UserError
from latentdyn.files import atomic_path
from latentdyn.predictors.base import TrainedPredictor
from latentdyn.seeds import numpy_generator, seed_for, seed_torch, torch_generator
from latentdyn.stores.windows import Windows
from latentdyn.training.regimes import Regime
from latentdyn.training.updates import Objective

_VALIDATION_FRAMES = 16_384
_EVALUATION_BATCH = 2048


class Likelihood(Objective):
    """The NLL of batches of windows at staleness k.

    Args:
        train_windows, validation_windows: of frames after which their utterance has at least `regime.longest - 1` more.
        seed_names: the names of this run's random numbers.
    """

    quantity, unit = "nll", "nats/frame"

    def __init__(
        self,
        predictor: TrainedPredictor,
        train_windows: Windows,
        validation_windows: Windows | None,
        k: int,
        regime: Regime,
        batch_size: int,
        seed_names: tuple[object, ...],
    ) -> None:
        self.predictor, self.windows, self.k, self.regime = predictor, train_windows, k, regime
        self.batch_size, self.seed_names = batch_size, seed_names
        if not predictor.trains_likelihood:
            self.quantity, self.unit = "loss", "of its own score"
        self.skips_nonfinite, self.held_out = regime.skips_nonfinite, validation_windows is not None
        device = train_windows.latents.device
        self._draws = torch.Generator(device)
        self.generators = [self._draws] if regime.random else []
        self._index = torch.zeros(batch_size, dtype=torch.int64, device=device)
        self._done = torch.zeros((), dtype=torch.float64, device=device)
        if validation_windows is not None:
            # S steps are scored from each frame, so fewer frames make a point of the curve cost the same
            self._held_out_windows = _subset(validation_windows, _VALIDATION_FRAMES // regime.longest, seed_names)

    def arithmetic(self, step: int) -> int | None:
        known = not (self.regime.draws_steps and self.predictor.draws_by_rejection)
        return self.regime.steps(step) if known else None

    def prepare(self, step: int) -> None:
        seed_torch(self._index.device, *self.seed_names, "dropout", step)
        if self.regime.random:
            self._draws.manual_seed(seed_for(*self.seed_names, "regime", step))
        self._step = step
        drawn = self._drawn(step)
        if self._index.is_cuda:
            drawn = drawn.pin_memory()  # a copy from other memory would wait for all that is queued
        self._index.copy_(drawn, non_blocking=True)
        if self.regime.gradual:
            self._done.fill_(step)

    def prepared_loss(self) -> Tensor:
        truth = self.windows.stretch(self._index, self.k, self.regime.steps(self._step))
        done = self._done if self.regime.gradual else self._step
        return self.regime.nll(self.predictor, truth, done, self._draws).mean()

    def held_out_loss(self) -> float:
        return mean_nll(self.predictor, self._held_out_windows, self.k, self.regime, self.seed_names)

    def keep(self, step: int) -> None:
        self.predictor.kept_step.fill_(step)

    def nonfinite_error(self, step: int, folder: Path) -> UserError:
        index = self._drawn(step).to(self.windows.rows.device)
        rows = self.windows.rows[index]
        context, delta = self.windows.batch(index, self.k)
        file = folder / f"nonfinite_batch_k{self.k}.npz"
        with atomic_path(file) as temporary, open(temporary, "wb") as opened:
            np.savez(opened, rows=rows.cpu(), context=context.cpu(), delta=delta.cpu(), step=step)
        norm, worst = delta.norm(dim=1).max(0)
        return UserError(
            f"training stopped: the loss or its gradient is not finite at step {step} of horizon k={self.k} "
            f"(largest ||Δx|| in its batch: {float(norm):.4g}, at store row {int(rows[worst])})",
            f"{file}, the batch",
            "look for outliers in these latents, lower training.learning_rate or raise log_sigma_min; where a regime "
            "generates contexts, shorten its rollouts or narrow the clamps of the head",
        )

    def _drawn(self, step: int) -> Tensor:
        drawn = numpy_generator(*self.seed_names, "batch", step).integers(0, len(self.windows), self.batch_size)
        return torch.from_numpy(drawn)


@torch.inference_mode()
def mean_nll(
    predictor: TrainedPredictor, windows: Windows, k: int, regime: Regime, seed_names: tuple[object, ...]
) -> float:
    """Mean over all frames of `windows` of the regime's final loss, in nats per frame, summed in float64.

    Every call draws the same random numbers.
    """
    draws = torch_generator(*seed_names, "held out", device=windows.latents.device)
    total, steps = torch.zeros((), dtype=torch.float64, device=windows.latents.device), regime.steps(math.inf)
    for start in range(0, len(windows), _EVALUATION_BATCH):
        truth = windows.stretch(slice(start, start + _EVALUATION_BATCH), k, steps)
        total += regime.nll(predictor, truth, math.inf, draws).double().sum()
    return float(total) / len(windows)


def _subset(windows: Windows, n: int, seed_names: tuple[object, ...]) -> Windows:
    if len(windows) <= n:
        return windows
    chosen = np.sort(numpy_generator(*seed_names, "validation").choice(len(windows), n, replace=False))
    return windows.only(torch.from_numpy(chosen).to(windows.rows.device))
