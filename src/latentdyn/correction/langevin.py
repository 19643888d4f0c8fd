"""Langevin steps that correct a state (seed 003 §6.2, seed 004 §4, Experiment 7), and their controls.

In deviations of the training frames, at a set level σ, n times:

    z ← z + η s(z, σ) + sqrt(2η) ξ        ξ ~ N(0, I),  η = step_size σ²

η follows σ², the scale on which the score at that level changes. Without ξ, one step of step_size 1 is the mean of the
latents that z may be a noisy view of (Tweedie's formula; Efron 2011). Of Gaussian latents with covariance S the steps
have the stationary covariance (S + σ² I)(I - η/2 (S + σ² I)⁻¹)⁻¹: what they settle to is the noisy density p_σ, wider
than the data by σ.
"""

import math

import torch
from torch import Tensor

from latentdyn.correction.score_model import ScoreModel
from latentdyn.correction.variants import Variant
from latentdyn.diagnostics.rollout import Correct
from latentdyn.errors import UserError


def corrector(model: ScoreModel, variant: Variant, step_size: float, generator: torch.Generator) -> Correct | None:
    """What corrects a forecast's new states as `variant` says; None for none.

    `langevin` takes score and noise, `noise_only` leaves out the score, `score_only` the noise. Noise is drawn from
    `generator`, alike for the first two, in the states' own rows.

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
        raise UserError(f"{n_steps} Langevin steps correct nothing", "n_steps of the correction", "ask for 1 or more")
    scored, noisy = variant.kind != "noise_only", variant.kind != "score_only"
    eta = step_size * sigma**2

    def correct(states: Tensor) -> Tensor:
        z = model.standardized(states)
        for _ in range(n_steps):
            drift = eta * model.score(z, sigma) if scored else 0.0
            noise = torch.randn(z.shape, generator=generator, dtype=z.dtype, device=z.device) if noisy else 0.0
            z = z + drift + math.sqrt(2 * eta) * noise
        return model.restored(z)

    return correct
