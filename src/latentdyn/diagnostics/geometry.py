"""What shape the frames of a representation have: in how many directions they vary, how heavy their tails are, how far
their spectrum is from that of white noise.

No predictor is needed, and none of these numbers says whether a frame can be predicted well. They say what to keep in
mind where representations are compared. All follow from sums over held-out frames, so that intervals resample speakers
or, of the participation ratio, leave them out in turn (see jackknife).
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
from torch import Tensor

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval
from latentdyn.diagnostics.jackknife import jackknife_interval
from latentdyn.diagnostics.records import Record, record
from latentdyn.errors import UserError
from latentdyn.metrics import EFFECTIVE_RANK, EXCESS_KURTOSIS, PARTICIPATION_RATIO, SPECTRAL_PREDICTABILITY, Metric
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.runs import Runs


def geometry(
    latents: Tensor, frames: FrameIndex, *, spectrum_frames: int, resamples: int, seed_names: tuple[object, ...]
) -> list[Record]:
    """The shape of the frames of the split `eval`, in the units of the latents.

    - `participation_ratio`: (Σλ)² / Σλ² over the eigenvalues λ of their covariance, between 1 and D (Gao et al. 2017).
    - `effective_rank`: exp of the entropy of λ / Σλ, between 1 and D (Roy & Vetterli 2007).
    - `excess_kurtosis`: fourth central moment over the squared variance, less 3; the mean over dimensions that vary.
    - `spectral_predictability`: 1 - H / ln n, H the entropy of the normalised power spectrum of n frames; the mean over
      dimensions that vary (Goerg 2013, eq. 4). The mean of all frames is subtracted, not that of a stretch: what is
      slow counts.

    Args:
        latents: (n_rows, D) resident. frames: the frame index. spectrum_frames: n, frames of a stretch of one
            utterance. seed_names: what names the bootstrap.

    Raises:
        UserError: no frame of the split is finite, or no stretch is as long as n.
    """
    mine = frames.of_splits("eval").finite()
    if not len(mine):
        raise UserError(
            "no frame of the split eval is finite", "the representation's latents", "look at how they were made"
        )
    x = latents[Runs.of(mine, latents.device)[:]].double().cpu().numpy()
    x = x - x.mean(axis=0)  # about a nearby point nothing cancels
    codes, speakers = pd.factorize(mine.speaker_ids(), sort=True)
    by_speaker = [x[codes == code] for code in range(len(speakers))]
    bootstrap = SpeakerBootstrap.draw(len(speakers), resamples, numpy_generator(*seed_names, "geometry"))
    starts = _starts(mine, spectrum_frames)
    moments = np.stack([_second_moments(y) for y in by_speaker])
    rank, directions = _effective_rank(moments.sum(axis=0)), _participation(moments.sum(axis=0))
    low, high = jackknife_interval(moments, _participation)
    spectra = [_power(x, starts[codes[starts] == code], spectrum_frames) for code in range(len(speakers))]
    return [
        record(PARTICIPATION_RATIO, directions, len(x), split="eval", ci_low=low, ci_high=high),
        record(EFFECTIVE_RANK, rank, len(x), split="eval"),  # resamples of it would take minutes in many dimensions
        _of_sums(EXCESS_KURTOSIS, [_power_sums(y) for y in by_speaker], _kurtosis, bootstrap, len(x)),
        _of_sums(SPECTRAL_PREDICTABILITY, spectra, _predictability, bootstrap, len(starts)),
    ]


def _of_sums(
    metric: Metric,
    sums: list[np.ndarray],
    statistic: Callable[[np.ndarray], float],
    bootstrap: SpeakerBootstrap,
    n: int,
) -> Record:
    """A statistic of sums over frames, with its interval.

    Args:
        sums: of each speaker, arrays of one shape. statistic: of their total.
    """
    stacked = np.stack(sums)
    resampled = [statistic(np.tensordot(weights, stacked, 1)) for weights in bootstrap.weights]
    ((low, high),) = interval(np.array(resampled).reshape(-1, 1))
    return record(metric, statistic(stacked.sum(axis=0)), n, split="eval", ci_low=low, ci_high=high)


def _second_moments(x: np.ndarray) -> np.ndarray:
    """(D + 1, D + 1): those of the frames and a one."""
    with_one = np.column_stack([x, np.ones(len(x))])
    moments: np.ndarray = with_one.T @ with_one
    return moments


def _covariance(moments: np.ndarray) -> np.ndarray:
    n, mean = moments[-1, -1], moments[-1, :-1] / moments[-1, -1]
    return np.asarray(moments[:-1, :-1] / n - np.outer(mean, mean))


def _participation(moments: np.ndarray) -> float:
    covariance = _covariance(moments)
    spread = float((covariance**2).sum())
    return float(np.trace(covariance)) ** 2 / spread if spread > 0 else float("nan")


def _effective_rank(moments: np.ndarray) -> float:
    values = np.linalg.eigvalsh(_covariance(moments)).clip(min=0)
    if not values.any():
        return float("nan")
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _power_sums(x: np.ndarray) -> np.ndarray:
    """(5, D): sums of x⁰ to x⁴."""
    return np.stack([(x**power).sum(axis=0) for power in range(5)])


def _kurtosis(sums: np.ndarray) -> float:
    mean, second, third, fourth = sums[1:] / sums[0]
    variance = second - mean**2
    about_mean = fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4
    varies = variance > 0
    return float(np.mean(about_mean[varies] / variance[varies] ** 2)) - 3 if varies.any() else float("nan")


def _starts(frames: FrameIndex, n: int) -> np.ndarray:
    """Places, among these frames, of the first ones of stretches of n that follow each other, none shared by two.

    Raises:
        UserError: there is none.
    """
    edges = np.append(0, np.cumsum(frames.length, dtype=np.int64))
    starts = np.concatenate([np.arange(a, b - n + 1, n) for a, b in pairwise(edges)])
    if not len(starts):
        raise UserError(
            f"no eval utterance has {n} finite frames that follow each other, so there is no spectrum",
            "geometry.spectrum_frames",
            f"set it to at most {frames.length.max()}",
        )
    return starts.astype(np.int64)


def _power(x: np.ndarray, starts: np.ndarray, n: int) -> np.ndarray:
    """(n, D): the sum of the power spectra of stretches, zeros where there is none."""
    total = np.zeros((n, x.shape[1]))
    for start in starts:
        total += np.abs(np.fft.fft(x[start : start + n], axis=0)) ** 2
    return total


def _predictability(power: np.ndarray) -> float:
    power = power[:, power.sum(axis=0) > 0]
    if not power.size:
        return float("nan")
    share = power / power.sum(axis=0)
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=0)
    return float(np.mean(1 - entropy / np.log(len(power))))
