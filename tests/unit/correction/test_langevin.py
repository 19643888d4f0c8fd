"""Langevin steps on Gaussian latents: stationary covariance, diffusion, contraction, all in closed form."""

import pytest
import torch

from latentdyn.correction.langevin import corrector
from latentdyn.correction.variants import KINDS, SamplingSettings, Variant
from latentdyn.errors import UserError
from latentdyn.models.score.network import ScoreModel

VARIANCES = torch.tensor([1.9, 1.0, 0.1])  # of the standardised latents, along axes of their own


@pytest.fixture
def model():
    """Untrained, so that its score is that of the Gaussian: (S + σ²)⁻¹ z."""
    torch.manual_seed(0)
    model = ScoreModel(3, width=8, blocks=1, sigma_min=0.05, sigma_max=1.0)
    model.variances.copy_(VARIANCES)
    model.axes.copy_(torch.linalg.qr(torch.randn(3, 3))[0])
    model.frame_mean.copy_(torch.tensor([5.0, -3.0, 0.0]))
    model.frame_std.copy_(torch.tensor([2.0, 1.0, 0.5]))
    return model.eval()


def apply(model, variant, step_size, z, seed=0, times=1):
    """Correct states (B, 3) that are told along the model's axes, and tell the result there."""
    correct = corrector(model, variant, step_size, torch.Generator().manual_seed(seed))
    x = model.restored(z @ model.axes.T)
    with torch.inference_mode():
        for _ in range(times):
            x = correct(x)
    return model.standardized(x) @ model.axes


def test_the_stationary_covariance_is_that_of_the_noisy_latents(model):
    sigma, step_size = 0.5, 0.3
    z = apply(model, Variant("langevin", 3, sigma), step_size, torch.zeros(20_000, 3), times=60)
    noisy, eta = VARIANCES + sigma**2, step_size * sigma**2
    expected = noisy / (1 - eta / (2 * noisy))  # of steps of this size; of small ones, S + σ²
    torch.testing.assert_close(torch.cov(z.T), torch.diag(expected), rtol=0.03, atol=0.03)
    assert z.mean(0).abs().max() < 0.05


def test_noise_alone_diffuses(model):
    z = apply(model, Variant("noise_only", 3, 0.4), 0.2, torch.zeros(20_000, 3))
    eta = 0.2 * 0.4**2
    torch.testing.assert_close(torch.cov(z.T), 2 * eta * 3 * torch.eye(3), rtol=0.03, atol=0.003)


def test_the_score_alone_contracts_and_off_the_latents_most(model):
    sigma, step_size = 0.5, 0.3
    z = apply(model, Variant("score_only", 2, sigma), step_size, torch.ones(4, 3))
    kept = (1 - step_size * sigma**2 / (VARIANCES + sigma**2)) ** 2
    torch.testing.assert_close(z, kept.expand(4, 3))
    assert kept[2] < kept[1] < kept[0]  # where latents vary least they are led back most


def test_one_whole_step_without_noise_is_the_mean_of_what_may_have_been(model):
    z = apply(model, Variant("score_only", 1, 0.5), 1.0, torch.ones(1, 3))
    torch.testing.assert_close(z[0], VARIANCES / (VARIANCES + 0.25))  # E[x given x + σ ε]


def test_the_controls_without_a_network_lead_back_as_a_gaussian_does_and_towards_the_mean_of_training(model):
    sigma, step_size, states = 0.5, 0.3, torch.ones(1, 3)
    torch.nn.init.ones_(model.leave.bias)  # what a network would add
    gaussian = apply(model, Variant("gaussian_only", 2, sigma), step_size, states)
    torch.testing.assert_close(gaussian[0], (1 - step_size * sigma**2 / (VARIANCES + sigma**2)) ** 2)
    shrunk = apply(model, Variant("shrink_only", 2, sigma), step_size, states)
    kept = (1 - step_size * sigma**2 / (1 + sigma**2)) ** 2
    torch.testing.assert_close(shrunk, kept * states)  # in deviations from the mean of the training frames
    model.variances.fill_(1.0)  # of independent dimensions both are the same
    torch.testing.assert_close(apply(model, Variant("gaussian_only", 2, sigma), step_size, states), shrunk)


def test_far_states_come_back(model):
    far = torch.tensor([[0.0, 0.0, 50.0]])
    z = apply(model, Variant("langevin", 3, 0.5), 0.3, far)
    assert z[0, 2].abs() < 30 and z[0, :2].abs().max() < 2


def test_the_two_parts_make_the_whole_and_draws_follow_from_the_generator(model):
    start = torch.randn(50, 3, generator=torch.Generator().manual_seed(5))
    whole, noise, score = (
        apply(model, Variant(kind, 1, 0.5), 0.3, start) for kind in ("langevin", "noise_only", "score_only")
    )
    torch.testing.assert_close(whole - start, (noise - start) + (score - start))
    assert torch.equal(whole, apply(model, Variant("langevin", 1, 0.5), 0.3, start))
    assert not torch.allclose(whole, apply(model, Variant("langevin", 1, 0.5), 0.3, start, seed=1))


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("sigma", [0.04, 1.01])
def test_a_level_outside_the_training_is_refused(model, kind, sigma):
    with pytest.raises(UserError, match=rf"levels from 0\.05 to 1, not at {sigma}"):
        corrector(model, Variant(kind, 1, sigma), 0.2, torch.Generator())


def test_no_steps_are_refused_and_none_corrects_nothing(model):
    with pytest.raises(UserError, match="0 Langevin steps correct nothing"):
        corrector(model, Variant("langevin", 0, 0.5), 0.2, torch.Generator())
    assert corrector(model, Variant("none"), 0.2, torch.Generator()) is None


def test_variants_have_places_of_their_own():
    variants = SamplingSettings(sigmas=[0.1, 0.5], step_size=0.2, n_steps=[1, 3]).variants()
    places = [tuple(variant.place().values()) for variant in variants]
    assert len(set(places)) == len(places) == 1 + 5 * 2 * 2
    assert places[:3] == [("none", None, None), ("langevin", 1, 0.1), ("langevin", 3, 0.1)]
    place = {"correction": "score_only", "langevin_steps": 2, "sigma": 0.25}
    assert Variant("score_only", 2, 0.25).place() == place
