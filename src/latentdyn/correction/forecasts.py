"""Forecasts whose states are corrected after every step, scored as those of the injection diagnostic.

The segments, draws and scores are those of `diagnostics.injection` under the same names and settings. So rows compare,
and the variant `none` is its modes D and D_sampled. After step s the state x̂_s is corrected. The step that counts is
x̂_s - x̂_{s-1}, between corrected states. The likelihood of the true step s + 1 is under the density that the corrected
context gives. Step 1 starts from truth, which is not corrected. Every variant of a split draws the same noise, so
`langevin` and `noise_only` differ by the score alone. A predictor without a mean has no mode D.

`denoising_loss` says how good the score is: the mean squared error, a dimension, of the noise that the model predicts
in frames of the split, at the level `sigma` of the correction. `denoising_loss_gaussian` is the same of a Gaussian of
the training frames. A model that scores no better has learnt covariances alone.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.correction.langevin import corrector
from latentdyn.correction.variants import FORECASTS, SamplingSettings
from latentdyn.diagnostics.bootstrap import mean_intervals
from latentdyn.diagnostics.capabilities import find_missing
from latentdyn.diagnostics.injection import InjectionSettings, Mode, score_forecasts
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.rollout import Rollout, by_draws, by_mean, rollout
from latentdyn.metrics import DENOISING_LOSS, DENOISING_LOSS_GAUSSIAN
from latentdyn.models.score.network import ScoreModel, denoising_losses
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import numpy_generator, torch_generator
from latentdyn.stores.frame_index import FrameIndex

_DENOISED_FRAMES = 16_384
_BLOCK = 2048


def evaluate_corrections(
    predictor: Predictor,
    ceilings: Mapping[int, Predictor],
    model: ScoreModel,
    latents: Tensor,
    frames: FrameIndex,
    frame_rate_hz: float,
    sampling: SamplingSettings,
    settings: InjectionSettings,
    seed_names: tuple[object, ...],
) -> tuple[list[Record], pd.DataFrame]:
    """Forecast segments of every split with every variant of the correction, by the mean and by draws.

    Args:
        predictor: fitted at k = 1. Others as of `score_forecasts`; with its `seed_names` the segments and draws are
            those of the injection diagnostic. Of `settings`, injected_steps_b goes unused: no truth is injected.

    Returns:
        Records and sums over speakers' frames as of `score_forecasts`, with the fields of `Variant.place`, and the
        denoising losses.

    Raises:
        UserError: a level that the model was not trained at, or too few utterances.
    """

    def forecasts(truth: Tensor, names: tuple[object, ...]) -> Iterator[tuple[Mode, int, Rollout]]:
        never = torch.zeros(settings.steps, dtype=torch.bool)
        for mode, draws in zip(FORECASTS, (0 if "mean" in lacks else 1, settings.draws), strict=True):
            repeated = truth.repeat_interleave(draws, dim=0)
            for variant in sampling.variants() if draws else ():
                generators = [torch_generator(*names, of, device=truth.device) for of in ("draws", "correction")]
                step = by_draws(generators[0], settings.temperature) if mode == "D_sampled" else by_mean
                correct = corrector(model, variant, sampling.step_size, generators[1])
                forecast = rollout(predictor, repeated, settings.steps, never, step, 1, correct)
                yield Mode(mode, **variant.place()), draws, forecast

    lacks = find_missing(predictor, latents, {"log_prob": "dnll", "mean": "forecasts by the mean (mode D)"})
    records, speakers = score_forecasts(
        forecasts, predictor, ceilings, latents, frames, frame_rate_hz, settings, seed_names
    )
    for split in settings.splits:
        own = frames.of_splits(split).finite()
        for sigma in sampling.sigmas:
            records += denoising_records(model, latents, own, sigma, settings.bootstrap_resamples, seed_names, split)
    return records, speakers


@torch.inference_mode()
def denoising_records(
    model: ScoreModel, latents: Tensor, frames: FrameIndex, sigma: float, resamples: int,
    seed_names: tuple[object, ...], split: str,
) -> list[Record]:  # fmt: skip
    """The denoising loss at one level, and that of the Gaussian, over at most 16,384 of these frames."""
    names = (*seed_names, split, "denoising")
    chosen = frames.draw(_DENOISED_FRAMES, names)
    generator = torch_generator(*names, device=latents.device)
    losses = []
    for block in torch.from_numpy(chosen["row"].to_numpy(np.int64, copy=True)).to(latents.device).split(_BLOCK):
        x = latents[block]
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        z, level = model.standardized(x) + sigma * noise, x.new_full((len(x),), sigma)
        losses.append(
            torch.stack([denoising_losses(f(z, level), noise) for f in (model.noise, model.gaussian_noise)], 1)
        )
    values = torch.cat(losses).double().cpu().numpy()
    speakers = pd.factorize(chosen["speaker_id"], sort=True)[0]
    bounds = mean_intervals(values, speakers, resamples, numpy_generator(*names, "bootstrap"))
    return [
        record(metric, value, len(values), ci_low=low, ci_high=high, split=split, sigma=sigma)
        for metric, value, (low, high) in zip(
            (DENOISING_LOSS, DENOISING_LOSS_GAUSSIAN), values.mean(axis=0), bounds, strict=True
        )
    ]
