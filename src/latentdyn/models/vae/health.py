"""Whether a trained beta-VAE carries anything, and what to change where it does not.

reconstruction_r2  1 - Σ ‖x - dec(mean)‖² / Σ ‖x - m‖², frames in deviations, m the training frames' mean
kl_nats            mean KL(q ‖ N(0, I)) of a latent
innovation_nats    mean KL to the autoregressive prior, where there is one: the innovation rate
effective_rank     participation ratio (Σλ)² / Σλ² of the covariance of posterior means
dead_dims          dimensions whose KL is below 0.01 nats: the decoder gets noise there
"""

import logging
import math
from collections.abc import Iterable

import torch
from torch import Tensor

from latentdyn.models.vae.network import HEALTH, VAE
from latentdyn.models.vae.objectives import AutoregressivePrior, Seen, kl_standard

log = logging.getLogger(__name__)

_DEAD = 0.01  # nats of a dimension
_COLLAPSED = 0.1  # nats of a latent for each of its dimensions
_LEAST_RANK = 0.25  # of the dimensions that are alive


@torch.inference_mode()
def measure_health(model: VAE, batches: Iterable[Seen]) -> Tensor:
    """What `HEALTH` names, (5,) float64, over all latents of some batches; NaN where there is none."""
    kl, innovation, means, squares = [], [], [], []
    for seen in batches:
        kl.append(kl_standard(seen).flatten(0, 1).double())
        means.append(seen.mean.flatten(0, 1).double())
        left = seen.frames - model.decode(seen.mean)
        squares.append(torch.stack([left.double().square().sum(), seen.frames.double().square().sum()]))
        if isinstance(model.prior, AutoregressivePrior):
            innovation.append(model.prior.innovation(seen).flatten().double())
    if not kl:
        return torch.full((len(HEALTH),), torch.nan, dtype=torch.float64)
    of_dims, (left, whole) = torch.cat(kl).mean(0), torch.stack(squares).sum(0)
    variances = torch.linalg.eigvalsh(torch.cov(torch.cat(means).T, correction=0).reshape(model.dim, model.dim))
    found = {
        "reconstruction_r2": float(1 - left / whole),
        "kl_nats": float(of_dims.sum()),
        "innovation_nats": float(torch.cat(innovation).mean()) if innovation else math.nan,
        "effective_rank": float(variances.sum().square() / variances.square().sum()),
        "dead_dims": float((of_dims < _DEAD).sum()),
    }
    return torch.tensor([found[name] for name in HEALTH], dtype=torch.float64)


def warn_of_collapse(of: dict[str, float], dim: int, terms: list[str]) -> None:
    """Say in the log what is wrong with a model of this health, and which setting to change.

    Args:
        terms: kinds of the terms in its objective.
    """
    weights = f", or a lower weight of {' and '.join(terms)} in objective.terms" if terms else ""
    alive = dim - of["dead_dims"]
    if of["kl_nats"] < _COLLAPSED * dim:
        log.warning(
            "collapse: the latents carry %.3g nats, %.3g a dimension, so that the decoder hardly reads them. Give a "
            "lower objective.beta or a longer objective.beta_warmup_steps%s",
            of["kl_nats"], of["kl_nats"] / dim, weights,
        )  # fmt: skip
    elif of["dead_dims"]:
        log.warning(
            "%d of %d dimensions carry nothing (below %g nats each). Give a lower objective.beta or a smaller dim%s",
            of["dead_dims"], dim, _DEAD, weights,
        )  # fmt: skip
    if alive >= 2 and of["effective_rank"] < max(1.5, _LEAST_RANK * alive):
        log.warning(
            "collapse: %d dimensions vary in %.1f directions (effective rank). Give a lower objective.beta%s",
            alive, of["effective_rank"], weights,
        )  # fmt: skip
