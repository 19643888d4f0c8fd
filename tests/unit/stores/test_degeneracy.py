"""Latents whose steps have no density, or none that float32 can tell, are refused by name; good ones never are."""

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.stores.degeneracy import effective_rank, rounding_variance
from latentdyn.stores.windows import Scaling, Windows, common_runs


def autoregression(dim: int, n: int = 400, a: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(dim)
    x = rng.normal(size=(n, dim))
    for t in range(1, n):
        x[t] += a * x[t - 1]
    return x


def scaling_of(make_store, latents: np.ndarray, dtype: str = "float32") -> Scaling:
    store, frames = make_store({("u", "t"): latents}, dtype=dtype)
    usable = common_runs(frames, 1, [1])
    return Scaling.fit(Windows.of(torch.from_numpy(store.load()), usable, 1))


PLAIN = autoregression(6)
WIDE = PLAIN @ np.random.default_rng(0).normal(size=(6, 32))
REPEATED = np.concatenate([PLAIN, PLAIN[:, :2] + PLAIN[:, 2:4]], axis=1)


def test_the_rank_counts_eigenvalues_of_the_correlation():
    root = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    correlated = torch.from_numpy(root @ np.diag([1.0, 0.5, 1e-3, 1e-9]) @ root.T)
    assert effective_rank(correlated) == 3
    assert effective_rank(torch.diag(torch.tensor([1e-20, 1.0, 1e20], dtype=torch.float64))) == 3  # sizes do not count


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(("latents", "words"), [(WIDE, "span 6 of 32"), (REPEATED, "span 6 of 8")])
def test_steps_in_a_subspace_are_refused(make_store, latents, words, scale, dtype):
    with pytest.raises(UserError, match=words + " dimensions.*project them first"):
        scaling_of(make_store, scale * latents, dtype)


def test_steps_that_were_bfloat16_once_are_refused_too(make_store):
    coarse = torch.from_numpy(WIDE).to(torch.bfloat16).float().numpy()
    with pytest.raises(UserError, match="span 6 of 32 dimensions"):
        scaling_of(make_store, coarse)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_little_noise_makes_a_density(make_store, dtype):
    noisy = REPEATED + 0.02 * np.random.default_rng(1).normal(size=REPEATED.shape)
    assert scaling_of(make_store, noisy, dtype).spans


def test_quantised_latents_are_not_refused(make_store):
    assert scaling_of(make_store, np.round(PLAIN)).spans  # whole numbers
    codebook = np.random.default_rng(0).normal(size=(6, 64, 6))  # six stages of 64 vectors, as a codec adds them up
    choice = np.random.default_rng(1).integers(64, size=(400, 6))
    assert scaling_of(make_store, codebook[np.arange(6), choice].sum(axis=1)).spans


def test_few_frames_need_not_span_all_dimensions(make_store):
    few = np.random.default_rng(0).normal(size=(20, 32))
    assert not scaling_of(make_store, few).spans
    with pytest.raises(UserError, match="span 6 of 32"):
        scaling_of(make_store, WIDE[:20])


def test_a_large_constant_that_float32_cannot_hold_is_refused(make_store):
    assert scaling_of(make_store, PLAIN + 1e5).spans
    shifted = PLAIN.copy()
    shifted[:, 2] += 1e7
    with pytest.raises(UserError, match=r"1 of 6 latent dimensions are hardly larger than the rounding.*dimension 2"):
        scaling_of(make_store, shifted)


@pytest.mark.parametrize("scale", [1e-30, 1e-17, 1e17, 1e30])
def test_sizes_that_float32_cannot_square_are_refused(make_store, scale):
    with pytest.raises(UserError, match="6 of 6 latent dimensions are of a size that float32 cannot compute with"):
        scaling_of(make_store, scale * PLAIN)


def test_one_frame_that_decides_every_moment_is_named(make_store):
    outlier = PLAIN.copy()
    outlier[123] *= 1e7
    with pytest.raises(UserError, match=r"2 of 399 training deltas are so long.*store row 12[34]"):
        scaling_of(make_store, outlier)
    outlier[123] *= 1e20
    with pytest.raises(UserError, match="which single frames may have caused"):
        scaling_of(make_store, outlier)


def test_the_digits_of_the_numbers_say_how_they_were_rounded():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1000, 3)))
    one = torch.ones(3, dtype=torch.float64)
    found = [
        float(rounding_variance(x.to(kind).float(), one)[0]) for kind in (torch.float32, torch.half, torch.bfloat16)
    ]
    assert found == pytest.approx([2.0**-46 / 6, 2.0**-20 / 6, 2.0**-14 / 6])
    assert float(rounding_variance(torch.round(1000 * x).float(), one)[0]) == pytest.approx(2.0**-46 / 6)


def test_a_covariance_with_a_narrow_direction_is_right_to_1e_9(make_store):
    narrow = np.concatenate([PLAIN, PLAIN[:, :1] + 3e-3 * np.random.default_rng(2).normal(size=(400, 1))], axis=1)
    store, _ = make_store({("u", "t"): narrow}, "exact")
    exact = np.cov(np.diff(store.load().astype(np.float64), axis=0).T, bias=True)
    found = scaling_of(make_store, narrow).delta_covariance.numpy()
    np.testing.assert_allclose(np.linalg.eigvalsh(found), np.linalg.eigvalsh(exact), rtol=1e-9)
