"""What goes wrong on a cluster, and how it ends: with the result of an undisturbed local run, bit for bit, and without
doing again what was done. Training is disturbed in the second of its two horizons.
"""

import os
import shutil
import signal

import pytest

from .conftest import LATENTS, PREDICTOR, Checkout, SlurmCheckout
from .slurm import Slurm, wait_until

pytestmark = pytest.mark.cluster

TARGET = f"{PREDICTOR}/predictor.json"


def assert_continued(checkout: SlurmCheckout, finished: Checkout) -> None:
    for name in ("predictor.safetensors", "predictor.json", "curve.parquet"):
        result = (checkout.folder / PREDICTOR / name).read_bytes()
        assert result == (finished.folder / PREDICTOR / name).read_bytes(), name
    assert "k=2: step" in checkout.log() and "k=1: step" not in checkout.log()
    assert not list((checkout.folder / "results/.state/train_predictor").glob("**/*.pt"))


def start_now(slurm: Slurm, job: str) -> None:
    """Slurm lets a job that it runs again wait for two minutes; a test does not."""
    wait_until(lambda: slurm.job(job)["state"] == "PENDING", 120, f"job {job} is queued again")
    slurm.run("scontrol", "update", f"JobId={job}", "StartTime=now")


def test_a_cancelled_job_is_submitted_again_and_may_use_more(checkout, slurm, finished_once):
    process, job = checkout.begin_training()
    slurm.run("scancel", job)
    checkout.wait(process)
    first, second = slurm.jobs()
    assert (first["state"], second["state"]) == ("CANCELLED", "COMPLETED")
    assert (first["partition"], first["gpus"]) == ("gpu", "gres:gpu:1")
    assert (first["mem"], second["mem"]) == ("3000M", "6000M")
    assert (first["time_limit"], second["time_limit"]) == ("2:00:00", "4:00:00")
    assert_continued(checkout, finished_once)


def test_training_goes_on_elsewhere_when_its_node_is_lost(checkout, slurm, finished_once):
    process, job = checkout.begin_training()
    node = slurm.job(job)["nodes"]
    slurm.lose_node(node)
    start_now(slurm, job)
    checkout.wait(process)
    (again,) = slurm.jobs()
    assert again["state"] == "COMPLETED" and again["nodes"] != node
    assert_continued(checkout, finished_once)


def test_encoding_goes_on_elsewhere_when_its_node_is_lost(checkout, slurm, finished_once):
    for path in checkout.folder.glob(f"{LATENTS}.*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    # the job waits at this recording, until what is read from a pipe comes
    recording = checkout.folder / "audio/s9/u1.wav"
    recording.rename(recording.with_suffix(".away"))
    os.mkfifo(recording)
    process = checkout.submit("--allowed-rules", "encode_latents", "--", f"{LATENTS}.json")

    def finished() -> int:
        ledgers = checkout.folder.glob("results/.state/encode_latents/tiny/mel/*/*/ledger.jsonl")
        return sum(ledger.read_bytes().count(b"\n") for ledger in ledgers)

    checkout.when(lambda: finished() == 19, "19 of 20 recordings are encoded")
    (job,) = slurm.running()
    slurm.lose_node(job["nodes"])
    recording.with_suffix(".away").rename(recording)
    start_now(slurm, job["id"])
    checkout.wait(process)
    (again,) = slurm.jobs()
    assert again["state"] == "COMPLETED" and again["nodes"] != job["nodes"]
    log = (checkout.folder / "results/tiny/mel/logs/encode_latents/0of1.log").read_text()
    assert "20 utterances, 19 of them finished before" in log
    assert (checkout.folder / f"{LATENTS}.json").read_bytes() == (finished_once.folder / f"{LATENTS}.json").read_bytes()


def test_a_preempted_job_goes_on_when_there_is_room(checkout, slurm, finished_once):
    process, job = checkout.begin_training()
    slurm.run("sbatch", "--partition=urgent", "--nodes=2", "--gpus-per-node=1", "--output=/dev/null", "--wrap=sleep 2")
    start_now(slurm, job)
    checkout.wait(process)
    assert [job["state"] for job in slurm.jobs()] == ["COMPLETED", "COMPLETED"]
    assert_continued(checkout, finished_once)


def test_a_job_out_of_time_is_given_more(checkout, slurm, finished_once):
    process, _ = checkout.begin_training("--set-resources", "train_predictor:runtime=attempt")
    checkout.wait(process)
    first, second = slurm.jobs()
    assert (first["state"], first["time_limit"]) == ("TIMEOUT", "1:00")
    assert (second["state"], second["time_limit"]) == ("COMPLETED", "2:00")
    assert_continued(checkout, finished_once)


def test_a_job_out_of_memory_is_given_more(checkout, slurm, finished_once):
    """Torch alone does not fit into the first attempt."""
    memory = "train_predictor:mem_mb=400 if attempt == 1 else 2000"
    checkout.wait(checkout.submit("--set-resources", memory, "--", TARGET))
    first, second = slurm.jobs()
    assert first["state"] in ("FAILED", "OUT_OF_MEMORY", "CANCELLED") and first["mem"] == "400M"
    assert (second["state"], second["mem"]) == ("COMPLETED", "2000M")
    assert (checkout.folder / TARGET).read_bytes() == (finished_once.folder / TARGET).read_bytes()


def test_a_failing_job_shows_its_log_and_is_tried_again(checkout, slurm, finished_once):
    shards = checkout.folder / "results/tiny/mel/latents.zarr/latents"
    shards.rename(shards.with_suffix(".away"))
    process = checkout.submit("--", TARGET)
    checkout.when(lambda: "FAILED" in [job["state"] for job in slurm.jobs()], "the job fails")
    shards.with_suffix(".away").rename(shards)
    checkout.wait(process)
    assert "error: a file of this latents store is missing" in checkout.said()
    assert [job["state"] for job in slurm.jobs()] == ["FAILED", "COMPLETED"]
    assert (checkout.folder / TARGET).read_bytes() == (finished_once.folder / TARGET).read_bytes()


def test_sigint_cancels_the_jobs_and_the_same_command_goes_on(checkout, slurm, finished_once):
    process, _ = checkout.begin_training()
    process.send_signal(signal.SIGINT)
    checkout.wait(process, expected=1)
    wait_until(lambda: not slurm.running(), 30, "the job is cancelled")
    checkout.wait(checkout.submit("--", TARGET))
    assert [job["state"] for job in slurm.jobs()] == ["CANCELLED", "COMPLETED"]
    assert_continued(checkout, finished_once)


def test_sigterm_waits_for_the_jobs_and_nothing_is_left_to_do(checkout, slurm, finished_once):
    process, job = checkout.begin_training()
    process.send_signal(signal.SIGTERM)
    checkout.when(lambda: "Will exit after finishing currently running jobs" in checkout.said(), "it hears")
    for step in slurm.job_processes(job):
        step.resume()
    process.wait(120)
    assert [job["state"] for job in slurm.jobs()] == ["COMPLETED"]
    assert checkout.planned("--", TARGET) == {}
    assert (checkout.folder / TARGET).read_bytes() == (finished_once.folder / TARGET).read_bytes()


def test_sigkill_leaves_a_job_that_nothing_disturbs(checkout, slurm, finished_once):
    process, job = checkout.begin_training()
    process.kill()
    process.wait()
    checkout.wait(checkout.submit("--", TARGET), expected=1)
    assert "cannot be locked" in checkout.said()
    checkout.snakemake("--unlock")
    # forgotten: the job is still alive
    checkout.wait(checkout.submit("--retries", "0", "--", TARGET), expected=1)
    assert "this work is already being done: process " in checkout.said() and f"Slurm job {job}" in checkout.said()
    slurm.run("scancel", job)
    wait_until(lambda: not slurm.running(), 30, "the job is cancelled")
    checkout.wait(checkout.submit("--", TARGET))
    assert [job["state"] for job in slurm.jobs()] == ["CANCELLED", "FAILED", "COMPLETED"]
    assert_continued(checkout, finished_once)


def test_a_job_that_failed_is_run_again_though_its_result_stands(checkout, slurm, finished_once):
    shutil.copytree(finished_once.folder / PREDICTOR, checkout.folder / PREDICTOR)
    assert checkout.planned("--", TARGET) == {}
    (checkout.folder / "results/tiny/splits.parquet").write_text("no table")
    for _ in range(2):  # the second would find nothing to be done
        checkout.wait(checkout.submit("--retries", "0", "--", TARGET), expected=1)
    assert [job["state"] for job in slurm.jobs()] == ["FAILED", "FAILED"]
