"""The score of Gaussian latents in closed form; units; what does not vary is refused."""

import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.models.score.network import ScoreModel, denoising_losses

COVARIANCE = torch.tensor([[4.0, 1.2, 0.0], [1.2, 1.0, 0.0], [0.0, 0.0, 9.0]], dtype=torch.float64)


def gaussian_frames(n: int = 40_000) -> torch.Tensor:
    noise = torch.randn(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (100 + noise @ torch.linalg.cholesky(COVARIANCE).T).float()


def fresh(x: torch.Tensor, **sizes: float) -> ScoreModel:
    torch.manual_seed(0)
    model = ScoreModel(x.shape[1], **{"width": 16, "blocks": 2, "sigma_min": 0.1, "sigma_max": 2.0, **sizes})
    model.set_moments(x, torch.arange(len(x)))
    return model


def test_an_untrained_model_has_the_score_of_the_gaussian_with_the_frames_moments():
    x = gaussian_frames()
    model = fresh(x)
    torch.testing.assert_close(model.frame_mean.double(), x.double().mean(0), rtol=1e-6, atol=0)
    z = model.standardized(x)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3), rtol=1e-4, atol=0)
    correlation = torch.corrcoef(x.double().T)
    for sigma in (0.1, 1.3):
        law = torch.distributions.MultivariateNormal(torch.zeros(3).double(), correlation + sigma**2 * torch.eye(3))
        at = (z[:5].double() + sigma).requires_grad_()
        law.log_prob(at).sum().backward()
        torch.testing.assert_close(model.score(at.detach().float(), sigma).double(), at.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(model.restored(z), x)


def test_its_loss_is_the_least_that_gaussian_latents_allow():
    x = gaussian_frames()
    model, sigma = fresh(x), 0.7
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        predicted = model.noise(model.standardized(x) + sigma * noise, torch.full((len(x),), sigma))
    variances = torch.linalg.eigvalsh(torch.corrcoef(x.double().T))
    least = float((variances / (variances + sigma**2)).mean())  # tr S (S + σ²)⁻¹ / D
    assert float(denoising_losses(predicted, noise).mean()) == pytest.approx(least, rel=0.01)


def test_far_from_all_data_the_pull_is_that_of_the_gaussian():
    model = fresh(gaussian_frames())
    torch.nn.init.normal_(model.leave.weight)  # as if trained
    z, sigma = 1e4 * torch.ones(1, 3), torch.tensor([0.5])
    torch.testing.assert_close(model.noise(z, sigma), model.gaussian_noise(z, sigma), rtol=0.02, atol=0)
    assert not torch.allclose(model.noise(z / 1e4, sigma), model.gaussian_noise(z / 1e4, sigma), rtol=0.02)


def test_the_network_is_told_the_level_and_reads_every_row_by_itself():
    model = fresh(gaussian_frames())
    torch.nn.init.normal_(model.leave.weight)
    z = torch.ones(3, 3)
    z[1] = torch.nan
    sigma = torch.tensor([0.2, 0.2, 1.0])
    network = model.noise(z, sigma) - model.gaussian_noise(z, sigma)
    assert network.isfinite().all(dim=1).tolist() == [True, False, True] and not torch.allclose(network[0], network[2])
    torch.testing.assert_close(network[2:], model.noise(z[2:], sigma[2:]) - model.gaussian_noise(z[2:], sigma[2:]))


def test_a_dimension_that_never_changes_is_refused():
    x = gaussian_frames(100)
    x[:, 1] = 5
    with pytest.raises(UserError, match=r"1 of 3 latent dimensions never change.*dimension 1"):
        fresh(x)


def test_a_model_that_always_predicts_zero_scores_one():
    noise = torch.randn(100_000, 3, generator=torch.Generator().manual_seed(2))
    losses = denoising_losses(torch.zeros(100_000, 3), noise)
    assert losses.shape == (100_000,) and float(losses.mean()) == pytest.approx(1, abs=0.01)
