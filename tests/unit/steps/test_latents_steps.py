"""Steps that make latents: what their handles say of where the latents come from."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from latentdyn.errors import UserError
from latentdyn.files import file_sha256, write_json
from latentdyn.parquet import write_parquet
from latentdyn.stores.latents import open_latents
from tests.unit.models.vae.examples import PRIOR, TERMS
from tests.unit.models.vae.examples import section as vae_section

LOGMEL = {"kind": "logmel", "sample_rate_hz": 16000, "hop_samples": 1280, "fft_samples": 1280, "n_mels": 4,
          "floor_db": -80.0, "dtype": "float32"}  # fmt: skip
POOLED = {"kind": "pooled", "source": "mel", "frame_rate_hz": 6.25, "dtype": "float16"}
WHITE = {"kind": "surrogate", "source": "slow", "method": "white", "dtype": "float32"}


def options(settings: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in settings.items() if name not in ("kind", "source")}


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    write_parquet(tmp_path / "splits.parquet", pd.DataFrame({"speaker_id": ["s0", "s1"], "split": ["train", "eval"]}))
    return tmp_path / "splits.parquet"


def test_a_lineage_leads_from_a_derived_store_through_merged_parts_to_the_encoder(call, splits, tmp_path):
    parts, handles = [], {name: tmp_path / f"{name}/latents.json" for name in ("mel", "slow", "white")}
    for i in range(2):
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * np.random.default_rng(i).normal(size=32000), 16000, "FLOAT")
        part = {"utterance_id": f"u{i}", "speaker_id": f"s{i}", "path": f"{i}.wav", "n_samples": 32000,
                "sha256": file_sha256(tmp_path / f"{i}.wav"), "sample_rate_hz": 16000}  # fmt: skip
        write_parquet(tmp_path / f"{i}.parquet", pd.DataFrame([part]))
        parts.append(tmp_path / f"part{i}.json")
        call("encode_latents", part=tmp_path / f"{i}.parquet", audio=tmp_path, representation=json.dumps(LOGMEL),
             code="x", state=tmp_path / "state", handle=parts[-1])  # fmt: skip
    call("merge_latents", parts=parts, handle=handles["mel"])
    for source, name, settings in (("mel", "slow", POOLED), ("slow", "white", WHITE)):
        call("derive_latents", source=handles[source], splits=splits, representation=json.dumps(settings),
             handle=handles[name])  # fmt: skip
    mel, slow, white = (open_latents(handle).handle for handle in handles.values())
    assert (mel["kind"], mel["root"], mel["n_utterances"]) == ("logmel", "logmel", 2)
    assert (white["kind"], white["root"]) == ("surrogate", "logmel")
    assert white["lineage"] == [
        {"kind": "logmel", "settings": options(LOGMEL), "source_digest": None},
        {"kind": "pooled", "settings": options(POOLED), "source_digest": mel["digest"]},
        {"kind": "surrogate", "settings": options(WHITE), "source_digest": slow["digest"]},
    ]
    assert set(white["fitted"]) == {"mean", "factor"}


def test_provided_latents_are_a_root(call, tmp_path):
    np.save(tmp_path / "u0.npy", np.ones((5, 3), np.float32))
    row = {"utterance_id": "u0", "speaker_id": "s0", "path": "u0.npy", "sha256": file_sha256(tmp_path / "u0.npy"),
           "dim": 3}  # fmt: skip
    write_json(
        tmp_path / "manifest.json", {"digest": write_parquet(tmp_path / "manifest.parquet", pd.DataFrame([row]))}
    )
    arguments = {"manifest": tmp_path / "manifest.parquet", "root": tmp_path, "frame_rate_hz": 12.5,
                 "representation": '{"kind": "provided", "dtype": "float32"}',
                 "handle": tmp_path / "latents.json"}  # fmt: skip
    call("import_latents", **arguments)
    handle = open_latents(tmp_path / "latents.json").handle
    assert (handle["kind"], handle["root"], handle["causal"]) == ("provided", "provided", None)
    assert handle["lineage"] == [{"kind": "provided", "settings": {"dtype": "float32"}, "source_digest": None}]
    np.save(tmp_path / "u0.npy", 2 * np.ones((5, 3), np.float32))
    with pytest.raises(UserError, match=r"changed since the manifest was built.*u0\.npy"):
        call("import_latents", **arguments)


def test_a_learned_store_is_made_by_a_model_that_the_training_step_has_written(call, tmp_path):
    rng = np.random.default_rng(0)
    store = import_arrays(call, tmp_path, [rng.normal(size=(40, 3)) for _ in range(4)])
    split_of = {"speaker_id": [f"s{i}" for i in range(4)], "split": ["train", "train", "validation", "eval"]}
    write_parquet(tmp_path / "splits.parquet", pd.DataFrame(split_of))
    latents, frames = tmp_path / "latents.json", tmp_path / "frames.json"
    call("index_frames", latents=latents, splits=tmp_path / "splits.parquet", max_nonfinite_share=0.05,
         frames=tmp_path / "frames.parquet", handle=frames)  # fmt: skip
    own = vae_section(stack=2, dim=2, posterior="sample", seed=3, objective={"terms": TERMS, "prior": PRIOR})
    call("train_model", kind="vae", settings=json.dumps(own.model_settings()), latents=latents, frames=frames, code="x",
         seed=3, state=tmp_path / "state", curve=tmp_path / "curve.parquet", handle=tmp_path / "vae.json")  # fmt: skip
    call("derive_latents", source=latents, model=tmp_path / "vae.json", splits=tmp_path / "splits.parquet",
         representation=own.canonical(), handle=tmp_path / "learned.json")  # fmt: skip
    learned = open_latents(tmp_path / "learned.json")
    assert (learned.dim, learned.frame_rate_hz, learned.handle["n_frames"]) == (2, 6.25, 80)
    assert learned.handle["lineage"][-1] == {"kind": "vae", "settings": options(own.model_dump(mode="json")),
                                             "source_digest": store.handle["digest"]}  # fmt: skip


def import_arrays(call, folder: Path, arrays: list[np.ndarray], dtype: str = "float32"):
    """Import one utterance an array, and open what became of them."""
    rows = []
    for i, array in enumerate(arrays):
        np.save(folder / f"u{i}.npy", array)
        rows.append({"utterance_id": f"u{i}", "speaker_id": f"s{i}", "path": f"u{i}.npy", "dim": array.shape[1],
                     "sha256": file_sha256(folder / f"u{i}.npy")})  # fmt: skip
    write_json(folder / "manifest.json", {"digest": write_parquet(folder / "manifest.parquet", pd.DataFrame(rows))})
    call("import_latents", manifest=folder / "manifest.parquet", root=folder, frame_rate_hz=12.5,
         representation=json.dumps({"kind": "provided", "dtype": dtype}), handle=folder / "latents.json")  # fmt: skip
    return open_latents(folder / "latents.json")


@pytest.mark.parametrize("offset", [1e5, 1e8, -1e12])
def test_a_large_constant_of_float64_latents_is_subtracted_and_kept(call, tmp_path, offset):
    rng = np.random.default_rng(0)
    shifted = [rng.normal(size=(200, 3)) + np.array([offset, 0, 3]) for _ in range(2)]
    store = import_arrays(call, tmp_path, shifted)
    subtracted = np.array(store.handle.get("offset", [0.0, 0, 0]))
    assert (subtracted[0] != 0) == (abs(offset) > 1e6) and (subtracted[1:] == 0).all()
    tolerance = 1e-2 if offset == 1e5 else 1e-6 + 2e-16 * abs(offset)
    restored = store.load().astype(np.float64) + subtracted
    np.testing.assert_allclose(restored, np.concatenate(shifted), rtol=0, atol=tolerance)


def test_latents_that_lose_nothing_are_stored_as_they_are(call, tmp_path):
    x = (1e7 + np.random.default_rng(0).normal(size=(50, 2))).astype(np.float32)
    store = import_arrays(call, tmp_path, [x])
    assert "offset" not in store.handle and (store.load() == x).all()


@pytest.mark.parametrize(("dtype", "large"), [("float16", 1e5), ("float32", 1e300)])
def test_frames_that_the_dtype_cannot_hold_are_counted_and_told(call, splits, tmp_path, caplog, dtype, large):
    x = np.random.default_rng(0).normal(size=(100, 2))
    x[[3, 40, 41], 1] = large
    x[7, 0] = np.nan
    store = import_arrays(call, tmp_path, [x, x[:50]], dtype)
    assert (store.handle["nonfinite_frames"], store.handle["overflowed_frames"]) == (8, 6)
    index = {"latents": tmp_path / "latents.json", "splits": splits, "frames": tmp_path / "frames.parquet",
             "handle": tmp_path / "frames.json"}  # fmt: skip
    call("index_frames", **index, max_nonfinite_share=0.06)
    said = rf"8 of 150 frames \(5\.3%\) are not finite; 6 of them were finite before they were stored as {dtype}"
    assert re.search(said, caplog.text)
    with pytest.raises(UserError, match=said + r".*more than the allowed share 5\.0%"):
        call("index_frames", **index, max_nonfinite_share=0.05)
