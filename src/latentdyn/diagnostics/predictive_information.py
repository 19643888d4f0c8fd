"""Predictive information: how many nats the past tells about a frame, as far as a linear Gaussian law can say it.

I(k) = NLL[x_t] - NLL[x_t | x_{t-k-W+1 .. t-k}], nats a frame, over the frames that the lagged diagnostic scores too.
Both densities are Gaussians with full covariance, fitted to training speakers. The conditional one is the ridge
regression of the predictor `linear_gaussian`, with the frame as its target where a predictor has the step.

- The target is the frame, so rough latents gain nothing: white noise has 0 at every k.
- For a Gaussian VAR(p) with p <= W it is the mutual information of x_t and what is known at t-k (Cover & Thomas 2006,
  eq. 9.46). Of other data, and since frames are held out, it is less than the mutual information: a lower bound, but
  for the error of the estimate.
- It never grows with k, but for that error: what is known at t-k-1 is known at t-k.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, speaker_totals
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.summaries import robust_summary
from latentdyn.distributions.gaussian import FullGaussian, cholesky
from latentdyn.metrics import PREDICTIVE_INFORMATION
from latentdyn.predictors.base import SolvedPredictor, build_predictor
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.windows import Scaling, Windows, common_runs

_BLOCK = 8192


def predictive_information(
    settings: dict[str, Any],
    latents: Tensor,
    frames: FrameIndex,
    *,
    max_frames: int,
    resamples: int,
    seed_names: tuple[object, ...],
    trimmed: bool = False,
) -> tuple[list[Record], pd.DataFrame]:
    """The information at every horizon on the split `eval`.

    Args:
        settings: of a predictor of kind linear_gaussian; window_frames, horizons and ridges are taken from it.
        latents: (n_rows, D) resident. frames: the frame index. max_frames: more frames are subsampled.
        seed_names: what names the subsample and the bootstrap: those of the lagged diagnostic give its frames and
            its resamples of the speakers. trimmed: whether to record the 5 %-trimmed mean over frames too.

    Returns:
        A record for each horizon, and sums over each speaker's frames, as the lagged diagnostic has them.

    Raises:
        UserError: no usable frames, frames that do not span all dimensions, or no speakers to choose a ridge by.
    """
    found = frame_nlls(settings, latents, frames, split="eval", max_frames=max_frames, seed_names=seed_names)
    codes, speakers = pd.factorize(found.frames["speaker_id"], sort=True)
    bootstrap = SpeakerBootstrap.draw(len(speakers), resamples, numpy_generator(*seed_names, "eval", "bootstrap"))
    records, sums = [], []
    for k, conditional in found.conditional.items():
        values = found.marginal - conditional
        totals, counts = speaker_totals(values[:, None], codes, len(speakers))
        ((low, high),) = interval(bootstrap.ratios(totals, counts))
        where = {"split": "eval", "slice": "all", "horizon": k}
        metric = PREDICTIVE_INFORMATION
        records.append(record(metric, values.mean(), len(values), ci_low=low, ci_high=high, **where))
        if trimmed:
            records.append(record(metric.part("trimmed"), robust_summary(values)["trimmed"], len(values), **where))
        by_speaker = {"speaker_id": speakers, "total": totals[:, 0], "n": counts[:, 0]}
        sums.append(pd.DataFrame(by_speaker).assign(metric=metric.name, **where))
    return records, pd.concat(sums, ignore_index=True)


@dataclass(frozen=True)
class FrameNlls:
    """-log p of n frames in nats, (n,) in float64: under one Gaussian, and given the context at each horizon.

    frames: rows of the frame index, those that were scored.
    """

    frames: pd.DataFrame
    marginal: np.ndarray
    conditional: dict[int, np.ndarray]


def frame_nlls(
    settings: dict[str, Any],
    latents: Tensor,
    frames: FrameIndex,
    *,
    split: str,
    max_frames: int,
    seed_names: tuple[object, ...],
) -> FrameNlls:
    """NLL of a split's frames by Gaussians that are fitted to training speakers, validation speakers choosing a ridge.

    Args and errors as of `predictive_information`. The subsample is named by `seed_names` and the split.
    """
    window, horizons = settings["window_frames"], settings["horizons"]
    usable = common_runs(frames, window, horizons)
    by_split = {name: usable.of_splits(name) for name in ("train", "validation", split)}
    chosen = by_split[split].draw(max_frames, (*seed_names, split))
    train, validation, scored = (
        Windows.of(latents, part, window, max(horizons), levels=True)
        for part in (by_split["train"], by_split["validation"], chosen)
    )
    scaling = Scaling.fit(train)
    marginal, conditional = _marginal_nll(train, scored), {}
    for k in horizons:
        predictor = build_predictor({**settings, "kind": "linear_gaussian", "covariance": "full"}, latents.shape[1])
        assert isinstance(predictor, SolvedPredictor)
        predictor.set_scaling(scaling)
        predictor.solve(train, validation if len(validation) else None, k)
        conditional[k] = _conditional_nll(predictor, scored, k)
    return FrameNlls(chosen, marginal, conditional)


def _marginal_nll(train: Windows, scored: Windows) -> np.ndarray:
    """-log p(x_t) under one Gaussian of the training frames, (n,) in float64."""
    n, dim = len(train), train.dim
    shift = train.latents[train.rows[:_BLOCK]].double().mean(0)  # sums about a nearby point: nothing cancels
    first, second = torch.zeros_like(shift), torch.zeros(dim, dim).to(shift)
    for rows in train.rows.split(_BLOCK):
        x = train.latents[rows].double() - shift
        first += x.sum(0)
        second += x.T @ x
    factor = cholesky(second / n - torch.outer(first / n, first / n))
    nll = []
    for rows in scored.rows.split(_BLOCK):
        x = scored.latents[rows].double() - shift
        nll.append(-FullGaussian((first / n).expand_as(x), factor).log_prob(x))
    return torch.cat(nll).cpu().numpy()


@torch.inference_mode()
def _conditional_nll(predictor: SolvedPredictor, scored: Windows, k: int) -> np.ndarray:
    """-log p(x_t | context), (n,) in float64."""
    nll = []
    for start in range(0, len(scored), _BLOCK):
        context, x = scored.batch(slice(start, start + _BLOCK), k)
        nll.append(-predictor.density(context).log_prob(x).double())
    return torch.cat(nll).cpu().numpy()
