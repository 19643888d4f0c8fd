"""Steps that make latents: what their handles say of where the latents come from."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from latentdyn.errors import UserError
from latentdyn.files import file_sha256, write_json
from latentdyn.parquet import write_parquet
from latentdyn.stores.latents import open_latents

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
