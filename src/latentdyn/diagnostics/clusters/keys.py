"""Keys: a few features of a context, to cluster it by (Phase 0; seed 000 §2, 002 §1).

Every key is a linear map of the standardised context, fitted on training frames only.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from latentdyn.errors import UserError
from latentdyn.predictors.ridges import choose_ridge
from latentdyn.stores.degeneracy import check_contexts
from latentdyn.stores.windows import Scaling, Windows

log = logging.getLogger(__name__)

_BLOCK = 8192
_LEAST_GAIN = 1e-6  # of the steps' variance: a gain on held-out speakers for which the grid of ridges goes on


@dataclass(frozen=True)
class Key:
    """A fitted key. frame_mean, frame_std: (D,). weight: (W D, F), or None for the mean over the frames."""

    frame_mean: Tensor
    frame_std: Tensor
    weight: Tensor | None = None

    def features(self, context: Tensor) -> Tensor:
        """Features (n, F) of contexts (n, W, D) in the latents' own units."""
        x = self.standardized(context)
        return x.mean(1) if self.weight is None else x.flatten(1) @ self.weight

    def standardized(self, context: Tensor) -> Tensor:
        return (context - self.frame_mean) / self.frame_std


class KeyKind:
    """One kind of key; subclasses hold its settings, which are the keys of an entry of the config's section `keys`."""

    kind: ClassVar[str]

    def fit(self, train: Windows, validation: Windows | None, scaling: Scaling) -> Key:
        """Fit a key at staleness 1.

        Args:
            validation: held-out training speakers, who choose among several ridges.
            scaling: moments of the training frames.

        Raises:
            UserError: more dimensions than there are, or several ridges and nobody to choose among them.
        """
        raise NotImplementedError  # abstract


@dataclass(frozen=True)
class MeanPool(KeyKind):
    """The mean over the W frames, (D,)."""

    kind = "mean_pool"

    def fit(self, train: Windows, validation: Windows | None, scaling: Scaling) -> Key:
        return _unweighted(train, scaling)


@dataclass(frozen=True)
class PCA(KeyKind):
    """The first `dims` principal components of the flattened context."""

    kind = "pca"
    dims: int

    def fit(self, train: Windows, validation: Windows | None, scaling: Scaling) -> Key:
        _check_dims(self.kind, self.dims, train.window_frames * train.dim)
        key = _unweighted(train, scaling)
        _, vectors = torch.linalg.eigh(_Moments.of(key, train).gram)  # ascending
        return _weighted(key, vectors[:, -self.dims :].flip(1), train)


@dataclass(frozen=True)
class PCABins(PCA):
    """The components of PCA, for quartile bins in place of k-means (see quantisers)."""

    kind = "pca_bins"


@dataclass(frozen=True)
class Learned(KeyKind):
    """The `dims` combinations of the context that predict Δx best together: reduced-rank ridge regression (Izenman
    1975; with a ridge, Mukherjee & Zhu 2011). No linear key of this size predicts the mean of Δx better.

    ridges: penalties λ, beside variances of 1 (contexts are standardised); validation speakers choose, beyond the ends
        of the grid too. They choose by the mean squared error, far frames included, since what clusters are judged by
        (`variance_ratio`) is a mean square of the same frames.
    """

    kind = "learned"
    dims: int
    ridges: Sequence[float]

    def fit(self, train: Windows, validation: Windows | None, scaling: Scaling) -> Key:
        _check_dims(self.kind, self.dims, train.dim)
        key = _unweighted(train, scaling)
        moments = _Moments.of(key, train)
        values, vectors = torch.linalg.eigh(moments.gram)
        least_gain = _LEAST_GAIN * float(scaling.delta_std.square().sum())
        weight = _reduced_rank(self, key, moments, values, vectors, validation, least_gain)
        return _weighted(key, weight, train)


KEYS: dict[str, type[KeyKind]] = {kind.kind: kind for kind in (MeanPool, PCA, Learned, PCABins)}


def build_key(settings: Mapping[str, Any]) -> KeyKind:
    """The kind of key that an entry of `keys` describes."""
    return KEYS[settings["kind"]](**{name: value for name, value in settings.items() if name != "kind"})


def _unweighted(train: Windows, scaling: Scaling) -> Key:
    return Key(scaling.frame_mean.to(train.latents), scaling.frame_std.to(train.latents))


def _weighted(key: Key, weight: Tensor, train: Windows) -> Key:
    return Key(key.frame_mean, key.frame_std, weight.to(train.latents))


def _check_dims(kind: str, dims: int, most: int) -> None:
    if dims > most:
        raise UserError(
            f"a {kind} key of {dims} dimensions is asked for where there are {most}",
            "dims of the key",
            f"choose at most {most}",
        )


@dataclass(frozen=True)
class _Moments:
    """Means of context x (W D,) and step y (D,), and second moments about them: Sxx `gram`, Sxy `cross`; float64."""

    x_mean: Tensor
    y_mean: Tensor
    gram: Tensor
    cross: Tensor

    @classmethod
    def of(cls, key: Key, windows: Windows) -> "_Moments":
        dim, width = windows.dim, windows.dim * windows.window_frames
        gram, cross = torch.zeros(width, width, dtype=torch.float64), torch.zeros(width, dim, dtype=torch.float64)
        x_sum, y_sum = torch.zeros(width, dtype=torch.float64), torch.zeros(dim, dtype=torch.float64)
        for start in range(0, len(windows), _BLOCK):
            context, y = windows.batch(slice(start, start + _BLOCK), 1)
            x = key.standardized(context).flatten(1)
            # products in the data's own precision, sums in float64: exact to 5e-8 and several times as fast
            gram += (x.T @ x).double().cpu()
            cross += (x.T @ y).double().cpu()
            x_sum += x.double().sum(0).cpu()
            y_sum += y.double().sum(0).cpu()
        x_mean, y_mean = x_sum / len(windows), y_sum / len(windows)
        check_contexts(gram.diagonal() / len(windows))
        gram = gram / len(windows) - torch.outer(x_mean, x_mean)
        return cls(x_mean, y_mean, gram, cross / len(windows) - torch.outer(x_mean, y_mean))


def _reduced_rank(
    settings: Learned, key: Key, moments: _Moments, values: Tensor, vectors: Tensor, validation: Windows | None,
    least_gain: float,
) -> Tensor:  # fmt: skip
    """Weights (W D, dims) of the features B V: B = (Sxx + λ)⁻¹ Sxy is the ridge solution, V the leading eigenvectors of
    Sxyᵀ B. The rank-`dims` prediction of the step is then x B V Vᵀ."""
    if validation is None and len(settings.ridges) > 1:
        raise UserError(
            "ridge strengths are chosen by held-out training speakers, and there are none",
            "splits.validation of the corpus, ridges of the key",
            "give splits.validation a share of the speakers, or leave one ridge",
        )
    rotated = vectors.T @ moments.cross
    candidates = {}

    def error(ridge: float) -> float:
        coefficients = vectors @ (rotated / (values.clamp_min(0) + ridge)[:, None])
        axes = torch.linalg.eigh(moments.cross.T @ coefficients).eigenvectors[:, -settings.dims :].flip(1)
        candidates[ridge] = weight = coefficients @ axes
        if validation is None:
            return float("nan")
        squared = _squared_error(key, moments, weight, axes, validation)
        log.info("ridge %g: mean squared error of held-out speakers %g", ridge, squared)
        return squared

    return candidates[choose_ridge(settings.ridges, error, least_gain)]


def _squared_error(key: Key, moments: _Moments, weight: Tensor, axes: Tensor, windows: Windows) -> float:
    """Mean of ||Δx - prediction||² over frames."""
    offset = (moments.y_mean - moments.x_mean @ weight @ axes.T).to(windows.latents)
    encode, decode = weight.to(windows.latents), axes.T.to(windows.latents)
    total = 0.0
    for start in range(0, len(windows), _BLOCK):
        context, delta = windows.batch(slice(start, start + _BLOCK), 1)
        predicted = key.standardized(context).flatten(1) @ encode @ decode + offset
        total += float((delta - predicted).double().square().sum())
    return total / len(windows)
