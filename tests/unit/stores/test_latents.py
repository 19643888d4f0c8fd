"""The latents store: what goes in comes out, whole or not at all."""

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentdyn.errors import UserError
from latentdyn.files import read_json, write_json
from latentdyn.stores.frames import check_finite_share
from latentdyn.stores.latents import open_latents, store_path
from latentdyn.stores.latents_merge import merge_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts
from tests.shards import small_shards


def write(handle: Path, lengths: list[int], seed: int = 0, dim: int = 3, dtype: str = "float32", nonfinite: int = 0):
    rng = np.random.default_rng(seed)
    writer = LatentsWriter(handle, dim, 12.5, dtype, kind="test", causal=True)
    written = []
    for i, n in enumerate(lengths):
        x, level = rng.normal(3, 2, (n, dim)).astype(np.float32), rng.normal(size=n).astype(np.float32)
        if i < nonfinite:
            x[0, 0] = np.nan
        writer.append(f"u{seed}-{i}", f"s{i % 2}", x, level)
        written.append((f"u{seed}-{i}", x, level))
    return writer.close(), written


def read(handle: Path):
    return [(row.utterance_id, x, level) for row, x, level in open_latents(handle).iterate()]


def assert_equal(left, right) -> None:
    assert len(left) == len(right)
    for (name, x, level), (name_, x_, level_) in zip(left, right, strict=True):
        assert name == name_
        np.testing.assert_array_equal(x, x_)
        np.testing.assert_array_equal(level, level_)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(0, 40), max_size=8))
def test_what_is_written_is_read_across_shards(tmp_path, monkeypatch, lengths):
    small_shards(monkeypatch, 16, 4)
    handle, written = write(tmp_path / "a.json", lengths)
    assert_equal(read(tmp_path / "a.json"), written)
    assert handle["n_frames"] == sum(lengths) and handle["n_utterances"] == len(lengths)
    loaded = open_latents(tmp_path / "a.json").load()
    np.testing.assert_array_equal(loaded, np.concatenate([np.empty((0, 3), np.float32), *(x for _, x, _ in written)]))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=4))
def test_merged_parts_hold_the_parts(tmp_path, monkeypatch, parts):
    small_shards(monkeypatch, 16, 4)
    written = [write(tmp_path / f"p{i}.json", lengths, seed=i)[1] for i, lengths in enumerate(parts)]
    handle = merge_latents([tmp_path / f"p{i}.json" for i in range(len(parts))], tmp_path / "m.json")
    everything = [utterance for part in written for utterance in part]
    assert_equal(read(tmp_path / "m.json"), everything)
    assert handle["n_frames"] == sum(map(sum, parts))
    if handle["n_frames"]:
        frames = np.concatenate([x for _, x, _ in everything]).astype(np.float64)
        store = open_latents(tmp_path / "m.json")
        np.testing.assert_allclose(store.array("dim_mean")[:], frames.mean(0), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(store.array("dim_std")[:], frames.std(0), rtol=1e-10, atol=1e-12)


def test_merging_copies_no_frame(tmp_path):
    write(tmp_path / "p.json", [10])
    merge_latents([tmp_path / "p.json"], tmp_path / "m.json")
    assert (store_path(tmp_path / "p.json") / "latents/c/0/0").samefile(tmp_path / "m.zarr/latents/c/0/0")


def test_opens_in_xarray_without_a_warning(tmp_path):
    _, written = write(tmp_path / "a.json", [5, 7])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = xarray.open_zarr(tmp_path / "a.zarr")
    assert dataset.latents.dims == ("frame", "dim")
    np.testing.assert_array_equal(dataset.latents.values[5:], written[1][1])
    assert list(dataset.utterance_id.values) == ["u0-0", "u0-1"]


def test_equal_content_gives_an_equal_handle_and_other_content_another(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.json", [5, 7])
    write(tmp_path / "c.json", [5, 7], seed=1)
    a, b, c = ((tmp_path / f"{name}.json").read_bytes() for name in "abc")
    assert a == b != c


FITTED = {
    "mean": np.array([1.5, -2.0, 0.0]),
    "axes": np.arange(6, dtype=np.float32).reshape(2, 3).T,  # not in C order
    "zeros": np.zeros((2, 2)),
    "count": np.array(7),
    "none": np.empty((0, 3), np.float32),
    "codes": np.array([True, False]),
}


def write_fitted(handle: Path, fitted: dict[str, np.ndarray]):
    writer = LatentsWriter(handle, 3, 12.5, fitted=fitted)
    writer.append("u", "s", np.ones((4, 3), np.float32))
    return writer.close()


def test_fitted_arrays_come_back_and_count_for_the_digest(tmp_path):
    handle = write_fitted(tmp_path / "a.json", FITTED)
    fitted = open_latents(tmp_path / "a.json").fitted()
    assert fitted.keys() == FITTED.keys()
    for name, array in FITTED.items():
        assert (fitted[name].dtype, fitted[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(fitted[name], array)
    assert write_fitted(tmp_path / "b.json", FITTED) == handle
    for change in ({"mean": np.array([1.5, -2.0, 1e-9])}, {"zeros": np.zeros((1, 4))}, {"count": np.array(7.0)}):
        assert write_fitted(tmp_path / "b.json", FITTED | change)["digest"] != handle["digest"]
    assert "fitted" not in write_fitted(tmp_path / "c.json", {})
    assert open_latents(tmp_path / "c.json").fitted() == {}


def test_fitted_arrays_open_in_xarray_beside_the_latents(tmp_path):
    write_fitted(tmp_path / "a.json", FITTED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = xarray.open_zarr(tmp_path / "a.zarr", group="fitted")
        assert set(xarray.open_zarr(tmp_path / "a.zarr").dims) == {"frame", "dim", "utterance"}
    np.testing.assert_array_equal(fitted["axes"].values, FITTED["axes"])


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(file.read_bytes()[:-1]), Path.unlink,
                                    lambda file: file.write_bytes(file.read_bytes()[::-1])])  # fmt: skip
def test_a_fitted_array_that_was_damaged_is_refused_with_its_name(tmp_path, damage):
    write_fitted(tmp_path / "a.json", FITTED)
    damage(tmp_path / "a.zarr/fitted/mean/c/0")
    with pytest.raises(UserError, match=r"a file of this latents store|not the one that .*fitted/mean.*delete"):
        open_latents(tmp_path / "a.json").fitted()


def test_half_precision_rounds_to_it(tmp_path):
    _, written = write(tmp_path / "a.json", [9], dtype="float16")
    np.testing.assert_array_equal(read(tmp_path / "a.json")[0][1], written[0][1].astype(np.float16).astype(np.float32))


def test_frames_that_are_not_finite_are_counted_and_left_out_of_the_moments(tmp_path):
    handle, written = write(tmp_path / "a.json", [5, 7], nonfinite=1)
    assert handle["nonfinite_frames"] == 1
    frames = np.concatenate([x for _, x, _ in written])
    np.testing.assert_allclose(
        open_latents(tmp_path / "a.json").array("dim_mean")[:], frames[1:].mean(0, dtype=np.float64), rtol=1e-12
    )


def test_an_unfinished_store_has_no_handle(tmp_path):
    write(tmp_path / "a.json", [5])
    writer = LatentsWriter(tmp_path / "a.json", 3, 12.5)
    writer.append("u", "s", np.zeros((4, 3), np.float32))
    assert not (tmp_path / "a.json").exists()
    with pytest.raises(UserError, match="missing"):
        open_latents(tmp_path / "a.json")


def test_a_store_has_one_writer_whatever_is_deleted_under_it(tmp_path):
    """Snakemake deletes a job's outputs before the job, even if an earlier one is still at work on them."""
    write(tmp_path / "part.json", [5])
    writer = LatentsWriter(tmp_path / "a.json", 3, 12.5)
    shutil.rmtree(tmp_path / "a.zarr")
    for second in (
        lambda: LatentsWriter(tmp_path / "a.json", 3, 12.5),
        lambda: merge_latents([tmp_path / "part.json"], tmp_path / "a.json"),
    ):
        with pytest.raises(UserError, match=rf"already being done: process {os.getpid()} .*a\.zarr"):
            second()
    assert not (tmp_path / "a.zarr").exists()
    writer.append("u", "s", np.zeros((4, 3), np.float32))
    with pytest.raises(FileNotFoundError):  # what the first one made is not taken for a store
        writer.close()
    assert not (tmp_path / "a.json").exists()


def test_stores_beside_each_other_are_written_at_once_and_leave_no_lock(tmp_path):
    writers = [LatentsWriter(tmp_path / f"{name}.json", 3, 12.5) for name in "ab"]
    for i, writer in enumerate(writers):
        writer.append(f"u{i}", "s", np.zeros((4, 3), np.float32))
        writer.close()
    merge_latents([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "m.json")
    names = {f"{store}.{suffix}" for store in "abm" for suffix in ("json", "zarr")}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_what_a_killed_writer_left_is_written_over(tmp_path):
    """Its process dies with a store half written; the lock's file is there, and the lock is not."""
    killed = """
import os, sys
from pathlib import Path
from latentdyn.stores.latents_writer import LatentsWriter
writer = LatentsWriter(Path(sys.argv[1]), 3, 12.5)
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", killed, tmp_path / "a.json"], check=False).returncode == -9
    assert (tmp_path / "a.zarr").is_dir() and (tmp_path / "a.lock").is_file()
    _, written = write(tmp_path / "a.json", [5])
    assert_equal(read(tmp_path / "a.json"), written)
    assert not (tmp_path / "a.lock").exists()


def test_a_truncated_shard_is_refused_with_its_name(tmp_path):
    write(tmp_path / "a.json", [300])
    shard = tmp_path / "a.zarr/latents/c/0/0"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"bytes where .* were written.*latents/c/0/0.*delete"):
        open_latents(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["latents/c/0/0", "latents/c/1/0", "energy_db/c/0", "start/c/0", "speaker_id/c/0",
                                  "latents/zarr.json", "zarr.json"])  # fmt: skip
def test_a_flipped_bit_is_refused_where_it_is_read(tmp_path, monkeypatch, name):
    small_shards(monkeypatch, 16, 4)
    write(tmp_path / "a.json", [20, 7])
    file = tmp_path / "a.zarr" / name
    whole = file.read_bytes()
    for position in range(0, len(whole), 1 + len(whole) // 9):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        if name == "latents/zarr.json":  # zarr reads the copy of it in zarr.json, and never this file
            assert len(read(tmp_path / "a.json")) == 2
            continue
        with pytest.raises(UserError, match=rf"not the one that .*handle describes.*{name}.*delete .*a\.json and run"):
            read(tmp_path / "a.json")
        if name.startswith("latents"):
            with pytest.raises(UserError, match=name):
                open_latents(tmp_path / "a.json").load()


def test_exchanged_shards_are_refused(tmp_path, monkeypatch):
    small_shards(monkeypatch, 16, 4)
    write(tmp_path / "a.json", [32])
    first, second = (tmp_path / f"a.zarr/latents/c/{i}/0" for i in range(2))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(UserError, match="exchanged since it was written"):
        open_latents(tmp_path / "a.json").load()


def test_an_edited_handle_is_refused(tmp_path):
    write(tmp_path / "a.json", [5])
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "a.json").write_text(text.replace('"frame_rate_hz": 12.5', '"frame_rate_hz": 25.0'))
    with pytest.raises(UserError, match=r"damaged, edited.*a\.json"):
        open_latents(tmp_path / "a.json")


def test_an_utterance_of_two_parts_is_refused(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.json", [5])
    with pytest.raises(UserError, match=r"utterance u0-0 is in two parts.*a\.json, .*b\.json"):
        merge_latents([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "m.json")


def test_a_missing_shard_is_refused(tmp_path):
    write(tmp_path / "a.json", [300])
    (tmp_path / "a.zarr/latents/c/0/0").unlink()
    with pytest.raises(UserError, match="is missing"):
        open_latents(tmp_path / "a.json")


def test_a_store_of_another_version_is_refused(tmp_path):
    write(tmp_path / "a.json", [3])
    write_json(tmp_path / "a.json", {**read_json(tmp_path / "a.json", made_by="x"), "schema_version": 99})
    with pytest.raises(UserError, match="schema version 99"):
        open_latents(tmp_path / "a.json")


def test_a_merged_store_has_the_lineage_of_its_parts(tmp_path):
    settings = {"kind": "logmel", "n_mels": 3, "dtype": "float32"}
    for name, own in (("a", settings), ("b", settings), ("c", settings | {"n_mels": 4})):
        LatentsWriter(tmp_path / f"{name}.json", 3, 12.5, **root_facts(own)).close()
    merged = merge_latents([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "m.json")
    assert {name: merged[name] for name in ("kind", "root", "lineage")} == root_facts(settings)
    with pytest.raises(UserError, match="differ"):
        merge_latents([tmp_path / "a.json", tmp_path / "c.json"], tmp_path / "m.json")


def test_parts_of_different_rates_are_refused(tmp_path):
    write(tmp_path / "a.json", [3])
    LatentsWriter(tmp_path / "b.json", 3, 50.0, kind="test", causal=True).close()
    with pytest.raises(UserError, match="differ"):
        merge_latents([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "m.json")


def test_shapes_that_do_not_fit_are_refused(tmp_path):
    writer = LatentsWriter(tmp_path / "a.json", 3, 12.5)
    with pytest.raises(ValueError, match="do not fit"):
        writer.append("u", "s", np.zeros((4, 2), np.float32))


def test_a_store_needs_no_hard_links(tmp_path, monkeypatch):
    def link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    for name in ("a", "b"):
        write(tmp_path / f"{name}.json", [3, 4], seed=ord(name))
    merge_latents([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "both.json")
    assert [len(x) for _, x, _ in read(tmp_path / "both.json")] == [3, 4, 3, 4]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_latents_on_a_grid_are_told_from_rounded_ones(tmp_path, dtype):
    x = np.random.default_rng(0).normal(0, 20, (4000, 3)).astype(np.float32)
    for name, latents, values in [
        ("fine", x, None),
        ("grid", np.round(x).clip(-128, 127), 150),
        ("few", x[:900], None),
    ]:
        writer = LatentsWriter(tmp_path / f"{name}.json", 3, 12.5, dtype, kind="test", causal=True)
        writer.append(name, "s", np.round(latents) if name == "few" else latents)
        found = writer.close().get("grid_values")
        assert found is None if values is None else 100 < found <= values
    merge_latents([tmp_path / "grid.json", tmp_path / "few.json"], tmp_path / "both.json")
    assert 100 < open_latents(tmp_path / "both.json").handle["grid_values"] <= 150
    one_bad = np.concatenate([np.round(x[:, :2]), x[:, 2:]], axis=1)
    writer = LatentsWriter(tmp_path / "one.json", 3, 12.5, dtype, kind="test", causal=True)
    writer.append("one", "s", one_bad)
    assert "grid_values" not in writer.close()


def test_utterances_that_are_set_aside_are_listed_by_the_whole_too(tmp_path):
    parts = []
    for name in ("a", "b"):
        writer = LatentsWriter(tmp_path / f"{name}.json", 2, 12.5, kind="test", causal=False, look_ahead_ms=len(parts))
        writer.append(f"good {name}", "s", np.zeros((3, 2), np.float32))
        writer.set_aside(f"bad {name}", 7, 2)
        writer.close()
        parts.append(tmp_path / f"{name}.json")
    merge_latents(parts, tmp_path / "whole.json")
    whole = open_latents(tmp_path / "whole.json")
    assert [(one["utterance_id"], one["n_frames"], one["nonfinite_frames"]) for one in whole.set_aside] == [
        ("bad a", 7, 2), ("bad b", 7, 2)
    ]  # fmt: skip
    assert list(whole.utterances.utterance_id) == ["good a", "good b"]
    assert whole.handle["look_ahead_ms"] == 1  # the parts may differ by rounding: the larger one holds


def test_a_share_of_frames_that_were_set_aside_stops_the_run(tmp_path):
    writer = LatentsWriter(tmp_path / "a.json", 2, 12.5, kind="test", causal=True)
    writer.append("good", "s", np.zeros((90, 2), np.float32))
    writer.set_aside("bad", 10, 1)
    writer.close()
    store = open_latents(tmp_path / "a.json")
    check_finite_share(store, 0.1)
    with pytest.raises(UserError, match=r"10 of 100 frames \(10.0%\).*the 1 utterances that were set aside.*is bad"):
        check_finite_share(store, 0.09)
