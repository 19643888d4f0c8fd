"""Outliers: how many, whose, how large, and what is refused."""

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.representations.outliers import outlier_frames

SPLITS = {"t1": "train", "t2": "train", "e1": "eval"}


def utterances(seed=0):
    rng = np.random.default_rng(seed)
    return {(f"{s}-{i}", s): rng.normal(size=(500, 3)) for s in SPLITS for i in range(4)}


@pytest.fixture
def derive(derive):
    def make(source, name="outliers", *, share=0.01, factor=1e3, dtype="float32", affected=("train",)):
        settings = {"kind": "outliers", "share": share, "factor": factor, "dtype": dtype, "splits": list(affected)}
        return derive(source, settings, name, SPLITS)

    return make


def content(store):
    return {row.utterance_id: (row.speaker_id, latents.copy()) for row, latents, _ in store.iterate()}


def test_hit_frames_are_multiplied_and_no_other_is_touched(make_store, derive):
    source, _ = make_store(utterances())
    store = derive(source)
    found, before, hits = content(store), content(source), 0
    for name, (speaker, latents) in found.items():
        expected = before[name][1].copy()
        if SPLITS[speaker] == "train":
            hit = outlier_frames(name, 500, 0.01)
            expected[hit] *= 1000
            hits += len(hit)
        np.testing.assert_array_equal(latents, expected)
    assert store.handle["outlier_frames"] == hits
    assert (store.handle["kind"], store.handle["root"], store.handle["causal"]) == ("outliers", "test", True)
    assert store.utterances.equals(source.utterances)


def test_the_share_is_kept_in_expectation():
    hits = sum(len(outlier_frames(f"utterance {i}", 1000, 0.02)) for i in range(200))
    assert abs(hits - 4000) < 4 * np.sqrt(200_000 * 0.02 * 0.98)


def test_frames_are_hit_by_name_whatever_the_order_and_the_splits(make_store, derive):
    one, _ = make_store(utterances())
    other, _ = make_store(dict(reversed(utterances().items())), "turned")
    first, second = content(derive(one)), content(derive(other, "b", affected=["train", "eval"]))
    for name, (speaker, latents) in first.items():
        if SPLITS[speaker] == "train":
            np.testing.assert_array_equal(latents, second[name][1])


def test_a_frame_that_was_not_finite_stays_so(make_store, derive):
    data = utterances()
    hit = outlier_frames("t1-0", 500, 0.01)[0]
    data["t1-0", "t1"][hit] = [np.nan, np.inf, 1]
    source, _ = make_store(data)
    store = derive(source)
    np.testing.assert_array_equal(content(store)["t1-0"][1][hit], [np.nan, np.inf, 1000])
    assert store.handle["nonfinite_frames"] == 1


def test_a_copy_without_any_outlier_is_refused(make_store, derive, tmp_path):
    source, _ = make_store(utterances())
    with pytest.raises(UserError, match=r"not one of 4000 frames was hit at a share of 1e-12.*raise the share"):
        derive(source, share=1e-12)
    assert not (tmp_path / "outliers.json").exists()


def test_overflow_is_refused_and_leaves_no_store(make_store, derive, tmp_path):
    data = utterances()
    for x in data.values():
        x *= 100
    source, _ = make_store(data)
    with pytest.raises(UserError, match=r"overflows float16.*use float32"):
        derive(source, dtype="float16")
    assert not (tmp_path / "outliers.json").exists()
    assert derive(source, factor=10, dtype="float16").handle["nonfinite_frames"] == 0


def test_a_speaker_without_a_split_is_refused(make_store, derive):
    source, _ = make_store({("u", "stranger"): np.ones((5, 3))})
    with pytest.raises(UserError, match=r"1 speakers .* have no split \(the first is stranger\)"):
        derive(source)
