"""A store as a lazy Dataset: what it says of each frame, that it reads late, and that it refuses what is damaged."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest

import latentdyn
from latentdyn.errors import UserError
from latentdyn.files import read_json, write_json
from latentdyn.stores.frames import index_frames, write_frames
from latentdyn.stores.latents import open_latents, store_path
from latentdyn.stores.latents_merge import merge_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts
from tests.shards import small_shards

LENGTHS = {"a": 3, "b": 5, "c": 2}


def frames_of(utterance):
    return np.arange(2 * LENGTHS[utterance], dtype=np.float32).reshape(-1, 2) + 100 * ord(utterance)


def write(handle, utterances):
    writer = LatentsWriter(handle, 2, 10.0, causal=None, **root_facts({"kind": "provided"}))
    for name in utterances:
        writer.append(name, f"speaker {name}", frames_of(name), np.full(LENGTHS[name], -20, np.float32))
    writer.close()


@pytest.fixture
def handle(tmp_path):
    """Three utterances in two shards of four rows, and their index."""
    with pytest.MonkeyPatch.context() as patch:
        small_shards(patch, 4, 2)
        path = tmp_path / "latents.json"
        write(path, LENGTHS)
        store = open_latents(path)
        splits = pd.DataFrame(
            {"speaker_id": ["speaker a", "speaker b", "speaker c"], "split": ["train", "eval", "eval"]}
        )
        write_frames(tmp_path / "frames.parquet", tmp_path / "frames.json", index_frames(store, splits), store)
        yield path


def test_it_says_what_each_frame_is(handle):
    found = latentdyn.open_latents(handle)
    assert dict(found.sizes) == {"frame": 10, "dim": 2}
    assert "".join(found.utterance.values) == "aaabbbbbcc"
    assert set(found.speaker.values[3:8]) == {"speaker b"}
    assert found.split.values.tolist() == ["train"] * 3 + ["eval"] * 7
    np.testing.assert_allclose(found.time_s, [0, 0.1, 0.2, 0, 0.1, 0.2, 0.3, 0.4, 0, 0.1])
    np.testing.assert_array_equal(found.latents, np.concatenate([frames_of(name) for name in LENGTHS]))
    np.testing.assert_array_equal(found.latents[found.utterance == "b"], frames_of("b"))
    assert (found.energy_db == -20).all()
    assert found.attrs["frame_rate_hz"] == 10 and found.attrs["kind"] == "provided"
    assert found.groupby("speaker").mean().latents.sel(speaker="speaker c").values.tolist() == [9901, 9902]


def test_chunks_are_shards_and_only_those_that_are_needed_are_read(handle):
    found = latentdyn.open_latents(str(handle))
    assert isinstance(found.latents.data, da.Array)
    assert found.latents.chunks == ((4, 4, 2), (2,)) and found.energy_db.chunks == ((4, 4, 2),)
    (store_path(handle) / "latents/c/0/0").unlink()  # after it was opened
    np.testing.assert_array_equal(found.latents[found.utterance == "c"], frames_of("c"))


def test_without_an_index_there_is_no_split(handle):
    handle.with_name("frames.json").unlink()
    assert set(latentdyn.open_latents(handle).coords) == {"utterance", "speaker", "time_s"}


def test_rows_of_no_utterance_are_left_out_after_a_merge(handle, tmp_path):
    for name in LENGTHS:
        write(tmp_path / f"{name}.json", [name])
    merged = tmp_path / "merged/latents.json"
    merge_latents([tmp_path / f"{name}.json" for name in LENGTHS], merged)
    found = latentdyn.open_latents(merged)
    assert "".join(found.utterance.values) == "aaabbbbbcc"
    assert found.latents.chunks[0] == (3, 4, 1, 2)
    np.testing.assert_array_equal(found.latents, np.concatenate([frames_of(name) for name in LENGTHS]))


def test_wrong_handles_and_damaged_stores_are_told(handle, tmp_path):
    with pytest.raises(UserError, match="missing"):
        latentdyn.open_latents(tmp_path / "other.json")
    with pytest.raises(UserError, match="no handle of latents"):
        latentdyn.open_latents(handle.with_name("frames.json"))
    (tmp_path / "text.json").write_text("latents")
    with pytest.raises(UserError, match="not valid JSON"):
        latentdyn.open_latents(tmp_path / "text.json")
    index = read_json(handle.with_name("frames.json"), made_by="")
    write_json(handle.with_name("frames.json"), index | {"latents_digest": "of others"})
    with pytest.raises(UserError, match="frame index"):
        latentdyn.open_latents(handle)
    shard = store_path(handle) / "latents/c/1/0"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UserError, match="of this latents store"):
        latentdyn.open_latents(handle)


@pytest.mark.parametrize("handle", [None, 3, "", b"x"])
def test_what_is_no_path_is_told(handle):
    with pytest.raises(UserError, match="is no path"):
        latentdyn.open_latents(handle)


def test_a_bit_that_changes_after_opening_is_told_when_it_is_read(handle):
    found = latentdyn.open_latents(handle)
    shard = store_path(handle) / "latents/c/1/0"
    content = bytearray(shard.read_bytes())
    content[3] ^= 1
    shard.write_bytes(content)
    np.testing.assert_array_equal(found.latents[:4], np.concatenate([frames_of("a"), frames_of("b")])[:4])
    with pytest.raises(UserError, match="latents/c/1/0"):
        found.latents.compute()
