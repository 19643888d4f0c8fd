"""The shape of frames: values by hand, laws that are known, and what must not change them."""

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.geometry import geometry
from latentdyn.errors import UserError
from latentdyn.stores.frame_index import FrameIndex
from tests.indexed import whole_index


def shape(x: np.ndarray, frames: FrameIndex, n: int = 4, resamples: int = 40) -> dict:
    records = geometry(torch.from_numpy(x), frames, spectrum_frames=n, resamples=resamples, seed_names=("test",))
    return {r.metric: r for r in records}


def test_by_hand():
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 2.0], [-1.0, -2.0]])
    found = shape(x, whole_index([4]))
    covariance = np.array([[1.0, 1.0], [1.0, 2.0]])
    assert found["participation_ratio"].value == pytest.approx(3.0**2 / (covariance**2).sum())
    assert found["excess_kurtosis"].value == pytest.approx(np.mean([1.0 - 3, 8.0 / 4 - 3]))
    # spectra over 4 frames: of (1, -1, 1, -1) one line; of (0, 0, 2, -2) the power 0, 8, 16, 8
    share = np.array([8, 16, 8]) / 32
    entropy = -(share * np.log(share)).sum() / np.log(4)
    assert found["spectral_predictability"].value == pytest.approx(np.mean([1.0, 1 - entropy]))
    assert {r.n for r in found.values()} == {4, 1}


def test_white_noise_and_a_tone():
    x = np.random.default_rng(0).standard_normal((20_000, 3))
    found = shape(x, whole_index([200] * 100), n=32, resamples=200)
    for metric, exact in (("participation_ratio", 3.0), ("excess_kurtosis", 0.0)):
        assert found[metric].ci_low <= exact <= found[metric].ci_high or abs(found[metric].value - exact) < 2e-3
    assert abs(found["spectral_predictability"].value) < 2e-3
    tone = np.sin(2 * np.pi * 4 * np.arange(64) / 32)[:, None]
    found = shape(tone, whole_index([64]), n=32)
    assert found["spectral_predictability"].value == pytest.approx(1 - np.log(2) / np.log(32))  # two lines, + and -


def test_an_offset_and_a_scale_change_nothing():
    x = np.random.default_rng(1).standard_normal((400, 5)) ** 3
    one, other = (shape(y, whole_index([100] * 4), n=16) for y in (x, 1e3 * x + 1e6))
    for metric in one:
        assert other[metric].value == pytest.approx(one[metric].value, rel=1e-6)


def test_stretches_end_with_the_utterance_and_at_a_frame_that_is_not_finite():
    frames = whole_index([5, 9])
    x = np.random.default_rng(2).standard_normal((14, 2))
    assert shape(x, frames)["spectral_predictability"].n == 1 + 2
    frames = frames.with_finite(np.arange(14) != 9)  # of the second utterance, 4 frames are left on either side
    assert shape(x, frames)["spectral_predictability"].n == 1 + 1 + 1


def test_one_speaker_has_no_interval_and_a_still_dimension_is_left_out():
    x = np.column_stack([np.random.default_rng(3).standard_normal(64), np.zeros(64)])
    found = shape(x, whole_index([64]))
    assert all(r.ci_low is None and r.ci_high is None for r in found.values())
    assert found["participation_ratio"].value == pytest.approx(1.0)
    assert np.isfinite(found["spectral_predictability"].value) and found["excess_kurtosis"].status == "ok"


@pytest.mark.parametrize(
    ("change", "said"), [("split", "no frame of the split eval"), ("short", "has 4 finite frames")]
)
def test_what_cannot_be_measured_is_told(change, said):
    frames = whole_index([3, 3], splits="train" if change == "split" else "eval")
    with pytest.raises(UserError, match=said):
        shape(np.ones((6, 2)), frames)
