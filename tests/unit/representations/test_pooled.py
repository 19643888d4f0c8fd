"""Mean-pooling: by hand, and what it keeps of a store."""

import math

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.representations.base import Source
from latentdyn.representations.pooled import Pooled, mean_pool, pooling_factor
from latentdyn.stores.latents import LatentsWriter, open_latents
from latentdyn.stores.lineage import root_facts


@pytest.mark.parametrize(("source", "target", "factor"), [(75, 12.5, 6), (50, 12.5, 4), (25, 12.5, 2), (12.5, 12.5, 1)])
def test_rates_that_divide(source: float, target: float, factor: int):
    assert pooling_factor(source, target) == factor


def test_a_rate_known_to_float_precision_divides():
    rate = 44_100 / 512  # 86.1328125 Hz
    assert pooling_factor(rate, rate / 7) == 7


@pytest.mark.parametrize(("source", "target"), [(75, 50), (12.5, 25), (86.13, 12.5), (12.5, 1e9)])
def test_rates_that_do_not_divide_are_refused(source: float, target: float):
    with pytest.raises(UserError, match=r"not by a whole number of frames.*frame_rate_hz"):
        pooling_factor(source, target)


def test_means_by_hand_and_an_incomplete_group_is_dropped():
    latents = np.array([[0, 10], [2, 30], [4, 0], [8, -2], [99, 99]], np.float32)
    energy_db = np.array([0, -10, -20, -20, 0], np.float32)
    pooled, pooled_db = mean_pool(latents, energy_db, 2)
    assert pooled.tolist() == [[1, 20], [6, -1]]
    # powers are averaged, not decibels: (1 + 0.1) / 2
    assert pooled_db == pytest.approx([10 * math.log10(0.55), -20])
    assert (pooled.dtype, pooled_db.dtype) == (np.float32, np.float32)


def test_a_clip_shorter_than_a_group_gives_no_frame():
    pooled, pooled_db = mean_pool(np.ones((3, 5), np.float32), np.zeros(3, np.float32), 4)
    assert (pooled.shape, pooled_db.shape) == ((0, 5), (0,))


def test_pooling_twice_is_pooling_once():
    rng = np.random.default_rng(0)
    latents, energy_db = rng.normal(size=(24, 3)).astype(np.float32), rng.uniform(-60, 0, 24).astype(np.float32)
    once = mean_pool(latents, energy_db, 6)
    twice = mean_pool(*mean_pool(latents, energy_db, 2), 3)
    for a, b in zip(once, twice, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_means_do_not_lose_digits_to_a_large_offset():
    latents = np.full((1000, 1), 1e4, np.float32)
    latents[::2] += 1
    assert mean_pool(latents, np.zeros(1000, np.float32), 1000)[0][0, 0] == np.float32(10_000.5)


def test_what_is_missing_stays_missing():
    latents = np.array([[1.0], [np.nan], [3.0], [5.0]], np.float32)
    energy_db = np.full(4, np.nan, np.float32)  # latents that came without audio
    pooled, pooled_db = mean_pool(latents, energy_db, 2)
    assert np.isnan(pooled[0, 0]) and pooled[1, 0] == 4
    assert np.isnan(pooled_db).all()


def test_the_inverse_repeats_each_mean():
    transform = Pooled(Source(2, 50.0), "float32", frame_rate_hz=25.0)
    assert transform.invert(np.array([[1.0, 2], [3, 4]]), "u").tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]


def test_a_store_keeps_its_utterances_and_says_its_new_rate(tmp_path, derive):
    clips = {"a": np.arange(20, dtype=np.float32).reshape(10, 2), "short": np.ones((3, 2), np.float32)}
    writer = LatentsWriter(tmp_path / "source.json", 2, 50.0, causal=True, **root_facts({"kind": "soundstream"}))
    for name, latents in clips.items():
        writer.append(name, f"speaker of {name}", latents, np.full(len(latents), -20, np.float32))
    writer.close()

    settings = {"kind": "pooled", "frame_rate_hz": 12.5, "dtype": "float16"}
    pooled = derive(open_latents(tmp_path / "source.json"), settings)
    assert (pooled.frame_rate_hz, pooled.dim, pooled.handle["dtype"]) == (12.5, 2, "float16")
    assert (pooled.handle["kind"], pooled.handle["root"], pooled.handle["causal"]) == ("pooled", "soundstream", True)
    assert pooled.utterances.utterance_id.tolist() == ["a", "short"]
    assert pooled.utterances.speaker_id.tolist() == ["speaker of a", "speaker of short"]
    found = {row.utterance_id: latents.tolist() for row, latents, _ in pooled.iterate()}
    assert found == {"a": [[3, 4], [11, 12]], "short": []}
