"""No stale table: after a failure, a deleted file or replaced recordings, the same command fails again or is right."""

import os
import shlex
import shutil
import stat
from pathlib import Path

import pandas as pd
import pytest

from latentdyn.files import file_sha256
from latentdyn.forkserver import client

from .conftest import Checkout, speak

pytestmark = pytest.mark.workflow

ON_THE_WAY = ("build_manifest", "split_speakers", "partition_manifest", "encode_latents", "merge_latents",
              "index_frames", "train_predictor", "measure_lagged", "collect_metrics")  # fmt: skip
STEP = {"train_predictor": "train_model", "measure_lagged": "measure"}


def failing(checkout: Checkout, step: str) -> Path:
    """A folder with a Python by which one step is killed, as a kernel does that has no memory left."""
    folder = checkout.folder / "shim"
    folder.mkdir(exist_ok=True)
    shim = folder / "python"
    python = shlex.join(client())
    shim.write_text(f'#!/bin/sh\ncase "$*" in *latentdyn.steps.{step}*) exit 137;; esac\nexec {python} "$@"\n')
    shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    return folder


@pytest.mark.parametrize("rule", ON_THE_WAY)
def test_a_job_that_failed_is_run_again_by_the_same_command(finished, rule):
    killed = failing(finished, STEP.get(rule, rule))
    first = finished.snakemake("--forcerun", rule, check=False, first=(killed,))
    assert first.returncode != 0
    again = finished.planned()
    assert again.get(rule), again
    assert again.get("tabulate_metrics") == 1, again


def test_after_the_cause_is_gone_the_tables_are_made_again_and_then_there_is_nothing_to_do(finished):
    table = finished.read("tables/phase1_lagged.csv")
    finished.snakemake("--forcerun", "split_speakers", check=False, first=(failing(finished, "split_speakers"),))
    finished.snakemake()
    assert finished.read("tables/phase1_lagged.csv") == table
    assert finished.planned() == {}


@pytest.mark.parametrize("file", ["manifest.json", "splits.parquet", "mel/latents.json", "mel/line/seed0/metrics.json"])
def test_a_result_that_someone_deleted_is_made_again(finished, file):
    (finished.folder / "results/tiny" / file).unlink()
    assert finished.planned()["tabulate_metrics"] == 1


def test_a_change_that_a_failing_job_has_seen_is_not_forgotten(finished):
    finished.configure(lambda c: c["corpora"]["tiny"]["splits"].update(validation=0.001))
    for _ in range(2):
        done = finished.snakemake(check=False)
        assert done.returncode != 0
        assert "splits.salt" in done.stdout + done.stderr


def other_recordings(checkout: Checkout, name: str) -> Path:
    """Other sounds under the same names, with dates long before those of the results."""
    folder = checkout.folder / name
    for i, file in enumerate(sorted((checkout.folder / "audio").glob("*/*.wav"))):
        speak(folder / file.relative_to(checkout.folder / "audio"), seed=1000 + i)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (1.5e9, 1.5e9))
    return folder


def test_recordings_replaced_by_older_ones(finished):
    older = other_recordings(finished, "older")
    shutil.copy2(older / "s3/u1.wav", finished.folder / "audio/s3/u1.wav")
    planned = finished.snakemake("-n")
    assert "are new, gone or changed: 1, the first 'audio/s3/u1.wav'" in planned.stdout + planned.stderr
    finished.snakemake("--", "results/tiny/manifest.json")
    manifest = pd.read_parquet(finished.folder / "results/tiny/manifest.parquet").set_index("path")
    assert manifest.sha256["s3/u1.wav"] == file_sha256(older / "s3/u1.wav")
    finished.snakemake()
    assert finished.planned() == {}


def test_a_link_that_is_pointed_elsewhere(finished):
    older = other_recordings(finished, "older")
    (finished.folder / "audio").rename(finished.folder / "first")
    (finished.folder / "audio").symlink_to("first")
    assert finished.planned() == {}  # the same sounds, in another place
    (finished.folder / "audio").unlink()
    (finished.folder / "audio").symlink_to(older.name)
    assert finished.planned()["build_manifest"] == 1


def test_a_link_that_leads_nowhere_hides_no_change(finished):
    (finished.folder / "audio/s0/gone.wav").symlink_to("nowhere.wav")
    assert finished.planned() == {}
    speak(finished.folder / "audio/s1/u9.wav", seed=77)
    assert finished.planned()["build_manifest"] == 1
    finished.snakemake("--", "results/tiny/manifest.json")
    excluded = pd.read_parquet(finished.folder / "results/tiny/excluded.parquet")
    assert list(excluded.path) == ["s0/gone.wav"]


def test_any_name_of_a_recording(finished):
    names = ["a{1}.wav", "-x.wav", "it's $HOME.wav", "a*?.wav", "ä\nb.wav"]
    for name in names:
        speak(finished.folder / "audio/s1" / name, seed=5)
    finished.snakemake("--", "results/tiny/manifest.json")
    manifest = pd.read_parquet(finished.folder / "results/tiny/manifest.parquet")
    assert {f"s1/{name}" for name in names} <= set(manifest.path)


@pytest.mark.parametrize("root", ["-audio", "my {audio}", "a 'b' $c"])
def test_any_name_of_a_corpus_folder(checkout, root):
    (checkout.folder / "audio").rename(checkout.folder / root)
    checkout.configure(lambda c: c["corpora"]["tiny"].update(root=root))
    checkout.snakemake("--", "results/tiny/mel/parts/0of2.json")
    assert checkout.planned("--", "results/tiny/mel/parts/0of2.json") == {}
