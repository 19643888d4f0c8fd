"""Spectra with gradients, and the distance of two recordings by them."""

import math

import pytest
import torch

from latentdyn.codecs.spectra import SpectralDistance, _of_full_scale
from latentdyn.errors import UserError

RATE_HZ = 16_000


def sine(hz: float, samples: int = 4096) -> torch.Tensor:
    return torch.sin(2 * math.pi * hz * torch.arange(samples, dtype=torch.float64) / RATE_HZ).float()[None]


def noise(seed: int) -> torch.Tensor:
    return 0.1 * torch.randn(2, 4096, generator=torch.Generator().manual_seed(seed))


def distance() -> SpectralDistance:
    return SpectralDistance(RATE_HZ, [256, 1024], 32)


def test_a_full_scale_sine_has_power_one_in_its_bin_and_windows_end_with_their_hop():
    power = _of_full_scale(256)(sine(1000))  # bin 16 of 62.5 Hz each
    assert power.shape == (1, 64, 129)
    assert power[0, 10:].argmax(1).eq(16).all() and power[0, 10:, 16].allclose(torch.ones(54), atol=1e-3)
    late = torch.zeros(1, 1024)
    late[0, 600:] = 1
    assert _of_full_scale(256)(late)[0].sum(1).nonzero()[0] == 600 // 64


def test_the_distance_of_a_louder_recording_by_hand():
    """Twice as loud: |1 - 2| as a share, and ln 2 in every bin and band that stands above the floor."""
    found = float(distance()(noise(0), 2 * noise(0)))
    assert found == pytest.approx(1 + 2 * math.log(2), rel=0.01)
    assert float(distance()(noise(0), noise(0))) == 0


def test_a_change_that_is_heard_more_is_further_and_silence_is_finite():
    near, far = (float(distance()(noise(0), noise(0) + share * noise(1))) for share in (0.1, 1.0))
    assert 0 < near < 0.5 * far
    silent = torch.zeros(2, 4096, requires_grad=True)
    distance()(noise(0), silent).backward()
    assert silent.grad.isfinite().all()
    assert float(distance()(torch.zeros(2, 4096), torch.zeros(2, 4096))) == 0


def test_gradients_are_those_of_small_changes():
    audio, other = noise(0).double(), noise(1).double().requires_grad_()
    exact = distance().double()
    exact(audio, other).backward()
    direction = torch.randn(other.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    ends = [float(exact(audio, other.detach() + sign * 1e-6 * direction)) for sign in (1, -1)]
    assert float((other.grad * direction).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4)


def test_its_windows_are_no_weights_and_too_many_bands_are_refused():
    assert not distance().state_dict()
    with pytest.raises(UserError, match="200 mel bands are too many"):
        SpectralDistance(RATE_HZ, [256], 200)
