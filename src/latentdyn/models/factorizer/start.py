"""Where training starts: the best linear factorizer, which second moments tell.

With p the last W frames and f the next few, in principal axes:

    state       the d directions of p that tell most about f (canonical correlations; Hotelling 1936), so Cov(z) = I
    frame       x = B z + e by least squares, with V = Cov(e) = E diag(λ) Eᵀ
    innovation  the best linear beta-VAE of e (Tipping & Bishop 1999; Lucas et al. 2019), for b = β σ²:
                q = N(E ... sqrt(λ - b)/λ, b/λ), rate ½ Σ ln⁺(λ_i / b); at β = 1 the closed form R
    dynamics    z_{t+1} = A z_t by least squares

For a linear Gaussian state under isotropic noise σ² this is exact, but for what W frames do not tell.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from latentdyn.errors import UserError
from latentdyn.models.factorizer.network import Factorizer, Frames
from latentdyn.stores.lag_sums import WindowMoments

_LEAST_VARIANCE = 1e-9  # of the largest: below it, a direction of a window is rounding
_LEAST_WEIGHT = 1e-3  # of an axis's variance: an axis that β would switch off can still learn
_AHEAD = 4  # frames that a state should tell of, at least


def frames_ahead(dim: int, source_dim: int) -> int:
    """How many next frames decide the directions of a state of `dim` dimensions."""
    return max(_AHEAD, math.ceil(dim / source_dim))


@dataclass(frozen=True)
class Windows:
    """W + F consecutive training frames in principal axes, the oldest first: covariance (W + F, D, W + F, D)."""

    frames: Frames
    covariance: np.ndarray
    window_frames: int

    @classmethod
    def of(cls, moments: WindowMoments, window_frames: int, where: object) -> "Windows":
        """
        Raises:
            UserError: there are too few windows for directions of them.
        """
        n_frames, dim = moments.mean.shape
        if moments.n <= n_frames * dim:
            raise UserError(
                f"{moments.n} stretches of {n_frames} training frames are too few for their {n_frames * dim} numbers: "
                "any direction would seem predictable",
                f"{where}, window_frames of the representation",
                "lower window_frames, or use more or longer utterances of training speakers",
            )
        mean, covariance = moments.mean[::-1], moments.covariance[::-1, :, ::-1]
        centre = mean.mean(0)
        apart = mean - centre
        of_frame = (np.einsum("idie->ide", covariance) + np.einsum("id,ie->ide", apart, apart)).mean(0)
        values, axes = np.linalg.eigh(of_frame)
        axes, scale = axes[:, ::-1], math.sqrt(values.clip(min=0).mean())
        into = axes / scale
        covariance = np.einsum("idje,dp,eq->ipjq", covariance, into, into, optimize=True)
        nll, information = _by_window(covariance, window_frames, moments.n)
        numbers = (centre, axes, scale, nll + dim * math.log(scale), information)
        frames = Frames(*(torch.from_numpy(np.array(number)) for number in numbers))
        return cls(frames, covariance, window_frames)

    def between(self, first: int, n: int, other: int, m: int) -> np.ndarray:
        """Covariances (n D, m D) of n frames from the first on and of m others."""
        dim = self.covariance.shape[1]
        return self.covariance[first : first + n, :, other : other + m].reshape(n * dim, m * dim)


def set_start(model: Factorizer, windows: Windows) -> None:
    """Make a fresh model the best linear factorizer.

    Raises:
        UserError: the past tells of fewer directions than the state has dimensions.
    """
    model.set_frames(windows.frames)
    w, dim = windows.window_frames, model.dim
    directions = _directions(windows, dim)
    target = w if model.strict else w - 1  # the frame whose state the first W frames leave
    of_state = windows.between(target, 1, 0, w) @ directions
    left = windows.between(target, 1, target, 1) - of_state @ of_state.T
    into, out, log_variance = _innovation(model, left)
    forecast = directions.T @ windows.between(1, w, 0, w) @ directions
    lines = {
        model.encoder.line: directions.T,
        model.reconstructor.of_state: of_state,
        model.reconstructor.of_innovation: out,
        model.innovation.line: np.hstack([into, -into @ of_state]),
        model.dynamics.line: forecast,
    }
    with torch.no_grad():
        for line, weight in lines.items():
            line.weight.copy_(torch.from_numpy(weight))
            if line.bias is not None:
                line.bias.zero_()
        model.innovation.log_variance.copy_(torch.from_numpy(log_variance))


def _directions(windows: Windows, dim: int) -> np.ndarray:
    """(W D, d): the directions of W frames that tell most about the next ones, with covariance I."""
    w = windows.window_frames
    ahead = len(windows.covariance) - w
    past = _whitening(windows.between(0, w, 0, w))
    future = _whitening(windows.between(w, ahead, w, ahead))
    axes, _, _ = np.linalg.svd(past.T @ windows.between(0, w, w, ahead) @ future, full_matrices=False)
    if axes.shape[1] < dim:
        raise UserError(
            f"the last {w} training frames vary in {past.shape[1]} directions and the next {ahead} in "
            f"{future.shape[1]}, too few for a state of {dim} dimensions",
            "dim of the representation",
            f"set dim to {axes.shape[1]} or less",
        )
    return np.asarray(past @ axes[:, :dim])


def _innovation(model: Factorizer, left: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of what the state leaves (D, D): maps into the innovation (r, D) and out of it (D, r), and ln variances (r,)."""
    settings, sigma = model.settings["innovation"], model.settings["reconstructor"]["sigma"]
    values, axes = np.linalg.eigh(left)
    r = model.innovation.dim
    values, axes = values[::-1][:r].clip(min=_LEAST_VARIANCE), axes[:, ::-1][:, :r]
    target = settings["target_nats"]
    noise = settings["beta"] * sigma**2 if target is None else _noise_of_rate(values, target)
    out = np.sqrt(np.maximum(values - noise, _LEAST_WEIGHT * values))
    return (axes * (out / values)).T, axes * out, np.log(np.minimum(noise / values, 1))


def _noise_of_rate(values: np.ndarray, nats: float) -> float:
    """The noise b at which ½ Σ ln⁺(λ_i / b) is so much, by bisection of ln b."""
    low, high = math.log(values.min()) - 2 * nats - 1, math.log(values.max())
    for _ in range(60):
        middle = (low + high) / 2
        rate = 0.5 * np.maximum(np.log(values) - middle, 0).sum()
        low, high = (middle, high) if rate > nats else (low, middle)
    return math.exp(low)


def _by_window(covariance: np.ndarray, window_frames: int, n: int) -> tuple[float, float]:
    """NLL of a frame by the best line of the W before it, and what the line tells of it, in nats; n windows told it."""
    dim, numbers = covariance.shape[1], window_frames * covariance.shape[1]
    whole = covariance[window_frames, :, window_frames]
    past = covariance[:window_frames, :, :window_frames].reshape(numbers, numbers)
    explained = covariance[window_frames, :, :window_frames].reshape(dim, numbers) @ _whitening(past)
    left = (whole - explained @ explained.T) * n / (n - numbers)  # residuals of a fit are too small by this
    of_left, of_whole = (np.log(np.linalg.eigvalsh(c).clip(min=_LEAST_VARIANCE)).sum() for c in (left, whole))
    return 0.5 * (of_left + dim * math.log(2 * math.pi * math.e)), 0.5 * (of_whole - of_left)


def _whitening(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _LEAST_VARIANCE * values[-1]
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))
