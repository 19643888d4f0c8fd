"""A classifier that tells generated windows from real ones (Lopez-Paz & Oquab 2017, Revisiting classifier two-sample
tests): if they have one law, no classifier is right more than half of the time on windows that it has not seen.

It is a logistic regression on a few features of a window of 8 frames, each a mean over the window, for each dimension:
level, square, fourth power, absolute and squared step, products of frames 1, 2 and 4 apart; and how much the length of
steps varies within the window. So it sees moments, order and bursts, which a distance between two Gaussians does not.
It is a lower bound: another classifier may be right more often.
"""

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from latentdyn.diagnostics.bootstrap import interval, speaker_totals
from latentdyn.diagnostics.free_runs.lagged_frames import LaggedFrames, resample_speakers
from latentdyn.seeds import numpy_generator

WINDOW = 8
_MOST, _MOST_NUMBERS = 4000, 2**19  # windows of each kind; windows times dimensions, to hold all features in memory
_FARTHEST = 10.0  # deviations: where frames of an explosion are put
_FARTHEST_FEATURE = 5.0
_PENALTY = 0.01  # of squared weights, beside the mean loss


def accuracy(
    generated: LaggedFrames, real: LaggedFrames, mean: Tensor, std: Tensor, resamples: int, names: tuple[object, ...]
) -> tuple[float, float, float, int] | None:
    """How often the classifier is right, the mean of both kinds, on windows of speakers that it has not seen.

    Each half of the speakers is told apart by a classifier that the other half taught. A generated window is of the
    speaker whose frames its run began with.

    Args:
        mean, std: (D,) of training frames. names: what names windows, halves and bootstrap.

    Returns:
        The accuracy, its 95 % interval over speakers, and the number of windows; None where either kind has fewer than
        two speakers.
    """
    n = min(len(generated.speakers), len(real.speakers), _MOST, _MOST_NUMBERS // len(mean))
    kinds = [frames.some(n, (*names, "windows", i)) for i, frames in enumerate((generated, real))]
    if any(len(np.unique(frames.speakers)) < 2 for frames in kinds):
        return None
    features = np.concatenate([_features(frames, mean, std) for frames in kinds])
    label = np.repeat([1.0, 0.0], [len(frames.speakers) for frames in kinds])
    used, codes = np.unique(np.concatenate([frames.speakers for frames in kinds]), return_inverse=True)
    fold = _folds(used, np.isin(used, kinds[1].speakers), numpy_generator(*names, "folds"))[codes]
    right = np.zeros(len(label))
    for test in (0, 1):
        taught, told = fold != test, fold == test
        if told.any():
            said = _Classifier(features[taught], label[taught])(features[told]) > 0
            right[told] = said == (label[told] == 1)
    each = np.stack([np.where(label == kind, right, np.nan) for kind in (1, 0)], axis=1)
    totals, counts = speaker_totals(each, codes, len(used))
    sides = (kinds[0].speakers, kinds[1].speakers)
    bootstrap, _ = resample_speakers(sides, resamples, numpy_generator(*names, "bootstrap"))
    low, high = interval(np.nanmean(bootstrap.ratios(totals, counts), axis=1))
    return float((totals.sum(axis=0) / counts.sum(axis=0)).mean()), float(low), float(high), len(label)


def _folds(speakers: np.ndarray, real: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """0 or 1 for each speaker, as many of each among those of real windows and among the others."""
    fold = np.empty(len(speakers), int)
    for of_kind in (real, ~real):
        mine = generator.permutation(np.flatnonzero(of_kind))
        fold[mine] = np.arange(len(mine)) % 2
    return fold


def _features(frames: LaggedFrames, mean: Tensor, std: Tensor) -> np.ndarray:
    """(n, 8 D + 1), float64."""
    y = torch.stack([(frames.at(lag) - mean) / std for lag in range(WINDOW - 1, -1, -1)], dim=1).double()
    y = y.nan_to_num(_FARTHEST).clamp(-_FARTHEST, _FARTHEST)
    steps = y.diff(dim=1)
    lengths = steps.norm(dim=2)
    of_window = [
        y.mean(1), y.square().mean(1), y.pow(4).mean(1), steps.abs().mean(1), steps.square().mean(1),
        *((y[:, lag:] * y[:, :-lag]).mean(1) for lag in (1, 2, 4)), lengths.std(1)[:, None],
    ]  # fmt: skip
    return torch.cat(of_window, dim=1).cpu().numpy()


class _Classifier:
    """Logistic regression, both kinds of equal weight, on features in units of what taught it."""

    def __init__(self, features: np.ndarray, label: np.ndarray) -> None:
        self.mean, self.std = features.mean(axis=0), features.std(axis=0)
        x, sign = self._design(features), 2 * label - 1
        weight = np.where(label == 1, 0.5 / max(label.sum(), 1), 0.5 / max((1 - label).sum(), 1))

        def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
            margin = sign * (x @ w)
            slope = -weight * sign / (1 + np.exp(np.minimum(margin, 500)))
            penalty = np.append(w[:-1], 0)
            total = weight @ np.logaddexp(0, -margin) + 0.5 * _PENALTY * penalty @ penalty
            return float(total), x.T @ slope + _PENALTY * penalty

        self.w = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x

    def _design(self, features: np.ndarray) -> np.ndarray:
        scaled = (features - self.mean) / np.where(self.std > 0, self.std, 1)
        return np.column_stack([scaled.clip(-_FARTHEST_FEATURE, _FARTHEST_FEATURE), np.ones(len(features))])

    def __call__(self, features: np.ndarray) -> np.ndarray:
        said: np.ndarray = self._design(features) @ self.w
        return said
