import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from latentdyn.devices import describe_device, pick_device, take_card
from latentdyn.errors import UserError


@pytest.fixture(autouse=True)
def arithmetic_as_it_was():
    matmul, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = convolutions


@pytest.fixture
def see_gpu(monkeypatch):
    def see(visible: bool, built: bool = True) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: visible)
        monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
        properties = SimpleNamespace(name="Some GPU", total_memory=80 * 10**9)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)

    return see


@pytest.mark.parametrize("require_gpu", [False, True])
def test_a_visible_gpu_is_taken_whatever_is_required(see_gpu, require_gpu):
    see_gpu(True)
    assert pick_device(require_gpu=require_gpu) == torch.device("cuda", 0)


def test_without_a_gpu_the_cpu_is_taken_if_that_is_allowed(see_gpu):
    see_gpu(False)
    assert pick_device() == torch.device("cpu")


def test_a_required_gpu_that_is_missing_is_told_with_its_job_and_node(see_gpu, monkeypatch):
    see_gpu(False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURMD_NODENAME", "gpu2")
    with pytest.raises(UserError) as told:
        pick_device(require_gpu=True)
    for part in ("CUDA_VISIBLE_DEVICES is '3'", "Slurm job 4711 on gpu2", "compute.require_gpu: false"):
        assert part in str(told.value)


def test_a_torch_that_cannot_use_a_gpu_is_told(see_gpu, monkeypatch):
    see_gpu(False, built=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(UserError, match=r"built without CUDA\. Where: this machine"):
        pick_device(require_gpu=True)


@pytest.mark.parametrize(("precision", "tf32"), [("highest", False), ("high", True), ("medium", True)])
def test_the_arithmetic_asked_for_is_set_and_recorded(see_gpu, precision, tf32):
    see_gpu(True)
    device = pick_device(float32_matmul=precision)
    assert torch.get_float32_matmul_precision() == describe_device(device)["float32_matmul"] == precision
    assert torch.backends.cudnn.allow_tf32 is tf32
    assert torch.backends.cuda.matmul.allow_tf32 is tf32


def test_provenance_names_the_gpu_and_its_place(see_gpu, monkeypatch):
    see_gpu(True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURMD_NODENAME", "gpu2")
    facts = describe_device(pick_device())
    assert (facts["type"], facts["name"], facts["memory_mb"]) == ("cuda", "Some GPU", 80_000)
    assert (facts["cuda_visible_devices"], facts["slurm_job_id"], facts["slurmd_nodename"]) == ("1", "4711", "gpu2")
    assert "name" not in describe_device(torch.device("cpu"))


# A job that works on a card until its standard input ends; it tells which one it sees.
JOB = """
import logging, os, sys
import torch
from latentdyn import devices

torch.cuda.device_count = lambda: int(sys.argv[1])
devices._POLL_S = 0.05
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
devices.take_card(wanted=sys.argv[2] == "gpu")
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""
Job = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """Start a job on a machine of its own; of which environment variables, is said by keywords."""
    jobs: list[subprocess.Popen[str]] = []
    without = {"CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"}

    def start(n_cards: int, wants: str = "gpu", **variables: str) -> subprocess.Popen[str]:
        env = {name: value for name, value in os.environ.items() if name not in without}
        env |= {"TMPDIR": str(tmp_path), **variables}
        command = [sys.executable, "-c", JOB, str(n_cards), wants]
        jobs.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env))
        return jobs[-1]

    yield start
    for one in jobs:
        one.kill()
        one.communicate()


def said(job: subprocess.Popen[str]) -> str:
    assert job.stdout is not None
    return job.stdout.readline().strip()


def test_a_job_takes_a_card_that_no_other_has_and_waits_while_there_is_none(job):
    first = job(2)
    assert said(first) == "0"
    second = job(2)
    assert said(second) == "1"
    third = job(2)
    assert said(third) == "waiting for a GPU: other jobs have 0 and 1"
    second.kill()  # SIGKILL: nothing is released but by the system
    assert said(third) == "1"
    fourth = job(2)
    assert said(fourth).startswith("waiting")
    first.communicate("")
    assert said(fourth) == "0"


def test_a_card_takes_as_many_jobs_as_the_config_says_and_each_card_one_first(job):
    cards = []
    for _ in range(4):
        cards.append(said(job(2, LATENTDYN_JOBS_PER_GPU="2")))
    assert cards == ["0", "1", "0", "1"]
    assert said(job(2, LATENTDYN_JOBS_PER_GPU="2")).startswith("waiting")


def test_only_cards_that_are_visible_are_taken(job):
    assert [said(job(2, CUDA_VISIBLE_DEVICES="3, 1")) for _ in range(2)] == ["3", "1"]
    assert said(job(1, CUDA_VISIBLE_DEVICES="1")) == "waiting for a GPU: other jobs have 1"


@pytest.mark.parametrize(
    ("n_cards", "wants", "variables", "sees"),
    [
        (1, "nothing", {}, "None"),  # a job for a CPU
        (0, "gpu", {}, "None"),
        (0, "gpu", {"CUDA_VISIBLE_DEVICES": ""}, ""),
        (1, "gpu", {"SLURM_JOB_ID": "4711", "CUDA_VISIBLE_DEVICES": "0"}, "0"),
    ],
)
def test_no_lock_is_taken_where_none_is_needed(job, n_cards, wants, variables, sees):
    holder = job(1)
    assert said(holder) == "0"
    assert said(job(n_cards, wants, **variables)) == sees


def test_where_no_lock_can_be_had_a_job_says_so_and_goes_on(job, tmp_path):
    (tmp_path / f"latentdyn-gpus-{os.getuid()}").write_text("in the way")
    refused = job(1)
    assert said(refused).startswith("no lock of a GPU can be had in ")
    assert said(refused) == "None"


def test_a_card_is_taken_before_cuda_is_asked_for_one(monkeypatch, tmp_path, see_gpu):
    see_gpu(True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("latentdyn.devices._held", [])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    take_card()
    assert describe_device(pick_device())["cuda_visible_devices"] == "GPU-a"
