"""Scores of one predictor on each frame: likelihoods beside those of baselines, direction, magnitude, error."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch.distributions import Normal

from latentdyn.diagnostics.energy import energy_of_density, unconditional
from latentdyn.distributions.bessel import log_vmf_normalizer
from latentdyn.distributions.gaussian import FullGaussian
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import torch_generator
from latentdyn.stores.windows import Scaling, Windows

_BATCH = 2048
_ENERGY_ROWS, _ENERGY_NUMBERS = 256, 2**17  # of a batch, at least; and of its draws, which are to stay in a cache
FACT = "fact_"  # before the names of `facts` of a density


def fit_log_lengths(windows: Windows) -> Normal:
    """N(mean, sd²) of ln ||Δx|| over the target frames of `windows` that move: their log-normal of highest likelihood.

    In float64. Its likelihoods are NaN where no length differs from another.
    """
    log_m = torch.empty(len(windows), dtype=windows.latents.dtype, device=windows.latents.device)
    for rows, of in zip(windows.rows.split(_BATCH), log_m.split(_BATCH), strict=True):
        of[:] = (windows.latents[rows] - windows.latents[rows - 1]).norm(dim=1).log()
    log_m = log_m[log_m.isfinite()].double()
    return Normal(log_m.mean(), log_m.std(correction=0), validate_args=False)


@torch.inference_mode()
def score_frames(
    predictor: Predictor,
    windows: Windows,
    k: int,
    scaling: Scaling,
    principal_dims: tuple[int, ...] = (),
    log_lengths: Normal | None = None,
) -> pd.DataFrame:
    """Per-frame scores, float64, in the order of `windows`.

    Columns of every predictor:

    - nll_baseline, nll_full: NLL under the diagonal and the full-covariance Gaussian of training deltas;
    - nll_level: NLL of x_t under the diagonal Gaussian of training frames;
    - log_norm: ln ||Δx||;
    - fact_...: each of the density's own `facts`.

    Columns that need what only some densities give:

    - nll (log_prob);
    - cosine of E[Δx|c] with Δx, log_norm_of_mean (ln ||E[Δx|c]||), error and spread (||Δx - E[Δx|c]||² and
      ||Δx - training mean||²), error_top{m} and spread_top{m}, the same along the first m principal axes of training
      deltas (mean);
    - mean_log_norm: E[ln ||Δx|| | c] (mean_log_norm);
    - dnll_direction: -ln p(d|m,c) less that of the uniform law on the sphere, and, given `log_lengths`, dnll_length:
      -ln p(m|c) less that of the log-normal; d and m are direction and length of Δx (log_prob_factors). Both are NaN
      at a step of length 0.
    """
    like = windows.latents
    delta_mean, delta_std, frame_mean, frame_std = (
        getattr(scaling, name).to(like) for name in ("delta_mean", "delta_std", "frame_mean", "frame_std")
    )
    diagonal = diagonal_gaussian(delta_mean[None], delta_std.log()[None])
    factor, _ = torch.linalg.cholesky_ex(scaling.delta_covariance)
    full = FullGaussian(delta_mean[None], (factor if scaling.spans else factor * torch.nan).to(like))  # NaN: undefined
    level = diagonal_gaussian(frame_mean[None], frame_std.log()[None])
    axes = scaling.delta_axes()[1][:, : max(principal_dims, default=0)].to(like)
    batch, blocks = predictor.batches(windows, k), []
    for start in range(0, len(windows), _BATCH):
        index = slice(start, start + _BATCH)
        context, delta = batch(index)
        density = predictor.density(context)
        norm = delta.norm(dim=1)
        columns = {
            "nll_baseline": -diagonal.log_prob(delta),
            "nll_full": -full.log_prob(delta),
            "nll_level": -level.log_prob(like[windows.rows[index]]),
            "log_norm": norm.log(),
        }
        if density.gives("log_prob"):
            columns["nll"] = -density.log_prob(delta)
        if density.gives("mean_log_norm"):
            columns["mean_log_norm"] = density.mean_log_norm()
        if density.gives("mean"):
            mean = density.mean()
            error, spread = delta - mean, delta - delta_mean
            norm_of_mean = mean.norm(dim=1)
            columns |= {
                # NaN where either is zero, since it has no direction
                "cosine": (delta * mean).sum(1) / (norm * norm_of_mean),
                "log_norm_of_mean": norm_of_mean.log(),
                "error": error.square().sum(1),
                "spread": spread.square().sum(1),
            }
            error, spread = (error @ axes).square().cumsum(1), (spread @ axes).square().cumsum(1)
            for m in principal_dims:
                columns |= {f"error_top{m}": error[:, m - 1], f"spread_top{m}": spread[:, m - 1]}
        columns |= {FACT + name: value for name, value in density.facts().items()}
        if factors := density.log_prob_factors(delta):
            log_m = columns["log_norm"].double()
            uniform = log_vmf_normalizer(torch.zeros_like(log_m), windows.dim)
            columns["dnll_direction"] = uniform - factors["direction"]
            if log_lengths is not None:
                columns["dnll_length"] = log_lengths.log_prob(log_m) - log_m - factors["length"]
        blocks.append({name: value.double().cpu() for name, value in columns.items()})
    return pd.DataFrame({name: torch.cat([block[name] for block in blocks]).numpy() for name in blocks[0]})


@torch.inference_mode()
def score_energies(
    predictor: Predictor, windows: Windows, k: int, scaling: Scaling, draws: int, names: tuple[object, ...]
) -> np.ndarray:
    """Energy scores (n,) of Δx, in deviations of the training frames; float64.

    Args:
        draws: of each density, at least 2. names: what names the draws.
    """
    std, generator = scaling.frame_std.to(windows.latents), _of_draws(windows, *names, "draws")
    batch, scores = predictor.batches(windows, k), []
    for block in _energy_blocks(windows, draws):
        context, delta = batch(block)
        scores.append(energy_of_density(predictor.density(context), delta, std, draws, generator).cpu())
    return torch.cat(scores).numpy()


@torch.inference_mode()
def score_energies_of_baseline(windows: Windows, scaling: Scaling, draws: int, names: tuple[object, ...]) -> np.ndarray:
    """As score_energies, of the diagonal Gaussian of training deltas, which is the same at every k."""
    mean, delta_std, std = (
        getattr(scaling, name).to(windows.latents) for name in ("delta_mean", "delta_std", "frame_std")
    )
    generator, scores = _of_draws(windows, *names, "baseline"), []
    for block in _energy_blocks(windows, draws):
        _, delta = windows.batch(block, 1)
        scores.append(energy_of_density(unconditional(mean, delta_std, len(delta)), delta, std, draws, generator).cpu())
    return torch.cat(scores).numpy()


def _energy_blocks(windows: Windows, draws: int) -> Iterator[slice]:
    rows = max(_ENERGY_ROWS, _ENERGY_NUMBERS // (draws * windows.dim))
    return (slice(start, start + rows) for start in range(0, len(windows), rows))


def _of_draws(windows: Windows, *names: object) -> torch.Generator:
    return torch_generator(*names, device=windows.latents.device)
