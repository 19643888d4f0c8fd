"""Bad input: one paragraph with what is wrong, where, and what to do; exit status not 0; nothing finished is lost."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import yaml

from latentdyn.files import read_json, write_json

from .conftest import CONFIG, Checkout, environment
from .test_resume import run, step

IDENTITY = {"measurement": "lagged", "corpus": "tiny", "representation": "mel", "by": "net",
            "regime": "teacher_forced", "seed": 0}  # fmt: skip

pytestmark = pytest.mark.workflow


def refused(checkout: Checkout, *words: str) -> str:
    done = checkout.snakemake(check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "Where:" in said and "What to do:" in said, said
    assert "Traceback (most recent call last)" not in said, said
    for word in words:
        assert word in said, said
    return said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["corpora"]["tiny"].update(root="nowhere"), ["nowhere", "does not exist"]),
        (lambda c: c["corpora"]["tiny"].update(kind="librispeech"), ["LibriSpeech is not found"]),
        (lambda c: c["predictors"]["net"]["training"].update(lr=1), ["predictors.net.training.lr: unknown key"]),
        (lambda c: c["predictors"]["net"].update(window_frames="2"), ["predictors.net.window_frames", "whole number"]),
        (lambda c: c["tables"]["phase1_lagged"].update(predictors=["nobody"]), ["'nobody' is not defined"]),
        (lambda c: c["tables"]["phase1_lagged"].update(horizons=[3]), ["not trained at k = [3]"]),
    ],
)
def test_before_anything_runs(checkout, change, words):
    checkout.configure(change)
    refused(checkout, *words)
    assert not (checkout.folder / "results").exists()


def test_a_repeated_key_and_a_file_that_snakemake_drops(checkout):
    (checkout.folder / "tiny.yaml").write_text("predictors:\n  net: {kind: mdn}\n  net: {kind: ar1}\n")
    refused(checkout, "line 3: predictors.net is named again (first in line 2)", "Where: tiny.yaml")
    checkout.configure()
    done = checkout.snakemake("-n", "--configfile", "tiny.yaml", "--configfile", "tiny.yaml", check=False)
    assert done.returncode != 0 and "--configfile is given 2 times" in done.stdout + done.stderr


def test_the_projects_config_is_found_from_another_working_directory(checkout, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    arguments = ["-n", "--snakefile", checkout.folder / "Snakefile", "--configfile", checkout.folder / "tiny.yaml"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--config", "corpora={tiny: {root: %s}}"
         % (checkout.folder / "audio")], cwd=tmp_path / "elsewhere", env=environment(), capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0 and "build_manifest" in done.stdout, done.stdout + done.stderr


def test_a_file_in_the_place_of_results(checkout):
    checkout.configure()
    (checkout.folder / "results").write_text("mine")
    refused(checkout, "no folder lies where a folder is needed", "Where: results.")
    assert (checkout.folder / "results").read_text() == "mine"


def test_a_split_without_speakers(checkout):
    checkout.configure(lambda c: c["corpora"]["tiny"]["splits"].update(validation=0.001))
    refused(checkout, "validation", "splits.salt")
    assert (checkout.folder / "results/tiny/manifest.parquet").exists()


def test_too_many_recordings_set_aside(checkout):
    for i in range(3):
        (checkout.folder / f"audio/s{i}/u0.wav").write_bytes(b"RIFF")
    soundfile.write(checkout.folder / "audio/s4/u0.wav", np.zeros(32000), 16000)
    refused(checkout, "4 of 20 files must be set aside (3 corrupt, 1 silent)", "s0/u0.wav")


def test_a_horizon_longer_than_every_utterance(finished):
    finished.configure(lambda c: [p.update(horizons=[1, 2, 90]) for p in c["predictors"].values()])
    before = finished.read("mel/latents.json")
    refused(finished, "k = 90", "the longest utterance has 50")
    assert finished.read("mel/latents.json") == before


@pytest.mark.parametrize(
    ("representation", "words"),
    [
        ({"kind": "soundstream", "folder": "empty"}, ["soundstream_encoder.tflite"]),
        ({"kind": "mimi", "checkpoint": "empty"}, ["empty"]),
    ],
)
def test_a_codec_folder_without_weights(checkout, representation, words):
    (checkout.folder / "empty").mkdir()
    checkout.configure(lambda c: c.update(representations={"mel": representation}))
    refused(checkout, *words)


def test_a_store_of_another_version_a_truncated_shard_a_checkpoint_of_another_config(finished):
    latents, frames = (finished.folder / f"results/tiny/mel/{name}.json" for name in ("latents", "frames"))
    checkpoint = finished.folder / "results/tiny/mel/net/seed0/predictor.json"
    predictor = {**json.loads(checkpoint.read_text())["settings"]}

    def evaluate(predictor) -> subprocess.CompletedProcess[str]:
        return run(
            step("measure", finished.folder, latents=latents, frames=frames, identity=IDENTITY,
                 models={"predictor": {"handle": str(checkpoint), "settings": predictor}},
                 sums=finished.folder / "s.parquet", metrics=finished.folder / "m.json",
                 settings={"max_frames": 9, "rollout_frames": 9, "bootstrap_resamples": 40, "worst_frames": 1}),
            finished.folder,
        )  # fmt: skip

    def told(done: subprocess.CompletedProcess[str], *words: str) -> None:
        assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
        assert all(word in done.stderr for word in (*words, "Where:", "What to do:")), done.stderr
        assert not (finished.folder / "m.json").exists()

    told(evaluate({**predictor, "n_components": 9}), "trained with other settings (n_components)", "predictor.json")
    written = latents.read_text()
    latents.write_text(written.replace('"frame_rate_hz": 12.5', '"frame_rate_hz": 25.0'))
    told(evaluate(predictor), "does not match its checksum", "latents.json")
    latents.write_text(written)
    write_json(latents, {**read_json(latents, made_by="merge_latents"), "schema_version": 0})
    told(evaluate(predictor), "schema version 0", "latents.json")
    latents.write_text(written)
    shard = latents.with_suffix(".zarr") / "latents/c/0/0"
    whole = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(whole[:1000])
    told(evaluate(predictor), "has 1000 bytes", "latents/c/0/0")


def test_a_loss_that_is_not_finite_keeps_what_came_before(checkout):
    table = ["utterance_id,speaker_id,path"]
    rng = np.random.default_rng(0)
    for speaker in range(10):
        np.save(checkout.folder / f"x{speaker}.npy", rng.normal(size=(40, 3)).astype(np.float32))
        table.append(f"u{speaker},s{speaker},x{speaker}.npy")
    (checkout.folder / "index.csv").write_text("\n".join(table) + "\n")
    splits = CONFIG["corpora"]["tiny"]["splits"]

    def own_latents(config) -> None:
        config["corpora"] = {"tiny": {"kind": "latents", "index": "index.csv", "frame_rate_hz": 12.5, "splits": splits}}
        config["representations"] = {"mel": {"kind": "provided"}}
        config["tables"]["phase1_lagged"]["predictors"] = ["net"]

    checkout.configure(own_latents)
    old = "self._apply(self.objective.loss(step)"  # latents that would do this are refused before
    checkout.edit("src/latentdyn/training/updates.py", old, f"{old} * (float('inf') if step == 7 else 1)")
    said = refused(checkout, "the loss or its gradient is not finite at step", "horizon k=1", "nonfinite_batch_k1.npz")
    assert len(list(checkout.folder.glob("results/.state/**/nonfinite_batch_k1.npz"))) == 1, said
    assert (checkout.folder / "results/tiny/mel/frames.json").exists()


def test_latents_of_ones_own_run_through_to_the_table(checkout):
    rng = np.random.default_rng(0)
    table = ["utterance_id,speaker_id,path"]
    for speaker in range(10):
        np.save(checkout.folder / f"x{speaker}.npy", np.cumsum(rng.normal(size=(60, 3)), axis=0))
        table.append(
            f"u{speaker},s{speaker},{checkout.folder / f'x{speaker}.npy' if speaker % 2 else f'x{speaker}.npy'}"
        )
    (checkout.folder / "index.csv").write_text("\n".join(table) + "\n")

    def own_latents(config) -> None:
        splits = config["corpora"]["tiny"]["splits"]
        config["corpora"] = {"tiny": {"kind": "latents", "index": "index.csv", "frame_rate_hz": 25.0, "splits": splits}}
        config["representations"] = {
            "mel": {"kind": "provided"}, "half": {"kind": "pooled", "source": "mel", "frame_rate_hz": 12.5},
        }  # fmt: skip
        config["tables"]["phase1_lagged"].update(representations=["mel", "half"], predictors=["line"])

    checkout.configure(own_latents)
    checkout.snakemake()
    rows = checkout.read("tables/phase1_lagged.csv").decode()
    assert rows.count("\nmel,") == 4 and rows.count("\nhalf,") == 4
    config = yaml.safe_load((checkout.folder / "tiny.yaml").read_text())
    config["tables"]["phase1_lagged"]["slices"] = ["high_energy"]  # there is no audio to measure it on
    (checkout.folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    refused(checkout, "tables.phase1_lagged.slices: high_energy is measured on audio", "kind latents")
