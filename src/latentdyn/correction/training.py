"""Fitting the score model: denoising at levels drawn log-uniformly.

The curve starts at step 0, where the model is the Gaussian of the training frames: what training has gained beyond
covariances is read off it.
"""

import logging
import math
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from latentdyn.correction.score_model import ScoreModel, build_score_model, denoising_losses
from latentdyn.errors import UserError
from latentdyn.seeds import seed_for
from latentdyn.stores.frames import subsample_frames
from latentdyn.stores.latents import LatentsStore
from latentdyn.training.loop import Objective, TrainingSettings, train

log = logging.getLogger(__name__)

_VALIDATION_FRAMES = 16_384
_EVALUATION_BATCH = 2048


def fit_score(
    settings: dict[str, Any],
    store: LatentsStore,
    frames: pd.DataFrame,
    *,
    seed_names: tuple[object, ...],
    state_file: Path,
    device: torch.device,
    checkpoint_interval_s: float = 60.0,
) -> tuple[ScoreModel, pd.DataFrame]:
    """Fit the score model that `settings` describes to the training speakers' single frames.

    Args:
        settings: network, sigma_min, sigma_max and training of the correction's section.

    Returns:
        The model, and its curve: step, train_loss, validation_loss.

    Raises:
        UserError: no finite training frame, a dimension that does not vary, no held-out speakers to choose the best
            step by, or a loss that is not finite.
    """
    latents = torch.from_numpy(store.load()).to(device)
    usable = frames[frames["valid"]]
    mine = usable[usable["split"] == "train"]
    held_out = subsample_frames(
        usable[usable["split"] == "validation"], _VALIDATION_FRAMES, (*seed_names, "validation")
    )
    if mine.empty:
        raise UserError(
            "no training speaker has a finite frame", store.path, "use a larger corpus, or look at its latents"
        )
    rows, held_out_rows = (torch.from_numpy(f["row"].to_numpy(copy=True)).to(device) for f in (mine, held_out))
    torch.manual_seed(seed_for(*seed_names, "init"))
    model = build_score_model(settings, store.dim).to(device)
    model.set_moments(latents, rows)
    log.info("%d training frames, %d held-out frames, on %s", len(rows), len(held_out_rows), device)
    training = TrainingSettings(**settings["training"])
    asked = Denoising(model, latents, rows, held_out_rows, training.batch_size, seed_names)
    curve = train(model, asked, training, state_file=state_file, checkpoint_interval_s=checkpoint_interval_s)
    return model, pd.DataFrame(curve)


class Denoising(Objective):
    """The mean squared error of the noise foretold in single frames, a dimension (Song & Ermon 2019, eq. 5 and 6).

    Args:
        latents: (n_rows, D) resident. rows, held_out_rows: int64, the frames to train on and to validate with.
    """

    quantity, unit = "loss", "a dimension"

    def __init__(
        self, model: ScoreModel, latents: Tensor, rows: Tensor, held_out_rows: Tensor, batch_size: int,
        seed_names: tuple[object, ...],
    ) -> None:  # fmt: skip
        self.model, self.latents, self.rows, self.held_out_rows = model, latents, rows, held_out_rows
        self.batch_size, self.seed_names = batch_size, seed_names
        self.held_out = len(held_out_rows) > 0
        self._draws = torch.Generator(latents.device)

    def loss(self, step: int) -> Tensor:
        self._draws.manual_seed(seed_for(*self.seed_names, "step", step))
        index = torch.randint(len(self.rows), (self.batch_size,), generator=self._draws, device=self.rows.device)
        return _losses(self.model, self.latents[self.rows[index]], self._draws).mean()

    def held_out_loss(self) -> float:
        return mean_loss(self.model, self.latents, self.held_out_rows, self.seed_names)

    def blame(self, step: int, folder: Path) -> UserError:
        return UserError(
            f"training stopped: the denoising loss is not finite at step {step}",
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
    """Mean loss over these rows, the same levels and noise each time, summed in float64; NaN without any."""
    draws = torch.Generator(latents.device).manual_seed(seed_for(*seed_names, "held out"))
    losses = [_losses(model, latents[block], draws).double().sum() for block in rows.split(_EVALUATION_BATCH)]
    return float(torch.stack(losses).sum()) / len(rows) if len(rows) else math.nan
