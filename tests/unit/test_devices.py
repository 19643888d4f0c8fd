from types import SimpleNamespace

import pytest
import torch

from latentdyn.devices import describe_device, pick_device
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
