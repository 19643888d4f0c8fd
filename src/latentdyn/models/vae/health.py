"""Whether a trained beta-VAE carries anything, and what to change where it does not.

reconstruction_r2  1 - Σ ‖x - dec(mean)‖² / Σ ‖x - m‖², frames in deviations, m the training frames' mean
kl_nats            mean KL(q ‖ N(0, I)) of a latent
innovation_nats    mean KL to the autoregressive prior, where there is one: the innovation rate
effective_rank     participation ratio (Σλ)² / Σλ² of the covariance of posterior means
dead_dims          dimensions whose KL is below 0.01 nats: the decoder gets noise there

Of dimensions that stay, where there are some, none of these counts in but the first. They have

static_nats        mean KL of what stays, once a sequence
static_swap_r2     reconstruction_r2 if what stays is that of another sequence: as high as with its own if the decoder
                   does not read it

and where errors are measured by a metric G of what is heard

heard_r2           1 - Σ ‖x - dec(mean)‖² / Σ ‖x - m‖² with the norm of G
"""

import logging
import math
from collections.abc import Iterable

import torch
from torch import Tensor

from latentdyn.models.vae.network import VAE, joined
from latentdyn.models.vae.objectives import AutoregressivePrior, Seen, kl_standard

log = logging.getLogger(__name__)

_DEAD = 0.01  # nats of a dimension
_COLLAPSED = 0.1  # nats of a latent for each of its dimensions
_LEAST_RANK = 0.25  # of the dimensions that are alive
_LEAST_USE = 0.001  # of the variance, that another sequence's static part costs


@torch.inference_mode()
def measure_health(model: VAE, batches: Iterable[Seen]) -> Tensor:
    """What `model.health_names` names, float64, over all latents of some batches; NaN where there is none."""
    kl, innovation, means, squares, static = [], [], [], [], []
    root = model.reconstruction.root
    for seen in batches:
        kl.append(kl_standard(seen).flatten(0, 1).double())
        means.append(seen.mean.flatten(0, 1).double())
        stays = None if seen.static is None else seen.static.mean
        errors = [seen.frames - model.decode(joined(seen.mean, stays)), seen.frames]
        if stays is not None:
            static.append(seen.static_nats().double())
            errors.append(seen.frames - model.decode(joined(seen.mean, stays.roll(1, dims=0))))
        if root is not None:
            errors += [errors[0] @ root, seen.frames @ root]
        squares.append(torch.stack([of.double().square().sum() for of in errors]))
        if isinstance(model.prior, AutoregressivePrior):
            innovation.append(model.prior.innovation(seen).flatten().double())
    if not kl:
        return torch.full((len(model.health_names),), torch.nan, dtype=torch.float64)
    of_dims, (left, whole, *others) = torch.cat(kl).mean(0), torch.stack(squares).sum(0)
    variances = torch.linalg.eigvalsh(torch.cov(torch.cat(means).T, correction=0).reshape(2 * [model.moving_dim]))
    found = {
        "reconstruction_r2": float(1 - left / whole),
        "kl_nats": float(of_dims.sum()),
        "innovation_nats": float(torch.cat(innovation).mean()) if innovation else math.nan,
        "effective_rank": float(variances.sum().square() / variances.square().sum()),
        "dead_dims": float((of_dims < _DEAD).sum()),
    }
    if static:
        found |= {"static_nats": float(torch.cat(static).mean()), "static_swap_r2": float(1 - others[0] / whole)}
    if root is not None:
        found["heard_r2"] = float(1 - others[-2] / others[-1])
    return torch.tensor([found[name] for name in model.health_names], dtype=torch.float64)


def warn_of_collapse(of: dict[str, float], dim: int, terms: list[str], static_dim: int = 0) -> None:
    """Say in the log what is wrong with a model of this health, and which setting to change.

    Args:
        dim: of what moves. terms: kinds of the terms in its objective. static_dim: of what stays.
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
    if not static_dim:
        return
    if of["static_nats"] < _COLLAPSED * static_dim or of["reconstruction_r2"] - of["static_swap_r2"] < _LEAST_USE:
        log.warning(
            "collapse: what stays carries %.3g nats a sequence, and with that of another sequence the decoder loses "
            "%.2g of the variance: it hardly reads it. Give a lower objective.beta, a smaller static_dim or a longer "
            "training.sequence_frames", of["static_nats"], of["reconstruction_r2"] - of["static_swap_r2"],
        )  # fmt: skip
