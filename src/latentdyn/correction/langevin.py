"""Langevin steps that correct a state (seed 003 §6.2, seed 004 §4, Experiment 7), and their controls.

In deviations of the training frames, at one level σ, n times:

    z ← z + η s(z, σ) + sqrt(2η) ξ        ξ ~ N(0, I),  η = step_size σ²

η is proportional to σ², the scale on which the score at that level changes. Without ξ, one step of step_size 1 gives
E[x given x + σ ε = z], the mean of the latents that can have become z by noise (Tweedie's formula; Efron 2011). For
Gaussian latents with covariance S, the steps have the stationary covariance (S + σ² I)(I - η/2 (S + σ² I)⁻¹)⁻¹. So many
steps lead to the noisy density p_σ, which is wider than the data.

Two controls need no network, and lead states back as well: the score of a Gaussian with the covariance of the training
frames, -(S + σ² I)⁻¹ z, and that of one whose dimensions are independent, -z / (1 + σ²), which only shrinks a state
towards the mean. What a score that was learned gains over these, it has learned beyond them.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from latentdyn.correction.variants import Variant
from latentdyn.diagnostics.rollout import Correct
from latentdyn.errors import UserError
from latentdyn.models.score.network import ScoreModel


def corrector(model: ScoreModel, variant: Variant, step_size: float, generator: torch.Generator) -> Correct | None:
    """A function that corrects the new states of a forecast as `variant` says; None for the variant `none`.

    `langevin` adds score and noise, `noise_only` the noise alone, `score_only` the score alone; `gaussian_only` and
    `shrink_only` the scores of the Gaussians above, alone. `generator` draws the noise, the same for the first two.

    Raises:
        UserError: a level that the model was not trained at, or fewer steps than 1.
    """
    if variant.kind == "none":
        return None
    sigma, n_steps = variant.sigma, variant.n_steps
    if sigma is None or not model.sigma_min <= sigma <= model.sigma_max:
        raise UserError(
            f"the score model was trained at levels from {model.sigma_min:g} to {model.sigma_max:g}, not at {sigma}",
            "sigmas of the correction",
            "choose levels among them, or train it at others (sigma_min, sigma_max)",
        )
    if n_steps is None or n_steps < 1:
        raise UserError(f"{n_steps} Langevin steps correct nothing", "n_steps of the correction", "set 1 or more")
    scores: dict[str, Callable[[Tensor, float], Tensor]] = {
        "langevin": model.score,
        "score_only": model.score,
        "gaussian_only": model.gaussian_score,
        "shrink_only": lambda z, sigma: -z / (1 + sigma**2),
    }
    score, noisy = scores.get(variant.kind), variant.kind in ("langevin", "noise_only")
    eta = step_size * sigma**2

    def correct(states: Tensor) -> Tensor:
        z = model.standardized(states)
        for _ in range(n_steps):
            drift = eta * score(z, sigma) if score else 0.0
            noise = torch.randn(z.shape, generator=generator, dtype=z.dtype, device=z.device) if noisy else 0.0
            z = z + drift + math.sqrt(2 * eta) * noise
        return model.restored(z)

    return correct
