"""What the directions of steps tell of another quantity of the same steps: R² on held-out speakers.

Below, n are training steps, m held-out ones, S held-out speakers, K prototypes of P numbers.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from latentdyn.diagnostics.archetypes.codebook import nearest
from latentdyn.diagnostics.archetypes.directions import Directions, Found
from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, speaker_totals
from latentdyn.metrics import Metric


class Value(NamedTuple):
    """One number of held-out directions, its interval (2,), and how many directions it is of."""

    metric: Metric
    value: float
    bounds: np.ndarray
    n: int


@dataclass(frozen=True)
class Quantity:
    """Of the steps of both splits. train: (n,). held_out: (m,). NaN where it is not known."""

    train: np.ndarray
    held_out: np.ndarray

    @property
    def is_known(self) -> bool:
        """Whether it is known of any step of both splits."""
        return not (np.isnan(self.train).all() or np.isnan(self.held_out).all())

    def by_labels(self, steps: Found, prototypes: np.ndarray) -> np.ndarray:
        """Predictions (m,): the mean over the training steps that are nearest to the same one of prototypes (K, P)."""
        means = label_means(self.train, nearest(steps.train.x, prototypes)[0], len(prototypes))
        return means[nearest(steps.held_out.x, prototypes)[0]]

    def by_line(self, train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """Predictions (m,) by a linear map with a constant of other quantities (n, Q) and (m, Q) of the same steps."""
        known = ~np.isnan(self.train)
        return linear_prediction(train[known], self.train[known], held_out)

    def explained(self, metric: Metric, predicted: np.ndarray, of: Directions, bootstrap: SpeakerBootstrap) -> Value:
        """R² of predictions (m,) beside the training mean: 1 less the ratio of their squared errors."""
        mean = float(self.train[~np.isnan(self.train)].mean())
        errors = np.stack([np.square(self.held_out - predicted), np.square(self.held_out - mean)], axis=1)
        totals, _ = speaker_totals(errors, of.speakers, of.n_speakers)
        residual, about_mean = totals.sum(axis=0)
        value = 1 - residual / about_mean if about_mean > 0 else float("nan")
        bounds = interval(1 - bootstrap.ratios(totals[:, :1], totals[:, 1:]))[0]
        return Value(metric, value, bounds, int((~np.isnan(self.held_out)).sum()))


def label_means(values: np.ndarray, labels: np.ndarray, n: int) -> np.ndarray:
    """The mean value (n,) of each label; of a label without a value, that of all. A NaN is left out."""
    known = ~np.isnan(values)
    counts = np.bincount(labels[known], minlength=n)
    sums = np.bincount(labels[known], values[known], minlength=n)
    means: np.ndarray = np.where(counts > 0, sums / np.maximum(counts, 1), values[known].mean())
    return means


def linear_prediction(x: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values (m,) at places (m, Q), by least squares with a constant; fitted to known values (n,) at x (n, Q)."""
    weights = np.linalg.lstsq(_with_one(x), values, rcond=None)[0]
    predicted: np.ndarray = _with_one(at) @ weights
    return predicted


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.column_stack([x.astype(np.float64), np.ones(len(x))])
