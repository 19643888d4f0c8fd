"""Where the work runs, and in which arithmetic: what is asked for is what is done, or a message says why not."""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from latentdyn.errors import UserError

MatmulPrecision = Literal["highest", "high", "medium"]
JOBS_PER_GPU = "LATENTDYN_JOBS_PER_GPU"  # of the environment: compute.jobs_per_gpu
log = logging.getLogger(__name__)
_POLL_S = 1.0
_held: list[int] = []  # locked files, which stay open until this process ends
PRECISIONS: tuple[MatmulPrecision, ...] = get_args(MatmulPrecision)


def pick_device(*, require_gpu: bool = False, float32_matmul: MatmulPrecision = "highest") -> torch.device:
    """The first GPU that is visible to this process, else the CPU; sets the process's arithmetic.

    Slurm shows a job its own GPUs alone (CUDA_VISIBLE_DEVICES), so the first visible one is the one that was given.
    Elsewhere `take_card` comes before.

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


def take_card(wanted: bool = True) -> None:
    """Let this process see one of the GPUs that are visible to it, one that no other job has; wait until there is one.

    Snakemake's local executor counts GPUs but assigns none. So a job locks a file for the card that it works on
    (flock), until it ends in whatever way. Slurm gives cards itself. Jobs that other users run are not seen.

    Must come before anything is asked of CUDA, which looks at CUDA_VISIBLE_DEVICES once.
    """
    if not wanted or "SLURM_JOB_ID" in os.environ or not (n_cards := torch.cuda.device_count()):
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = [str(i) for i in range(n_cards)] if visible is None else visible.replace(" ", "").split(",")[:n_cards]
    folder = Path(tempfile.gettempdir()) / f"latentdyn-gpus-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ["CUDA_VISIBLE_DEVICES"] = _lock_one(cards, int(os.environ.get(JOBS_PER_GPU, "1")), folder)
    except OSError as error:
        log.warning("no lock of a GPU can be had in %s (%s): see that no two jobs share one", folder, error)


def _lock_one(cards: Sequence[str], jobs_per_card: int, folder: Path) -> str:
    """The card that is locked. No second job gets one before each has a first."""
    told = False
    while True:
        for place in range(jobs_per_card):
            for card in cards:
                if _lock(folder / f"{card}.{place}"):
                    return card
        if not told:
            log.info("waiting for a GPU: other jobs have %s", " and ".join(cards))
        told = True
        time.sleep(_POLL_S)


def _lock(path: Path) -> bool:
    """Whether nobody had it locked; now this process has."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            return False
        raise
    _held.append(file)
    return True


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
