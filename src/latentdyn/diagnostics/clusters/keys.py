"""Keys: a few features of a context, to cluster it by (Phase 0; seed 000 §2, 002 §1).

Every key is a linear map of the standardised context, fitted on training frames only:

- mean_pool: the mean over the W frames, (D,);
- pca: the first `dims` principal components of the flattened context;
- pca_bins: the same, for quartile bins in place of k-means (see quantisers);
- learned: the `dims` combinations of the context that predict Δx best together: reduced-rank ridge regression
  (Izenman 1975; with a ridge, Mukherjee & Zhu 2011). No linear key of this size predicts the mean of Δx better.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latentdyn.errors import UserError
from latentdyn.stores.windows import Scaling, Windows

log = logging.getLogger(__name__)

KINDS = ("mean_pool", "pca", "learned", "pca_bins")
_BLOCK = 8192


@dataclass(frozen=True)
class KeySettings:
    """One key of the config.

    dims: features of pca, learned and pca_bins. ridges: penalties λ of learned, beside variances of 1 (contexts are
    standardised); validation speakers choose.
    """

    kind: str
    dims: int = 16
    ridges: Sequence[float] = (1e-3, 1e-2, 1e-1, 1.0)


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


def fit_key(settings: KeySettings, train: Windows, validation: Windows | None, scaling: Scaling) -> Key:
    """Fit a key at staleness 1.

    Args:
        validation: held-out training speakers, who choose among several ridges.

    Raises:
        UserError: more dimensions than there are, or several ridges and nobody to choose among them.
    """
    if settings.kind not in KINDS:
        raise ValueError(f"{settings.kind} is not one of the keys {KINDS}")
    plain = Key(scaling.frame_mean.to(train.latents), scaling.frame_std.to(train.latents))
    if settings.kind == "mean_pool":
        return plain
    most = train.dim if settings.kind == "learned" else train.window_frames * train.dim
    if settings.dims > most:
        raise UserError(
            f"a {settings.kind} key of {settings.dims} dimensions is asked for where there are {most}",
            "dims of the key",
            f"choose at most {most}",
        )
    moments = _Moments.of(plain, train)
    values, vectors = torch.linalg.eigh(moments.gram)  # ascending
    if settings.kind == "learned":
        weight = _reduced_rank(settings, plain, moments, values, vectors, validation)
    else:
        weight = vectors[:, -settings.dims :].flip(1)
    return Key(plain.frame_mean, plain.frame_std, weight.to(train.latents))


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
        gram = gram / len(windows) - torch.outer(x_mean, x_mean)
        return cls(x_mean, y_mean, gram, cross / len(windows) - torch.outer(x_mean, y_mean))


def _reduced_rank(
    settings: KeySettings, key: Key, moments: _Moments, values: Tensor, vectors: Tensor, validation: Windows | None
) -> Tensor:
    """Weights (W D, dims) of the features B V: B = (Sxx + λ)⁻¹ Sxy is the ridge solution, V the leading eigenvectors of
    Sxyᵀ B. The rank-`dims` prediction of the step is then x B V Vᵀ."""
    if validation is None and len(settings.ridges) > 1:
        raise UserError(
            "ridge strengths are chosen by held-out training speakers, and there are none",
            "splits.validation of the corpus, ridges of the key",
            "give splits.validation a share of the speakers, or leave one ridge",
        )
    rotated = vectors.T @ moments.cross
    candidates = []
    for ridge in settings.ridges:
        coefficients = vectors @ (rotated / (values.clamp_min(0) + ridge)[:, None])
        axes = torch.linalg.eigh(moments.cross.T @ coefficients).eigenvectors[:, -settings.dims :].flip(1)
        weight = coefficients @ axes
        error = float("nan")
        if validation is not None:
            error = _squared_error(key, moments, weight, axes, validation)
            log.info("ridge %g: mean squared error of held-out speakers %g", ridge, error)
        candidates.append((error, weight))
    return min(candidates, key=lambda candidate: candidate[0])[1]


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
