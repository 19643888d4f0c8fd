"""The best straight line from contexts to targets, with a Gaussian about it, for contexts and targets of any size.

    y | c ~ N(b + c A, R)

A is a ridge regression over training frames, and validation speakers choose the ridge. Everything follows from second
moments in float64: one pass over the frames serves all ridges, and all targets of one context. Contexts and targets are
whitened frames (see whitening), so that neither an invertible linear map of what contexts are made of nor one of what
targets are made of changes what a line tells. The ridge is the one of lowest mean error, frames that are far from all
others included: moments know no single frames, which `linear_gaussian` leaves out of its choice where few decide it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from latentdyn.errors import UserError
from latentdyn.predictors.ridges import choose_ridge

_BLOCK = 4096
_LEAST_GAIN = 1e-5  # of the targets' variance, by which a ridge beyond the grid must be better
_SINGULAR = 1e-9  # of the targets' variance: a residual below it is rounding

# of rows of the store: contexts (n, P), and targets (n, H, Q) at H places
Pairs = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Line:
    """y | c ~ N(bias + c weight, covariance). weight: (P, Q). bias: (Q,). covariance: (Q, Q), of training residuals."""

    weight: np.ndarray
    bias: np.ndarray
    covariance: np.ndarray

    def mean(self, contexts: np.ndarray) -> np.ndarray:
        """(n, Q) of (n, P)."""
        return np.asarray(self.bias + contexts @ self.weight)

    def nll(self, contexts: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """-log p(y | c) in nats, (n,), of whitened targets (n, Q).

        Raises:
            UserError: the targets follow exactly from the contexts, so that no density exists.
        """
        return gaussian_nll(targets - self.mean(contexts), self.covariance)


def gaussian_nll(residuals: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """-log N(r; 0, covariance) in nats, (n,), of residuals (n, Q).

    Raises:
        UserError: the covariance is singular.
    """
    values, vectors = np.linalg.eigh(covariance)
    if not values[0] > _SINGULAR * max(1.0, float(values[-1])):
        raise UserError(
            f"{int((values <= _SINGULAR * max(1.0, float(values[-1]))).sum())} of {len(values)} directions of the "
            "reference's frames follow exactly from what is known, so that no density of them exists",
            "the representation's latents, and those of the reference",
            "look at whether frames are repeated or computed from each other, or take a reference of fewer dimensions",
        )
    z = residuals @ (vectors / np.sqrt(values))
    return np.asarray(0.5 * (np.square(z).sum(axis=1) + np.log(values).sum() + len(values) * math.log(2 * math.pi)))


def fit_lines(pairs: Pairs, train: np.ndarray, validation: np.ndarray, ridges: Sequence[float]) -> list[Line]:
    """A line for each of the H places of the targets.

    Args:
        train, validation: rows of the store. ridges: candidates, in units of the mean context variance. Where the best
            one is at an end of the grid, the grid goes on there (see predictors.ridges).

    Raises:
        UserError: there are no more training frames than a context has numbers; or several ridges, and no validation
            speakers to choose among them.
    """
    if len(ridges) > 1 and not len(validation):
        raise UserError(
            "ridge strengths are chosen by held-out training speakers, and there are none",
            "splits.validation of the corpus, ridges of the section",
            "give splits.validation a share of the speakers, or leave one ridge",
        )
    moments = _Moments.of(pairs, train)
    if moments.n <= len(moments.gram):
        raise UserError(
            f"{moments.n} training frames are too few for contexts of {len(moments.gram)} numbers: a line would fit "
            "any targets",
            "window_frames of the section, and the representation's dimensions",
            "take fewer window_frames, a representation of fewer dimensions, or more speakers",
        )
    held_out = _Moments.of(pairs, validation) if len(ridges) > 1 else moments

    def chosen(place: int) -> Line:
        trials: dict[float, Line] = {}

        def error(ridge: float) -> float:
            trials[ridge] = moments.line(place, ridge)
            return float(np.trace(held_out.residual(place, trials[ridge]))) / moments.square.shape[1]

        return trials[choose_ridge(ridges, error, _LEAST_GAIN)]

    return [chosen(place) for place in range(len(moments.square))]


@dataclass(frozen=True)
class _Moments:
    """Means and second moments about zero of n contexts and their targets.

    context: (P,). targets: (H, Q). gram: (P, P). cross: (H, P, Q). square: (H, Q, Q).
    """

    n: int
    context: np.ndarray
    targets: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    square: np.ndarray

    @classmethod
    def of(cls, pairs: Pairs, rows: np.ndarray) -> "_Moments":
        sums: list[np.ndarray] = []
        for start in range(0, len(rows), _BLOCK):
            c, y = pairs(rows[start : start + _BLOCK])
            flat = np.ascontiguousarray(y.transpose(1, 0, 2))  # a product for each place
            products = [c.sum(axis=0), y.sum(axis=0), c.T @ c, c.T @ flat, flat.transpose(0, 2, 1) @ flat]
            sums = [a + b for a, b in zip(sums, products, strict=True)] if sums else products
        return cls(len(rows), *(total / len(rows) for total in sums))

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and eigenvectors of the contexts' covariance: every ridge's solution follows from them."""
        values, vectors = np.linalg.eigh(self.gram - np.outer(self.context, self.context))
        return values.clip(min=0), vectors

    def line(self, place: int, ridge: float) -> Line:
        values, vectors = self._spectrum
        cross = self.cross[place] - np.outer(self.context, self.targets[place])
        damped = np.maximum(values + ridge * values.mean(), np.finfo(np.float64).tiny)
        kept = values > 1e-12 * values.max()  # without a ridge, rounding is no direction
        weight = vectors @ (np.where(kept, 1 / damped, 0)[:, None] * (vectors.T @ cross))
        line = Line(weight, self.targets[place] - self.context @ weight, np.empty(0))
        return Line(line.weight, line.bias, self.residual(place, line))

    def residual(self, place: int, line: Line) -> np.ndarray:
        """Second moments (Q, Q) of y - b - c A."""
        a, b, y, c = line.weight, line.bias, self.targets[place], self.context
        mean = c @ a
        explained = a.T @ self.cross[place]
        about_line = self.square[place] - explained - explained.T + a.T @ self.gram @ a
        shift = np.outer(b, y - mean)
        return np.asarray(about_line - shift - shift.T + np.outer(b, b))
