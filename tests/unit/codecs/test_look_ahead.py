"""The measured look-ahead of encoders whose true one is known, and of such that say the wrong thing."""

import numpy as np
import pytest

from latentdyn.codecs.look_ahead import measure_look_ahead
from latentdyn.errors import UserError

HOP = 8


class Means:
    """Frame t is the mean of the samples from its start to `samples` after its end."""

    hop_samples, dim, sample_rate_hz, start_look_ahead_frames = HOP, 1, 1000, 0

    def __init__(self, samples: int, look_ahead_frames: int):
        self.samples, self.look_ahead_frames = samples, look_ahead_frames

    def encode(self, audio):
        padded = np.pad(audio, ((0, 0), (0, self.samples)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, HOP + self.samples, axis=1)[:, ::HOP]
        return windows.mean(axis=2, dtype=np.float64)[..., None].astype(np.float32)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (8, 1), (9, 2), (23, 3), (24, 3)])
def test_it_is_known_to_the_sample(samples, frames):
    measured = measure_look_ahead(Means(samples, frames))
    assert measured == {
        "causal": samples == 0,
        "look_ahead_frames": frames,
        "look_ahead_ms": samples,
        "start_look_ahead_frames": 0,
    }


@pytest.mark.parametrize(("samples", "declared"), [(1, 0), (9, 1), (100, 2), (0, 1)])
def test_what_a_codec_says_must_be_true(samples, declared):
    with pytest.raises(UserError, match=f"hears up to {declared} frames ahead"):
        measure_look_ahead(Means(samples, declared))


def test_an_exception_at_the_start_must_be_true():
    codec = Means(0, 0)
    codec.start_look_ahead_frames = 3
    with pytest.raises(UserError, match="up to frame 3"):
        measure_look_ahead(codec)


def test_damaged_weights_are_told():
    codec = Means(0, 0)
    codec.encode = lambda audio: np.full((1, audio.shape[1] // HOP, 1), np.nan)
    with pytest.raises(UserError, match="not finite for a little noise"):
        measure_look_ahead(codec)
