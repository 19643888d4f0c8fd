"""How the score model is fitted: by denoising, at levels that are drawn log-uniformly.

The curve starts at step 0, where the model is the Gaussian of the training frames. So the curve shows what training
has gained beyond covariances.
"""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentdyn.errors import UserError
from latentdyn.models.base import Fitting, Part
from latentdyn.models.score.network import ScoreModel, build_score_model, denoising_losses
from latentdyn.seeds import seed_for
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.latents import LatentsStore
from latentdyn.stores.runs import Runs
from latentdyn.training.updates import Objective

_VALIDATION_FRAMES = 16_384
_EVALUATION_BATCH = 2048


class ScoreFitting(Fitting[ScoreModel]):
    """A score model; settings are network, sigma_min, sigma_max and training of the correction's section."""

    seed_name = "score"
    parts = (Part(),)

    def __init__(
        self, settings: dict[str, Any], store: LatentsStore, frames: FrameIndex, seed: int, device: torch.device
    ) -> None:
        """Choose the training speakers' finite frames.

        Raises:
            UserError: there are none.
        """
        super().__init__(settings, store, frames, seed, device)
        train = frames.finite().of_splits("train")
        held_out = frames.finite().of_splits("validation").draw(_VALIDATION_FRAMES, (*self.seed_names, "validation"))
        if not len(train):
            raise UserError(
                "no training speaker has a finite frame", store.path, "use a larger corpus, or look at its latents"
            )
        row, _, length = train.runs()
        self.rows = Runs(row, length, device)
        self.held_out_rows = torch.from_numpy(held_out["row"].to_numpy(copy=True)).to(device)
        self.n_frames = (len(self.rows), len(self.held_out_rows))

    def build(self) -> ScoreModel:
        return build_score_model(self.settings, self.dim)

    def set_moments(self, model: ScoreModel) -> None:
        model.set_moments(self.latents, self.rows)

    def objective(self, model: ScoreModel, part: Part) -> "Denoising":
        batch_size = self.settings["training"]["batch_size"]
        return Denoising(model, self.latents, self.rows, self.held_out_rows, batch_size, self.seed_names)


class Denoising(Objective):
    """The mean squared error, per dimension, of the noise predicted in single frames (Song & Ermon 2019, eq. 5 and 6).

    Args:
        latents: (n_rows, D) resident. rows, held_out_rows: int64, the frames to train on and to validate with.
    """

    quantity, unit = "loss", "a dimension"

    def __init__(
        self, model: ScoreModel, latents: Tensor, rows: Runs, held_out_rows: Tensor, batch_size: int,
        seed_names: tuple[object, ...],
    ) -> None:  # fmt: skip
        self.model, self.latents, self.rows, self.held_out_rows = model, latents, rows, held_out_rows
        self.batch_size, self.seed_names = batch_size, seed_names
        self.held_out = len(held_out_rows) > 0
        self._draws = torch.Generator(latents.device)

    def prepare(self, step: int) -> None:
        self._draws.manual_seed(seed_for(*self.seed_names, "step", step))

    def prepared_loss(self) -> Tensor:
        index = torch.randint(len(self.rows), (self.batch_size,), generator=self._draws, device=self.rows.device)
        return _losses(self.model, self.latents[self.rows[index]], self._draws).mean()

    def held_out_loss(self) -> float:
        return mean_loss(self.model, self.latents, self.held_out_rows, self.seed_names)

    def nonfinite_error(self, step: int, folder: Path) -> UserError:
        return UserError(
            f"training stopped: the denoising loss or its gradient is not finite at step {step}",
            folder,
            "look for outliers in these latents, or lower training.learning_rate of the correction",
        )


def _losses(model: ScoreModel, x: Tensor, draws: torch.Generator) -> Tensor:
    """The loss of each frame (B, D), at a level and with noise of its own."""
    low, high = math.log(model.sigma_min), math.log(model.sigma_max)
    sigma = torch.exp(low + (high - low) * torch.rand(len(x), generator=draws, device=x.device))
    noise = torch.randn(x.shape, generator=draws, device=x.device)
    return denoising_losses(model.noise(model.standardized(x) + sigma[:, None] * noise, sigma), noise)


@torch.inference_mode()
def mean_loss(model: ScoreModel, latents: Tensor, rows: Tensor, seed_names: tuple[object, ...]) -> float:
    """Mean loss over these rows, summed in float64; NaN without any. Levels and noise are the same each time."""
    draws = torch.Generator(latents.device).manual_seed(seed_for(*seed_names, "held out"))
    losses = [_losses(model, latents[block], draws).double().sum() for block in rows.split(_EVALUATION_BATCH)]
    return float(torch.stack(losses).sum()) / len(rows) if len(rows) else math.nan


FITTING = ScoreFitting
