"""What directions of frames are worth to speakers that did not choose them: how slow they are, how well the past
predicts them.

Slow features and canonical correlations are extremes over the training frames, so that their own numbers flatter them.
Here the directions are given, and the numbers are those of held-out frames. Intervals resample speakers.
"""

import numpy as np
from torch import Tensor

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval
from latentdyn.diagnostics.records import Record, record
from latentdyn.errors import UserError
from latentdyn.metrics import CANONICAL_CORRELATION, SLOWNESS
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.windows import common_runs

_BLOCK = 4096


def held_out(
    latents: Tensor,
    frames: FrameIndex,
    *,
    slow: np.ndarray,
    predicted: np.ndarray,
    predictions: np.ndarray,
    resamples: int,
    seed_names: tuple[object, ...],
) -> list[Record]:
    """Slowness and correlation with the past of given directions, on the frames of the split `eval` that have W before.

    - `slowness_c{i}`: mean squared step of y = x · slow[:, i] over the variance of y.
    - `canonical_correlation_c{i}`: correlation of x_t · predicted[:, i] with Σ_j x_{t-j} · predictions[j - 1, :, i].

    Args:
        latents: (n_rows, D) resident. frames: the frame index.
        slow, predicted: (D, d) directions, a column each. predictions: (W, D, d), of the newest frame first.
        seed_names: what names the bootstrap.

    Raises:
        UserError: no eval utterance has a frame with W finite frames before it.
    """
    reach = len(predictions)
    by_speaker = [mine for _, mine in common_runs(frames, reach, [1]).of_splits("eval").by_speaker()]
    if not by_speaker:
        raise UserError(
            f"no eval utterance has {reach + 1} finite frames in a row",
            "window_frames of the section readouts",
            "shorten it, or use longer utterances",
        )
    codes = np.repeat(np.arange(len(by_speaker)), [len(mine) for mine in by_speaker])
    rows, x = np.concatenate([mine.rows() for mine in by_speaker]), latents.cpu().numpy()
    shift = x[rows[:_BLOCK]].mean(axis=0, dtype=np.float64)  # sums about a nearby point: nothing cancels
    sums = np.zeros((len(by_speaker), 9, slow.shape[1]))
    for start in range(0, len(rows), _BLOCK):
        here = slice(start, start + _BLOCK)
        windows = x[rows[here, None] - np.arange(reach + 1)] - shift  # newest frame first
        y, step = windows[:, 0] @ slow, (windows[:, 0] - windows[:, 1]) @ slow
        target, prediction = windows[:, 0] @ predicted, np.einsum("njd,jdi->ni", windows[:, 1:], predictions)
        terms = [np.ones_like(y), y, y**2, step**2, target, prediction, target**2, prediction**2, target * prediction]
        np.add.at(sums, codes[here], np.stack(terms, axis=1))
    bootstrap = SpeakerBootstrap.draw(len(by_speaker), resamples, numpy_generator(*seed_names, "readouts"))
    resampled = np.tensordot(bootstrap.weights, sums, 1)
    records = []
    for metric, statistic in ((SLOWNESS, _slowness), (CANONICAL_CORRELATION, _correlation)):
        found = zip(statistic(sums.sum(axis=0)), interval(statistic(resampled)), strict=True)
        for i, (value, (low, high)) in enumerate(found, start=1):
            records.append(record(metric.part(f"c{i}"), value, len(rows), split="eval", ci_low=low, ci_high=high))
    return records


def _slowness(sums: np.ndarray) -> np.ndarray:
    """(..., d) of sums (..., 9, d)."""
    n, y, y2, step2, *_ = np.moveaxis(sums, -2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slowness: np.ndarray = (step2 / n) / (y2 / n - (y / n) ** 2)
    return slowness


def _correlation(sums: np.ndarray) -> np.ndarray:
    """(..., d) of sums (..., 9, d)."""
    n, _, _, _, *products = np.moveaxis(sums, -2, 0)
    a, b, aa, bb, ab = (total / n for total in products)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation: np.ndarray = (ab - a * b) / np.sqrt((aa - a**2) * (bb - b**2))
    return correlation
