"""Moments of windows: equal to those of all windows laid side by side, whatever the shards, gaps and workers."""

import dask
import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.stores import window_moments as module
from latentdyn.stores.latents import SHARD_FRAMES, open_latents
from latentdyn.stores.window_moments import window_moments


def clips(lengths, dim=3, offset=100.0):
    rng = np.random.default_rng(0)
    return {
        (f"u{i:04}", f"s{i % 3}"): offset + np.cumsum(rng.normal(size=(n, dim)), axis=0) for i, n in enumerate(lengths)
    }


def stacked(data, reach):
    """Every window of finite frames, newest frame first, (n, reach + 1, D)."""
    found = []
    for x in data:
        x = np.asarray(x, np.float32).astype(np.float64)
        for t in range(reach, len(x)):
            window = x[t - reach : t + 1][::-1]
            if np.isfinite(window).all():
                found.append(window)
    return np.array(found)


def assert_moments(moments, windows):
    n, length, dim = windows.shape
    flat = windows.reshape(n, -1)
    covariance = np.cov(flat.T, bias=True).reshape(length, dim, length, dim)
    assert moments.n == n
    np.testing.assert_allclose(moments.mean, windows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, covariance, atol=1e-11 * np.abs(covariance).max())


@pytest.mark.parametrize("reach", [0, 1, 2, 5])
def test_moments_are_those_of_all_windows_and_gaps_are_counted(make_store, reach):
    data = clips([40, 0, 1, 2, 3, 6, 7, 33])
    data["u0000", "s0"][[5, 6, 20], 1] = np.nan
    data["u0007", "s1"][0] = np.inf
    store = make_store(data)[0]
    moments = window_moments(store, store.utterances, reach)
    assert_moments(moments, stacked(data.values(), reach))
    assert (moments.frames, moments.nonfinite) == (92, 4)


def test_only_the_utterances_that_are_named_count(make_store):
    data = clips([30, 20, 25, 40])
    store = make_store(data)[0]
    chosen = store.utterances[store.utterances.speaker_id != "s1"]
    mine = [x for (_, speaker), x in data.items() if speaker != "s1"]
    assert_moments(window_moments(store, chosen[::-1], 2), stacked(mine, 2))


def test_shards_are_added_up_in_a_fixed_tree_whatever_the_workers(make_store, monkeypatch):
    lengths = [1500] * 40  # four shards; utterances lie across their borders
    data = clips(lengths, dim=2)
    store = make_store(data)[0]
    assert store.n_rows > 3 * SHARD_FRAMES
    made = {}
    for workers in (1, 2, 7):
        monkeypatch.setenv("OMP_NUM_THREADS", str(workers))
        made[workers] = window_moments(store, store.utterances, 2)
    with dask.config.set(scheduler="synchronous"):
        made["synchronous"] = window_moments(store, store.utterances, 2)
    for moments in made.values():
        np.testing.assert_array_equal(moments.covariance, made[1].covariance)
        np.testing.assert_array_equal(moments.mean, made[1].mean)
    assert_moments(made[1], stacked(data.values(), 2))


def test_a_task_can_be_sent_to_another_process(make_store):
    data = clips([30, 20])
    store = make_store(data)[0]
    _ = store.array()[:]  # files that are open here do not travel
    with dask.config.set(scheduler="processes", num_workers=1):
        assert_moments(window_moments(store, store.utterances, 1), stacked(data.values(), 1))


def test_an_offset_costs_no_digits(make_store):
    data = clips([500], offset=0.0)
    far = {key: np.round(x * 64) / 64 + 2**14 for key, x in data.items()}  # exact in float32
    near = {key: np.round(x * 64) / 64 for key, x in data.items()}
    a, b = (window_moments(s, s.utterances, 1) for s in (make_store(far)[0], make_store(near, "near")[0]))
    np.testing.assert_allclose(a.covariance, b.covariance, rtol=1e-9)


def test_no_window_gives_no_moments(make_store):
    data = clips([3, 2])
    store = make_store(data)[0]
    moments = window_moments(store, store.utterances, 3)
    assert (
        moments.n == 0 and moments.frames == 5 and np.isnan(moments.covariance).all() and np.isnan(moments.mean).all()
    )


def test_a_damaged_shard_is_told_by_its_file(make_store):
    store = make_store(clips([30]))[0]
    (shard,) = (store.path / "latents" / "c").rglob("0/0")
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    store = open_latents(store.path.with_suffix(".json"))
    with pytest.raises(UserError, match="not the one that the store's handle describes"):
        window_moments(store, store.utterances, 0)


def test_many_short_utterances_are_summed_in_blocks(make_store, monkeypatch):
    data = clips([17] * 60)
    store = make_store(data)[0]
    monkeypatch.setattr(module, "_BLOCK_FRAMES", 100)
    assert_moments(window_moments(store, store.utterances, 3), stacked(data.values(), 3))
