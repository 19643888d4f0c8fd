"""Deriving a store: frames that never change, and a store that is whole or not there."""

import hashlib

import numpy as np
import pytest

from latentdyn.errors import UserError

CLIPS = {
    (f"{speaker}-0", speaker): np.arange(3 * (100 + i)).reshape(-1, 3) for i, speaker in enumerate(("t1", "t2", "e1"))
}


@pytest.mark.parametrize(
    ("settings", "sha256"),
    [
        ({"kind": "pooled", "frame_rate_hz": 6.25}, "d5176a046079f688"),
        ({"kind": "surrogate", "method": "shuffled"}, "cea89e1680e0eaf0"),
        ({"kind": "surrogate", "method": "time_reversed"}, "c5ab1c30b1b16b3d"),
        ({"kind": "outliers", "share": 0.1, "factor": 10.0, "splits": ["eval"]}, "96426d2d4c76a16c"),
    ],
)
def test_frames_are_those_that_every_version_made(make_store, derive, settings, sha256):
    """Draws follow from names that must not change. Kinds that call a linear algebra library are left out."""
    store = derive(make_store(CLIPS)[0], settings)
    assert hashlib.sha256(store.load().tobytes()).hexdigest()[:16] == sha256


def test_what_is_refused_leaves_the_earlier_store_as_it_was(make_store, derive, tmp_path):
    source = make_store(CLIPS)[0]
    derive(source, {"kind": "surrogate", "method": "white"})
    before = (tmp_path / "derived.json").read_bytes()
    for settings, split_of, message in (
        ({"kind": "surrogate", "method": "white"}, {"t1": "eval", "t2": "eval", "e1": "eval"}, "no training speaker"),
        ({"kind": "outliers", "share": 1e-9, "factor": 2.0, "splits": ["eval"]}, None, "not one of 102 frames"),
        ({"kind": "pooled", "frame_rate_hz": 5.0}, None, "divided by a whole number"),
        ({"kind": "pooled", "frame_rate_hz": 6.25}, {"t1": "train", "t2": "train"}, "1 speakers .* have no split"),
    ):
        with pytest.raises(UserError, match=message):
            derive(source, settings, split_of=split_of)
        assert (tmp_path / "derived.json").read_bytes() == before


def test_non_finite_frames_are_counted_beside_those_of_the_source(make_store, derive, caplog):
    clips = {key: x.astype(np.float32) for key, x in CLIPS.items()}
    clips["t1-0", "t1"][[4, 5, 8]] = np.nan
    with caplog.at_level("INFO"):
        derive(make_store(clips)[0], {"kind": "pooled", "frame_rate_hz": 6.25})
    assert "2 non-finite frames, where the source has 3" in caplog.text
