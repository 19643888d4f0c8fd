"""The decoder's sensitivity against exact derivatives of small decoders."""

import numpy as np
import pytest
import torch

from latentdyn.codecs.logmel import LogMel
from latentdyn.codecs.sensitivity import MelOfDecoded, sensitivity

D, T = 3, 6
TAPS = torch.tensor(np.random.default_rng(0).normal(size=(1, D, 4)), dtype=torch.float32)  # what a frame sounds like


def overlap_add(x: torch.Tensor) -> torch.Tensor:
    """A linear decoder of hop 2 whose frames last 4 samples; the last one is cut off."""
    return torch.nn.functional.conv_transpose1d(x, TAPS.permute(1, 0, 2), stride=2)[:, 0, : 2 * x.shape[-1]]


def derivative(hear, latents: np.ndarray, step: float = 1e-2) -> np.ndarray:
    """Σ_t J_tᵀJ_t by finite differences, one number of the latents at a time."""
    x = torch.from_numpy(latents.T)[None]
    total = np.zeros((D, D))
    for t in range(latents.shape[0]):
        columns = []
        for d in range(D):
            change = torch.zeros_like(x)
            change[0, d, t] = step
            columns.append(((hear(x + change) - hear(x - change)) / (2 * step)).numpy().ravel().astype(np.float64))
        total += np.array(columns) @ np.array(columns).T
    return total


def speakers(n: int) -> list[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [(f"s{i}", rng.normal(size=(T, D)).astype(np.float32)) for i in range(n)]


def test_a_linear_decoder_has_the_sensitivity_of_its_matrix():
    exact = derivative(overlap_add, np.zeros((T, D), np.float32)) / T
    found = sensitivity(overlap_add, speakers(400), probes=2, device="cpu")
    assert found.n_frames == 400 * T and found.matrix.dtype == np.float64
    off = (found.matrix - exact) / found.standard_error
    assert np.abs(off).max() < 4 and found.standard_error.max() < 0.05 * np.trace(exact)


def test_the_standard_error_is_the_spread_of_estimates():
    rng, estimates, claimed = np.random.default_rng(2), [], []
    for _ in range(60):
        named = [(f"{rng.integers(10**9)}", frames) for _, frames in speakers(20)]  # other probes, the same frames
        found = sensitivity(overlap_add, named, probes=1, device="cpu")
        estimates.append(found.matrix)
        claimed.append(found.standard_error)
    np.testing.assert_allclose(np.mean(claimed, axis=0), np.std(estimates, axis=0), rtol=0.35)


def test_a_decoder_that_is_not_linear_counts_each_frame_where_it_is():
    def hear(x):
        return torch.tanh(overlap_add(x))

    given = speakers(2) + speakers(2)  # two utterances of each, in turns
    exact = sum(derivative(hear, latents, 1e-3) for _, latents in given) / (4 * T)
    found = sensitivity(hear, given, probes=400, device="cpu")
    np.testing.assert_allclose(found.matrix, exact, atol=0.12 * np.trace(exact))
    assert found.n_frames == 4 * T


def test_one_speaker_tells_no_error():
    with pytest.raises(ValueError, match="two speakers"):
        sensitivity(overlap_add, speakers(1), probes=1, device="cpu")


def test_what_is_heard_are_the_log_mel_frames_of_the_audio():
    audio = 0.1 * np.random.default_rng(3).standard_normal(128 * 30).astype(np.float32)
    mel = LogMel(16_000, hop_samples=128, fft_samples=512, n_mels=20, floor_db=-80.0)
    heard = MelOfDecoded(torch.nn.Flatten(), mel)(torch.from_numpy(audio)[None, None])
    np.testing.assert_allclose(heard[0].numpy(), mel.encode(audio[None])[0], rtol=0, atol=1e-3)
