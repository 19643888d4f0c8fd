"""The corpus's steps as the rules call them: a command, files in, files out."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile

CORPUS = {
    "kind": "folder",
    "audio": {"min_duration_s": 0.5, "silence_dbfs": -60.0, "max_excluded_share": 0.1},
}


def run(step: str, **arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"latentdyn.steps.{step}"]
    for name, value in arguments.items():
        command += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def root(tmp_path):
    for speaker in range(20):
        (tmp_path / "audio" / f"s{speaker}").mkdir(parents=True)
        noise = np.random.default_rng(speaker).uniform(-0.5, 0.5, 8000)
        soundfile.write(tmp_path / "audio" / f"s{speaker}" / "a.wav", noise, 16000)
    return tmp_path / "audio"


def outputs(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "manifest": folder / "manifest.parquet",
        "excluded": folder / "excluded.parquet",
        "handle": folder / "manifest.json",
    }


def test_from_folder_to_parts(root, tmp_path):
    soundfile.write(root / "s0" / "still.wav", np.zeros(8000), 16000)
    first, second = outputs(tmp_path / "1/corpus"), outputs(tmp_path / "2/corpus")
    for files, workers in ((first, 1), (second, 3)):
        ran = run("build_manifest", corpus=json.dumps(CORPUS), root=root, workers=workers, **files)
        assert ran.returncode == 0, ran.stderr
    assert "set aside: s0/still.wav: silent" in ran.stderr
    for name in first:
        assert first[name].read_bytes() == second[name].read_bytes()
    assert json.loads(first["handle"].read_text())["excluded"] == {"silent": 1}
    assert str(tmp_path) not in first["handle"].read_text()

    splits = json.dumps({"salt": "x", "validation": 0.2, "eval": 0.3})
    ran = run("split_speakers", manifest=first["manifest"], splits=splits, out=tmp_path / "splits.parquet")
    assert ran.returncode == 0, ran.stderr
    assert "train: " in ran.stderr
    assert len(pd.read_parquet(tmp_path / "splits.parquet")) == 20

    parts = [tmp_path / f"{part}of3.parquet" for part in range(3)]
    for part, out in enumerate(parts):
        ran = run("partition_manifest", manifest=first["manifest"], part=part, n_parts=3, out=out)
        assert ran.returncode == 0, ran.stderr
    assert sum(len(pd.read_parquet(part)) for part in parts) == 20


def corpus(max_excluded_share: float = 0.1) -> str:
    return json.dumps({**CORPUS, "audio": {**CORPUS["audio"], "max_excluded_share": max_excluded_share}})


def inspect(part, root, folder, n_parts=3):
    files = {
        "utterances": folder / "manifest_parts" / f"{part}of{n_parts}.parquet",
        "excluded": folder / "manifest_parts" / f"{part}of{n_parts}_excluded.parquet",
    }
    files["utterances"].parent.mkdir(parents=True, exist_ok=True)
    ran = run("inspect_recordings", corpus=json.dumps(CORPUS), root=root, part=part, n_parts=n_parts, **files)
    assert ran.returncode == 0, ran.stderr
    return files


def merge(parts, files, **share):
    lists = {"utterances": [part["utterances"] for part in parts], "set_aside": [part["excluded"] for part in parts]}
    return run("merge_manifests", corpus=corpus(**share), **lists, **files)


def test_a_manifest_in_parts_is_that_of_one_job_to_the_byte(root, tmp_path):
    soundfile.write(root / "s0" / "still.wav", np.zeros(8000), 16000)
    (root / "s1" / "b.wav").write_bytes((root / "s2" / "a.wav").read_bytes())  # of two speakers, maybe in two parts
    whole, merged = outputs(tmp_path / "1/corpus"), outputs(tmp_path / "2/corpus")
    ran = run("build_manifest", corpus=corpus(0.2), root=root, **whole)
    assert ran.returncode == 0, ran.stderr
    parts = [inspect(part, root, tmp_path / "2/corpus") for part in range(3)]
    counts = [len(pd.read_parquet(part["utterances"])) for part in parts]
    assert sum(counts) == 21 and min(counts) > 0
    ran = merge(parts, merged)
    assert ran.returncode == 1 and "error: 3 of 22 files must be set aside (2 of_two_speakers, 1 silent)" in ran.stderr
    assert not merged["handle"].exists()
    ran = merge(parts, merged, max_excluded_share=0.2)
    assert ran.returncode == 0, ran.stderr
    for name in whole:
        assert whole[name].read_bytes() == merged[name].read_bytes()
    for wrong, told in (parts[:2], "0of3, 1of3"), (parts[::-1], "2of3, 1of3, 0of3"), ([*parts, parts[0]], "2of3, 0of3"):
        ran = merge(wrong, merged, max_excluded_share=0.2)
        assert ran.returncode == 1 and "tables are given, of the parts" in ran.stderr and told in ran.stderr
    other = inspect(1, root, tmp_path / "other")
    ran = merge([parts[0], other, parts[2]], merged, max_excluded_share=0.2)
    assert ran.returncode == 1 and "of the corpus other, and the manifest is to be that of corpus" in ran.stderr
    damaged = parts[1]["utterances"]
    damaged.write_bytes(damaged.read_bytes()[:-9])
    ran = merge(parts, merged, max_excluded_share=0.2)
    assert ran.returncode == 1 and "1of3.parquet" in ran.stderr and "rule inspect_recordings" in ran.stderr


def test_a_manifest_is_merged_of_two_tables_a_part(tmp_path):
    ran = run("merge_manifests", corpus=corpus(), utterances=["a", "b"], set_aside=["c"], **outputs(tmp_path))
    assert ran.returncode == 1 and "error: 2 tables of utterances are given, and 1 of what was set aside" in ran.stderr


def test_too_much_set_aside_stops_but_says_what(root, tmp_path):
    for speaker in range(4):
        (root / f"s{speaker}" / "b.wav").touch()
    files = outputs(tmp_path)
    ran = run("build_manifest", corpus=json.dumps(CORPUS), root=root, **files)
    assert ran.returncode == 1
    assert "error: 4 of 24 files must be set aside (4 empty)" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(pd.read_parquet(files["excluded"]).reason) == ["empty"] * 4
    assert not files["manifest"].exists()
    assert not files["handle"].exists()
