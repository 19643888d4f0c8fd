"""Where the work runs, and in which arithmetic: what is asked for is what is done, or a message says why not."""

import os
from typing import Any, Literal, get_args

import torch

from latentdyn.errors import UserError

MatmulPrecision = Literal["highest", "high", "medium"]
PRECISIONS: tuple[MatmulPrecision, ...] = get_args(MatmulPrecision)


def pick_device(*, require_gpu: bool = False, float32_matmul: MatmulPrecision = "highest") -> torch.device:
    """The first GPU that is visible to this process, else the CPU; sets the process's arithmetic.

    Slurm shows a job its own GPUs alone (CUDA_VISIBLE_DEVICES), so the first visible one is the one that was given.
    Snakemake's local executor counts GPUs but assigns none: jobs at the same time share the first.

    Args:
        require_gpu: refuse to go on without a GPU.
        float32_matmul: of matrix products and convolutions of float32 on a GPU: `highest` is float32 throughout,
            `high` may take TF32 (10 bits of mantissa) for them, `medium` also bfloat16 (7 bits).

    Raises:
        UserError: a GPU is required, and torch sees none.
    """
    torch.set_float32_matmul_precision(float32_matmul)
    torch.backends.cudnn.allow_tf32 = float32_matmul != "highest"  # convolutions; torch's own default is True
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    if require_gpu:
        raise UserError(f"no GPU to work on: {_why_no_gpu()}", _where(), _NO_GPU)
    return torch.device("cpu")


def gpu_required() -> bool:
    """Whether the configuration (compute.require_gpu) refuses the CPU to rules that ask for a GPU.

    It comes by the environment, not as an argument: where a result was computed is no reason to compute it again.
    """
    return os.environ.get("LATENTDYN_REQUIRE_GPU") == "1"


def describe_device(device: torch.device) -> dict[str, Any]:
    """What provenance says of the device: its name, arithmetic, and where in the cluster it is."""
    facts: dict[str, Any] = {"type": device.type, "float32_matmul": torch.get_float32_matmul_precision()}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {"name": properties.name, "memory_mb": properties.total_memory // 10**6, "cuda": torch.version.cuda}
    names = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURMD_NODENAME", "SLURM_JOB_PARTITION")
    return facts | {name.lower(): os.environ[name] for name in names if name in os.environ}


_NO_GPU = (
    "ask for a node with a GPU that this torch supports (partitions in profiles/slurm), or set compute.require_gpu: "
    "false to work on the CPU"
)


def _why_no_gpu() -> str:
    if not torch.backends.cuda.is_built():
        return "this torch was built without CUDA"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    shown = "is not set" if visible is None else f"is '{visible}'"
    return f"torch {torch.__version__} for CUDA {torch.version.cuda} sees none (CUDA_VISIBLE_DEVICES {shown})"


def _where() -> str:
    job = os.environ.get("SLURM_JOB_ID")
    return f"Slurm job {job} on {os.environ.get('SLURMD_NODENAME', 'an unnamed node')}" if job else "this machine"
