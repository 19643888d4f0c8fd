"""`encode_latents` end to end: a small Mimi of the real architecture (random weights, on disk) over recordings."""

import argparse
import json

import numpy as np
import pandas as pd
import soundfile
import torch

from latentdyn.codecs.logmel import LogMel
from latentdyn.corpus.audio import read_audio
from latentdyn.corpus.manifest import build_manifest
from latentdyn.corpus.partition import select_part
from latentdyn.parquet import write_parquet
from latentdyn.steps import encode_latents
from latentdyn.stores.latents import open_latents
from tests.settings import settings_of

SECONDS = {"a/long": 7.3, "a/short": 1.1, "b/whole": 2.0}  # 2 s are 25 whole hops; the others end within one


def test_mimi_through_encode_latents_is_the_plain_model_on_padded_audio(mimi_folder, noise, deviation, tmp_path):
    from transformers import MimiModel

    for name, seconds in SECONDS.items():
        (tmp_path / "audio" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "audio" / f"{name}.wav", noise(name, int(16000 * seconds)), 16000, "FLOAT")
    checks = {"min_duration_s": 1.0, "silence_dbfs": -60.0, "max_excluded_share": 0.0}
    manifest = build_manifest({"kind": "folder", "audio": checks}, tmp_path / "audio", workers=1).utterances
    write_parquet(tmp_path / "part.parquet", select_part([manifest], 0, 1))
    representation = {
        "kind": "mimi",
        "checkpoint": str(mimi_folder),
        "revision": None,
        "tile_s": 2.56,
        "dtype": "float32",
    }
    parser = argparse.ArgumentParser()
    encode_latents.add_arguments(parser)
    arguments = ["--part", tmp_path / "part.parquet", "--audio", tmp_path / "audio",
                 "--representation", json.dumps(representation), "--code", "x",
                 "--state", tmp_path / "state", "--handle", tmp_path / "latents.json"]  # fmt: skip
    encode_latents.step(parser.parse_args(list(map(str, arguments))))
    assert not (tmp_path / "state").exists()

    store = open_latents(tmp_path / "latents.json")
    assert (store.dim, store.frame_rate_hz, store.handle["causal"]) == (32, 12.5, True)
    plain = MimiModel.from_pretrained(mimi_folder).eval()
    paths = dict(zip(manifest["utterance_id"], manifest["path"], strict=True))
    for row, latents, energy_db in store.iterate():
        audio = read_audio(tmp_path / "audio" / paths[row.utterance_id], 24000)
        padded = np.pad(audio, (0, -len(audio) % 1920))
        assert len(latents) == len(padded) // 1920 == int(np.ceil(SECONDS[paths[row.utterance_id][:-4]] * 12.5))
        with torch.inference_mode():
            reference = plain.encoder(torch.from_numpy(padded)[None, None]).latents[0].T.numpy()
        assert deviation(latents, reference) < 1e-5
        level = 10 * np.log10(np.square(padded[:1920], dtype=np.float64).mean())
        np.testing.assert_allclose(energy_db[0], level, atol=1e-3)
    record = json.loads((tmp_path / "latents.run.json").read_text())
    assert record["digest"] == store.handle["digest"] and record["seconds"] > 0
    assert isinstance(pd.Timestamp(record["finished"]), pd.Timestamp)


def test_a_clip_that_a_codec_gives_nan_for_is_set_aside_and_the_others_are_encoded(noise, tmp_path, monkeypatch):
    for name, gain in {"a/good": 1, "b/bad": 9, "b/fine": 1}.items():
        (tmp_path / "audio" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "audio" / f"{name}.wav", gain * noise(name, 16000), 16000, "FLOAT")
    checks = {"min_duration_s": 0.5, "silence_dbfs": -60.0, "max_excluded_share": 0.0}
    manifest = build_manifest({"kind": "folder", "audio": checks}, tmp_path / "audio", workers=1).utterances
    write_parquet(tmp_path / "part.parquet", select_part([manifest], 0, 1))
    advance = LogMel._advance
    monkeypatch.setattr(  # a network may overflow where it is loud
        LogMel, "_advance", lambda self, x, state: np.where(np.abs(x).max() > 2, np.nan, advance(self, x, state))
    )
    parser = argparse.ArgumentParser()
    encode_latents.add_arguments(parser)
    arguments = ["--part", tmp_path / "part.parquet", "--audio", tmp_path / "audio",
                 "--representation", json.dumps(settings_of("representations", "logmel")), "--code", "x",
                 "--state", tmp_path / "state", "--handle", tmp_path / "latents.json"]  # fmt: skip
    encode_latents.step(parser.parse_args(list(map(str, arguments))))
    store = open_latents(tmp_path / "latents.json")
    assert sorted(store.utterances.utterance_id) == ["a-good", "b-fine"]
    assert store.set_aside == [{"utterance_id": "b-bad", "n_frames": 13, "nonfinite_frames": 13}]
    assert store.handle["nonfinite_frames"] == 0
    facts = {name: store.handle[name] for name in ("causal", "look_ahead_ms", "weights_sha256")}
    assert facts == {"causal": True, "look_ahead_ms": 0, "weights_sha256": None}
