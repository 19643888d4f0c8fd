"""A mapped array is the one that zarr reads; what cannot be mapped is read; what was damaged is refused."""

import gc
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr

from latentdyn.errors import UserError
from latentdyn.stores import mapping
from latentdyn.stores.latents import SHARD_FRAMES, LatentsStore, open_latents, store_path
from latentdyn.stores.latents_merge import merge_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts
from latentdyn.stores.mapping import map_rows, read_at_random

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="arrays are mapped on Linux alone")


def written(handle: Path, n: int, dim: int, dtype: str = "float32", seed: int = 0) -> LatentsStore:
    writer = LatentsWriter(handle, dim, 12.5, dtype, causal=True, **root_facts({"kind": "test"}))
    latents = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    for i, part in enumerate(np.array_split(latents, 7)):
        writer.append(f"u{seed}{i}", "s", part)
    writer.close()
    return open_latents(handle)


def as_zarr_reads(store: LatentsStore) -> np.ndarray:
    return np.asarray(store.array()[:], np.float32)


def test_more_files_than_may_be_mapped_are_refused_with_the_limit_and_the_fix(tmp_path, monkeypatch):
    store = written(tmp_path / "x.json", 2 * SHARD_FRAMES + 1, 1)
    most = tmp_path / "max_map_count"
    monkeypatch.setattr(mapping, "_MOST_MAPS", most)
    monkeypatch.setattr(mapping, "_OTHER_MAPS", 10)
    for limit in ("13", "no number"):
        most.write_text(f"{limit}\n")
        np.testing.assert_array_equal(store.load(), as_zarr_reads(store))
    most.write_text("12\n")
    with pytest.raises(UserError, match=r"lie in 3 files.* map 12 .*x\.zarr.*sysctl -w vm\.max_map_count=16"):
        store.load()


@pytest.mark.parametrize("n", [7, 255, 256, 1000, SHARD_FRAMES, SHARD_FRAMES + 1, 2 * SHARD_FRAMES + 300])
@pytest.mark.parametrize("dim", [1, 3, 8])
def test_it_is_what_zarr_reads(tmp_path, n, dim):
    store = written(tmp_path / "x.json", n, dim)
    mapped = map_rows(store.files, store.array())
    assert mapped is not None and mapped.dtype == np.float32
    np.testing.assert_array_equal(mapped, as_zarr_reads(store))


def test_a_merged_store_with_rows_of_no_utterance_loads_as_zarr_reads_it(tmp_path):
    parts = [tmp_path / f"{i}.json" for i in range(3)]
    for seed, part in enumerate(parts):
        written(part, 300 + seed, 4, seed=seed)
    merge_latents(parts, tmp_path / "x.json")
    store = open_latents(tmp_path / "x.json")
    assert store.n_rows > 2 * SHARD_FRAMES
    assert store.n_rows > store.handle["n_frames"] and map_rows(store.files, store.array()) is not None
    np.testing.assert_array_equal(store.load(), as_zarr_reads(store))


def test_half_precision_is_read(tmp_path):
    store = written(tmp_path / "x.json", 300, 4, "float16")
    assert map_rows(store.files, store.array()) is None
    np.testing.assert_array_equal(store.load(), as_zarr_reads(store))


@pytest.mark.parametrize("change", [
    {"compressors": "auto"}, {"shards": None}, {"serializer": zarr.codecs.BytesCodec(endian="big")},
    {"dtype": "float64"}, {"shards": (1024, 8)},
])  # fmt: skip
def test_an_array_of_another_form_is_not_mapped(tmp_path, change):
    form = {"shape": (3000, 4), "shards": (1024, 4), "chunks": (256, 4), "dtype": "float32", "compressors": None}
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    array = group.create_array("latents", **form | change)
    array[:] = 1
    assert map_rows(Files(tmp_path / "x.zarr"), array) is None


def test_an_array_without_a_chunk_in_the_middle_is_not_mapped(tmp_path):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    array = group.create_array("latents", shape=(3000, 4), shards=(1024, 4), chunks=(256, 4), dtype="float32",
                               compressors=None, fill_value=0)  # fmt: skip
    array[:] = 1
    assert map_rows(Files(tmp_path / "x.zarr"), array) is not None
    array[2304:] = 0  # the last chunks of the last shard
    np.testing.assert_array_equal(map_rows(Files(tmp_path / "x.zarr"), array), array[:])
    array[1024:2048] = 0  # a whole shard
    np.testing.assert_array_equal(map_rows(Files(tmp_path / "x.zarr"), array), array[:])
    array[256:512] = 0
    assert map_rows(Files(tmp_path / "x.zarr"), array) is None


class Files:
    """Files of a folder without checksums."""

    def __init__(self, folder: Path) -> None:
        from latentdyn.stores.verified import VerifiedFiles, file_facts

        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        self.opened = VerifiedFiles(folder, {name: file_facts(folder / name) for name in names}, "").opened
        self.folder = folder


def test_writing_to_it_changes_no_file(tmp_path):
    store = written(tmp_path / "x.json", 300, 4)
    before = as_zarr_reads(store)
    store.load()[:] = 0
    np.testing.assert_array_equal(open_latents(tmp_path / "x.json").load(), before)


def test_it_outlives_the_store_and_its_addresses_are_given_back(tmp_path):
    store = written(tmp_path / "x.json", 20_000, 4)
    mapped, expected = store.load(), as_zarr_reads(store)
    shutil.rmtree(store_path(tmp_path / "x.json"))
    np.testing.assert_array_equal(mapped, expected)
    part = mapped[5:10]
    del mapped
    gc.collect()
    np.testing.assert_array_equal(part, expected[5:10])
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    del part
    gc.collect()
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "gone"])
def test_damage_is_refused_with_the_name_of_the_file(tmp_path, damage):
    store = written(tmp_path / "x.json", 20_000, 4)
    shard = store_path(tmp_path / "x.json") / "latents/c/1/0"
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    {"flipped": lambda: shard.write_bytes(content), "cut": lambda: shard.write_bytes(content[:-1]),
     "empty": lambda: shard.write_bytes(b""), "gone": shard.unlink}[damage]()  # fmt: skip
    with pytest.raises(UserError, match="latents/c/1/0"):
        store.load()


@pytest.mark.parametrize(("start", "end"), [(0, 5), (3, SHARD_FRAMES), (SHARD_FRAMES - 2, SHARD_FRAMES + 300),
                                            (SHARD_FRAMES + 7, 2 * SHARD_FRAMES + 300)])  # fmt: skip
def test_some_rows_are_mapped_without_reading_files_of_others(tmp_path, start, end):
    store = written(tmp_path / "x.json", 2 * SHARD_FRAMES + 300, 3)
    expected = as_zarr_reads(store)[start:end]
    shards = range(start // SHARD_FRAMES, (end - 1) // SHARD_FRAMES + 1)
    for shard in {0, 1, 2} - set(shards):
        (store_path(tmp_path / "x.json") / f"latents/c/{shard}/0").unlink()
    np.testing.assert_array_equal(map_rows(store.files.own(), store.array(), start, end), expected)


def read_as(address: int) -> set[str]:
    """How the system reads the memory at this address: `rr` at random."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    inside = False
    for line in lines:
        first, _, rest = line.partition(" ")
        if "-" in first and not first.endswith(":"):
            begin, end = (int(part, 16) for part in first.split("-"))
            inside = begin <= address < end
        elif inside and first == "VmFlags:":
            return set(rest.split())
    raise AssertionError("nothing is mapped there")


def test_the_system_reads_nothing_ahead_while_rows_are_read_at_random(tmp_path):
    rows = torch.from_numpy(written(tmp_path / "x.json", SHARD_FRAMES + 300, 3).load())
    last = rows.data_ptr() + rows.nbytes - 1
    assert not any("rr" in read_as(place) for place in (rows.data_ptr(), last))
    with pytest.raises(KeyboardInterrupt), read_at_random(rows):
        assert all("rr" in read_as(place) for place in (rows.data_ptr(), last))
        raise KeyboardInterrupt
    assert not any("rr" in read_as(place) for place in (rows.data_ptr(), last))


def test_rows_within_a_mapping_may_begin_amid_a_page(tmp_path):
    rows = torch.from_numpy(written(tmp_path / "x.json", 1000, 3).load())[7:]
    with read_at_random(rows):
        assert "rr" in read_as(rows.data_ptr())
