"""Speakers that are too far apart, and frames that only look so."""

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.stores.speakers_apart import check_speakers_apart


def frames(apart: float, n: int = 400, dim: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """White frames of four speakers, whose first dimension has means 0, 1, 2, 3 times `apart`."""
    codes = np.arange(n) % 4
    x = np.random.default_rng(0).standard_normal((n, dim))
    x[:, 0] += apart * codes
    return x, codes


def test_speakers_may_be_a_thousand_times_apart_and_not_ten_thousand():
    check_speakers_apart(*frames(1e3))
    with pytest.raises(UserError, match=r"differ from each other 1\.\d+e\+04 times .*subtract from the frames"):
        check_speakers_apart(*frames(1e4))


@pytest.mark.parametrize("all_dimensions", [False, True])
def test_frames_that_never_change_within_a_speaker_are_told_as_such(all_dimensions: bool):
    """A mean that is subtracted would leave nothing of them."""
    x, codes = frames(1.0)
    still = slice(None) if all_dimensions else 0
    x[:, still] = np.random.default_rng(1).standard_normal((4, 3))[codes][:, still]
    with pytest.raises(UserError, match=r"never change within one of them.*leave out such dimensions, and utterances"):
        check_speakers_apart(x, codes)


def test_fewer_frames_than_dimensions_and_constant_dimensions_pass():
    check_speakers_apart(*frames(1e4, n=20, dim=20))
    x, codes = frames(1.0)
    x[:, 1] = 5.0
    check_speakers_apart(x, codes)
