"""Corpora as users have them: odd names, speakers and splits in the folders, Lhotse's lists."""

import json

import pandas as pd
import pytest

from .conftest import speak

pytestmark = pytest.mark.workflow


def test_official_splits_of_people_below_a_folder_that_begins_with_a_dash(checkout):
    names = {"-train": range(7), "dev set": range(7, 8), "test": range(8, 10)}
    for subset, speakers in names.items():
        for i in speakers:
            place = checkout.folder / "-audio" / subset / f"s{i}" / "wav"
            place.parent.mkdir(parents=True)
            (checkout.folder / f"audio/s{i}").rename(place)
            (place / "notes.TXT").touch()
    (checkout.folder / "-audio/-train/s0/wav/u0.wav").rename(checkout.folder / "-audio/-train/s0/wav/-x ü.wav")
    splits = {"-train": "train", "dev set": "validation", "test": "eval"}
    checkout.configure(lambda c: c["corpora"]["tiny"].update(root="-audio", subset=splits, speaker=1))
    checkout.snakemake("--", "results/tiny/mel/frames.json")
    speakers = pd.read_parquet(checkout.folder / "results/tiny/splits.parquet")
    assert dict(zip(speakers.speaker_id, speakers.split, strict=True)) == {
        f"s{i}": "train" if i < 7 else "validation" if i == 7 else "eval" for i in range(10)
    }
    assert set(speakers.n_utterances) == {2}
    log = (checkout.folder / "results/tiny/logs/build_manifest.log").read_text()
    assert "passed over: 10 files of 1 suffixes: .txt 10" in log
    assert "joined" not in log and "only one speaker" not in log


def test_recordings_that_lhotse_has_prepared(checkout):
    recordings, supervisions = [], []
    for i in range(10):
        source = {"type": "file", "channels": [0], "source": f"audio/s{i}/u0.wav"}
        recordings.append({"id": f"r{i}", "sources": [source], "sampling_rate": 16000, "num_samples": 64000})
        supervisions.append({"id": f"r{i}-0", "recording_id": f"r{i}", "speaker": f"s{i}"})
    for name, lines in (("recordings", recordings), ("supervisions", supervisions)):
        (checkout.folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tiny = {"kind": "lhotse", "recordings": "recordings.jsonl", "supervisions": "supervisions.jsonl"}
    checkout.configure(lambda c: c["corpora"]["tiny"].update(tiny) or c["corpora"]["tiny"].pop("root"))
    checkout.snakemake("--", "results/tiny/mel/latents.json")
    manifest = pd.read_parquet(checkout.folder / "results/tiny/manifest.parquet")
    assert list(manifest.speaker_id) == [f"s{i}" for i in range(10)]
    assert checkout.planned("--", "results/tiny/mel/latents.json") == {}


def test_a_corpus_that_several_jobs_list(checkout):
    (checkout.folder / "audio/s3/broken.wav").write_text("no audio")
    manifest, target = checkout.folder / "results/tiny/manifest.parquet", ("--", "results/tiny/splits.parquet")

    def listed_by(n_jobs, share):
        changed = {"manifest_parts": n_jobs, "audio": {"max_excluded_share": share}}
        checkout.configure(lambda c: c["corpora"]["tiny"].update(changed))

    listed_by(1, 0.2)
    checkout.snakemake(*target)
    whole = manifest.read_bytes()
    listed_by(3, 0.2)
    assert checkout.planned(*target) == {"inspect_recordings": 3, "merge_manifests": 1, "split_speakers": 1}
    checkout.snakemake(*target)
    assert manifest.read_bytes() == whole
    excluded = pd.read_parquet(checkout.folder / "results/tiny/excluded.parquet")
    assert list(excluded.utterance_id) == ["s3-broken"]
    assert checkout.planned(*target) == {}
    listed_by(3, 0.3)
    planned = checkout.planned(*target)
    assert "merge_manifests" in planned and "inspect_recordings" not in planned  # no recording is opened again


def test_a_table_of_predictors_that_were_fitted_to_another_corpus(checkout):
    for i in range(4, 12):  # six speakers have a name of the other corpus
        for j in range(2):
            speak(checkout.folder / f"audio_b/s{i}/u{j}.wav", 1000 + 10 * i + j)

    def both(config):
        config["corpora"]["b"] = {**config["corpora"]["tiny"], "root": "audio_b", "encoding_parts": 1}
        table = {**config["tables"]["phase1_lagged"], "predictors": ["line"], "corpora": ["b"]}
        config["tables"] = {"across": {**table, "fitted_on": "tiny", "surrogates": ["shuffled"]}, "own": table}

    checkout.configure(both)
    planned = checkout.planned("results/b/tables/across.csv")
    assert planned["train_predictor"] == planned["measure_transfer"] == 4 and "measure_lagged" not in planned
    checkout.snakemake()
    results = checkout.folder / "results"
    assert not (results / "tiny/tables").exists()
    measured = json.loads((results / "b/mel/line/seed0/fitted_on_tiny_metrics.json").read_text())
    own = json.loads((results / "b/mel/line/seed0/metrics.json").read_text())
    assert (measured["identity"]["corpus"], measured["identity"]["fitted_on"]) == ("b", "tiny")
    assert own["identity"]["fitted_on"] == "b"
    assert measured["data"]["latents"] == own["data"]["latents"]
    theirs = json.loads((results / "tiny/mel/line/seed0/predictor.json").read_text())
    assert measured["data"]["predictor"] == theirs["digest"] != own["data"]["predictor"]
    across, within = (pd.read_csv(results / f"b/tables/{name}.csv") for name in ("across", "own"))
    assert set(across["fitted_on"]) == {"tiny"} and "fitted_on" not in within
    across = across[across.representation == "mel"].reset_index(drop=True)
    assert across[["split", "k", "n"]].equals(within[["split", "k", "n"]])
    assert (across["nll"] != within["nll"]).all() and (across["nll_baseline"] != within["nll_baseline"]).all()
    text = " ".join((results / "b/tables/across.md").read_text().split())
    assert "Fitted on corpus `tiny`, evaluated on corpus `b`." in text
    assert "have the name of a training or validation speaker of `tiny`" in text
    assert checkout.planned() == {}
    predictor = checkout.folder / "results/tiny/mel/line/seed0/predictor.json"
    predictor.unlink()
    again = checkout.planned("results/b/tables/across.csv")
    assert again["train_predictor"] == again["measure_transfer"] == 1
