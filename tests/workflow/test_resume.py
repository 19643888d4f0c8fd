"""Killed, interrupted, out of disk: the same command again completes, and nothing finished is done twice."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.settings import settings_of

from .conftest import CONFIG, Checkout, environment, new_checkout, speak

pytestmark = pytest.mark.workflow

ENCODE = settings_of("representations", **CONFIG["representations"]["mel"])
TRAIN = settings_of("predictors", **CONFIG["predictors"]["net"]) | {"training": {
    "steps": 400, "batch_size": 64, "learning_rate": 1e-3, "weight_decay": 1e-4, "gradient_clip_norm": 1.0,
    "validate_every_steps": 50, "select": "best_validation", "patience_validations": None,
    "regime": {"kind": "teacher_forced"},
}}  # fmt: skip


def step(name: str, folder: Path, **options: object) -> list[str]:
    command = [sys.executable, "-m", f"latentdyn.steps.{name}"]
    for option, value in options.items():
        value = json.dumps(value) if isinstance(value, dict) else str(value)
        command += [f"--{option.replace('_', '-')}", value]
    return command


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)


def kill_when(command: list[str], folder: Path, ready) -> None:
    """Start a command and kill -9 it as soon as `ready()`, which must come before it is done."""
    process = subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, "it was done before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Checkout:
    """A corpus of one part with 60 recordings, latents and frames: what encoding and training start from."""
    checkout = new_checkout(tmp_path_factory.mktemp("prepared") / "checkout")
    for i in range(40):
        speak(checkout.folder / f"audio/s{i % 10}/more{i}.wav", 1000 + i, seconds=6)
    checkout.configure(lambda c: c["corpora"]["tiny"].update(encoding_parts=1))
    checkout.snakemake("--", "results/tiny/mel/frames.json", "results/tiny/parts/0of1.parquet")
    return checkout


def encoding(folder: Path, tmp_path: Path) -> list[str]:
    return step(
        "encode_latents", folder, part="results/tiny/parts/0of1.parquet", audio="audio", representation=ENCODE,
        code="x", state=tmp_path / "state", handle=tmp_path / "latents.json",
    )  # fmt: skip


def training(folder: Path, tmp_path: Path) -> list[str]:
    return step(
        "train_model", folder, kind="predictor", settings=TRAIN, latents="results/tiny/mel/latents.json",
        frames="results/tiny/mel/frames.json", seed=0, code="x", state=tmp_path / "state", checkpoint_interval_s=1e-9,
        curve=tmp_path / "curve.parquet", handle=tmp_path / "predictor.json",
    )  # fmt: skip


def test_encoding_killed_continues_after_its_last_utterance(prepared, tmp_path):
    command = encoding(prepared.folder, tmp_path)

    def finished_utterances() -> int:
        return sum(ledger.read_bytes().count(b"\n") for ledger in tmp_path.glob("state/*/ledger.jsonl"))

    kill_when(command, prepared.folder, lambda: finished_utterances() >= 3)
    kept = finished_utterances()
    assert not (tmp_path / "latents.json").exists()
    done = run(command, prepared.folder)
    assert done.returncode == 0, done.stderr
    assert f"60 utterances, {kept} of them finished before" in done.stderr
    assert not (tmp_path / "state").exists()
    # the workflow's own store, which nothing interrupted
    assert (tmp_path / "latents.json").read_bytes() == prepared.read("mel/latents.json")


def test_training_killed_equals_training_undisturbed(prepared, tmp_path):
    (tmp_path / "whole").mkdir()
    assert run(training(prepared.folder, tmp_path / "whole"), prepared.folder).returncode == 0
    command = training(prepared.folder, tmp_path)
    # in the second horizon, so that the first must not be trained again
    kill_when(command, prepared.folder, lambda: any(tmp_path.glob("state/*/k2.pt")))
    done = run(command, prepared.folder)
    assert done.returncode == 0, done.stderr
    assert "k=1: step" not in done.stderr and "k=2: continuing at step" in done.stderr
    for name in ("predictor.safetensors", "predictor.json", "curve.parquet"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_ctrl_c_and_the_same_command_again(finished, tmp_path):
    expected = finished.read("tables/phase1_lagged.csv")
    checkout = new_checkout(tmp_path / "again")
    process = subprocess.Popen(
        checkout.command(), cwd=checkout.folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    deadline = time.monotonic() + 180
    while not list(checkout.folder.glob("results/tiny/mel/net/seed0/logs/*.log")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends Ctrl-C to the whole group
    _, said = process.communicate(timeout=120)
    assert process.returncode != 0, said
    planned = checkout.planned()
    assert "encode_latents" not in planned and "index_frames" not in planned and planned["train_predictor"] >= 1
    checkout.snakemake()
    assert checkout.read("tables/phase1_lagged.csv") == expected


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=200", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("make", [encoding, training])
def test_a_disk_that_fills_up_is_told_and_the_work_continues_once_there_is_room(prepared, small_disk, make):
    command = make(prepared.folder, small_disk)
    full = run(command, prepared.folder)
    assert full.returncode == 1
    assert "error: the disk is full" in full.stderr and "Traceback" not in full.stderr
    assert not list(small_disk.glob("*.json"))
    subprocess.run(["mount", "-o", "remount,size=64m,nr_inodes=2000", str(small_disk)], check=True)
    done = run(command, prepared.folder)
    assert done.returncode == 0, done.stderr
    if make is encoding:
        kept = re.search(r"60 utterances, (\d+) of them finished before", done.stderr)
        assert kept and int(kept[1]) > 0
        assert (small_disk / "latents.json").read_bytes() == prepared.read("mel/latents.json")
