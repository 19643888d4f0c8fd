"""The beta-VAE itself: where it starts, what it reads, and what it gives back."""

import math

import numpy as np
import pytest
import torch

from latentdyn.config.kinds import kinds_of
from latentdyn.config.networks import NetworkKind
from latentdyn.models.vae.health import measure_health
from latentdyn.models.vae.network import HEALTH, Moments, build_vae
from tests.settings import kind_of

from .examples import settings

BETA, VARIANCES = 0.1, (2.5, 1.2, 0.25, 0.05)


def linear_vae(beta=BETA, dim=4, **changes):
    """A model of Gaussian frames with these variances along random axes, at its start."""
    model = build_vae(settings(dim=dim, network={"kind": "none"}, objective={"beta": beta}, **changes), 4).eval()
    axes = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    covariance = axes @ torch.diag(torch.tensor(VARIANCES, dtype=torch.float64)) @ axes.T
    model.set_start(Moments(torch.zeros(4), torch.ones(4), torch.zeros(4).double(), covariance), beta)
    return model, covariance


def frames_of(covariance, n=20_000):
    draws = torch.randn(n, 20, len(covariance), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (draws @ torch.linalg.cholesky(covariance).T).float()


def test_it_starts_as_the_best_linear_vae_whose_loss_has_a_closed_form():
    """½ Σ min(λ, β) + β ½ Σ ln⁺(λ/β): reverse water-filling."""
    model, covariance = linear_vae()
    with torch.inference_mode():
        seen = model.see(frames_of(covariance, 4000), torch.Generator().manual_seed(2))
    rebuilt = 0.5 * sum(min(v, BETA) for v in VARIANCES)
    rate = 0.5 * sum(max(math.log(v / BETA), 0) for v in VARIANCES)
    assert float(model.reconstruction(seen).mean()) == pytest.approx(rebuilt, rel=0.01)
    assert float(model.prior(seen).mean()) == pytest.approx(rate, rel=0.01)
    assert float(model.loss(seen, BETA).detach()) == pytest.approx((rebuilt + BETA * rate) / 4, rel=0.01)


def test_no_small_change_of_that_start_is_better():
    model, covariance = linear_vae(dim=3)
    seen = model.see(frames_of(covariance, 2000), torch.Generator().manual_seed(2))
    model.loss(seen, BETA).backward()
    for parameter in (model.encoder_line.weight, model.decoder_line.weight, model.log_variance):
        assert parameter.grad.abs().max() < 3e-3


def test_its_health_is_that_of_the_closed_form():
    model, covariance = linear_vae()
    batch = model.see(frames_of(covariance, 4000), torch.Generator().manual_seed(2))
    health = dict(zip(HEALTH, measure_health(model, [batch]).tolist(), strict=True))
    kept = [v for v in VARIANCES if v > BETA]
    # dec(mean) keeps (λ - β)/λ of an axis
    left = sum(BETA**2 / v for v in kept) + VARIANCES[-1]
    assert health["reconstruction_r2"] == pytest.approx(1 - left / sum(VARIANCES), abs=2e-3)
    assert health["kl_nats"] == pytest.approx(0.5 * sum(math.log(v / BETA) for v in kept), rel=0.01)
    of_means = [1 - BETA / v for v in kept]
    assert health["effective_rank"] == pytest.approx(sum(of_means) ** 2 / sum(m**2 for m in of_means), rel=0.01)
    assert health["dead_dims"] == 1 and math.isnan(health["innovation_nats"])


@pytest.mark.parametrize("network", kinds_of(NetworkKind), ids=kind_of)
def test_every_kind_of_network_is_nothing_at_the_start_and_learns(network):
    small = {name: 8 if name == "width" else 1 for name in network.model_fields.keys() & {"width", "layers"}}
    kind = {"kind": kind_of(network), **small}
    model = build_vae(settings(dim=2, stack=2, encoder="causal", network=kind), 3)
    model.eval()
    frames = torch.randn(2, 10, 3, generator=torch.Generator().manual_seed(0))
    stacked = model.stacked(frames)
    mean, log_variance = model.encode(stacked)
    torch.testing.assert_close(mean, model.encoder_line(stacked))
    assert mean.shape == log_variance.shape == (2, 5, 2)
    torch.testing.assert_close(model.decode(mean), model.decoder_line(mean))
    model.loss(model.see(frames, torch.Generator()), 0.1).backward()
    assert model.encoder.scale.grad.abs().sum() > 0 and model.decoder.scale.grad.abs().sum() > 0


def test_a_causal_encoder_reads_so_many_stacks_before_and_none_after():
    model = build_vae(settings(dim=1, stack=2, encoder="causal", past_frames=2), 3).eval()
    model.encoder.scale.data.fill_(1)
    frames = torch.randn(1, 12, 3, generator=torch.Generator().manual_seed(0))
    plain = model.encode(model.stacked(frames))[0].flatten()
    for changed in range(6):
        other = frames.clone()
        other[0, 2 * changed + 1, 1] += 3
        moved = (model.encode(model.stacked(other))[0].flatten() != plain).nonzero().flatten().tolist()
        assert moved == list(range(changed, min(changed + 3, 6)))


def test_stacks_and_the_way_back_are_those_of_the_kind_stacked():
    model = build_vae(settings(dim=2, stack=2), 3)
    model.frame_mean.copy_(torch.tensor([1.0, 2, 3]))
    model.frame_std.copy_(torch.tensor([1.0, 10, 100]))
    frames = torch.arange(24.0).reshape(2, 4, 3)
    stacked = model.stacked(frames)
    expected = (frames.numpy() - [1, 2, 3]) / [1, 10, 100]
    np.testing.assert_allclose(stacked[1, 1], expected[1, 2:].reshape(-1), rtol=1e-6)
    torch.testing.assert_close(model.unstacked(stacked), frames)
