"""The frame index, against values counted by hand and against plain loops."""

import numpy as np
import pandas as pd
import pytest

from latentdyn.errors import UserError
from latentdyn.parquet import write_parquet
from latentdyn.stores.frames import index_frames, open_frames, write_frames
from latentdyn.stores.latents import open_latents
from latentdyn.stores.latents_writer import LatentsWriter

SPLITS = pd.DataFrame({"speaker_id": ["a", "b"], "split": ["train", "eval"]})


@pytest.fixture
def store(tmp_path):
    writer = LatentsWriter(tmp_path / "latents.json", 2, 12.5)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(11, 2)).astype(np.float32)
    x[4, 1] = np.nan
    writer.append("a1", "a", x, np.arange(11, dtype=np.float32))
    writer.append("b1", "b", rng.normal(size=(4, 2)).astype(np.float32), np.array([5, 1, 1, 9], np.float32))
    writer.append("b2", "b", rng.normal(size=(1, 2)).astype(np.float32))
    writer.close()
    return open_latents(tmp_path / "latents.json")


def test_rows_by_hand(store):
    frames = index_frames(store, SPLITS).table()
    assert frames["row"].tolist() == list(range(16))
    assert frames["t"].tolist() == [*range(11), *range(4), 0]
    assert frames["split"].tolist() == ["train"] * 11 + ["eval"] * 5
    assert frames["utterance_id"].tolist() == ["a1"] * 11 + ["b1"] * 4 + ["b2"]
    assert np.flatnonzero(~frames["valid"]).tolist() == [4]
    # medians: 5 of 0..10; the lower median of 1, 1, 5, 9 is 1; there is none without audio
    assert frames["high_energy"].tolist() == [False] * 5 + [True] * 6 + [True] * 4 + [False]
    assert frames["utterance_medial"].tolist() == [False, *([True] * 9), False, False, True, True, False, False]
    assert frames["all"].all()


def test_round_trip_and_handle(store, tmp_path):
    index = index_frames(store, SPLITS)
    handle = write_frames(tmp_path / "frames.parquet", tmp_path / "frames.json", index, store)
    assert handle["frames"] == {"train": 11, "eval": 5} and handle["invalid_frames"] == 1
    assert handle["speakers"] == {"train": 1, "eval": 1} and handle["n_frames"] == 16
    pd.testing.assert_frame_equal(open_frames(tmp_path / "frames.json", store).table(), index.table())
    written = pd.read_parquet(tmp_path / "frames.parquet")
    np.testing.assert_allclose(written["position"], [*np.arange(11) / 10, 0, 1 / 3, 2 / 3, 1, 0], rtol=1e-6)
    np.testing.assert_array_equal(written["energy_db"], store.load_energy())


def test_an_index_in_which_splits_are_exchanged_is_refused(store, tmp_path):
    path, handle = tmp_path / "frames.parquet", tmp_path / "frames.json"
    write_frames(path, handle, index_frames(store, SPLITS), store)
    frames = pd.read_parquet(path)
    exchanged = frames.assign(split=frames["split"].cat.rename_categories({"train": "eval", "eval": "train"}))
    exchanged.to_parquet(path)  # by a user
    with pytest.raises(UserError, match=r"no checksum.*frames\.parquet.*delete .*frames\.json and run.*index_frames"):
        open_frames(handle, store)
    write_parquet(path, exchanged)  # as another run of this package would
    with pytest.raises(UserError, match=r"not the one that .*frames\.json describes"):
        open_frames(handle, store)


def test_a_speaker_without_split_is_refused(store):
    with pytest.raises(UserError, match=r"1 speakers of the latents have no split.*b"):
        index_frames(store, SPLITS[:1])


def test_an_index_of_other_latents_is_refused(store, tmp_path):
    write_frames(tmp_path / "frames.parquet", tmp_path / "frames.json", index_frames(store, SPLITS), store)
    other = LatentsWriter(tmp_path / "other.json", 2, 12.5)
    other.append("x", "a", np.zeros((3, 2), np.float32))
    other.close()
    with pytest.raises(UserError, match="other latents"):
        open_frames(tmp_path / "frames.json", open_latents(tmp_path / "other.json"))
