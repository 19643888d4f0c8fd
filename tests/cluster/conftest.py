"""A cluster for the whole session, a small workflow whose result is known, and Snakemake as a user of Slurm runs it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.workflow.conftest import CONFIG, ONE_THREAD, ROOT, Checkout, environment, new_checkout

from .slurm import Slurm, wait_until, why_not_here

PREDICTOR = "results/tiny/mel/net/seed0"
LATENTS = "results/tiny/mel/parts/0of1"
_FAST = Path(__file__).with_name("fast_snakemake.py")
_PATIENCE_S = 240  # several times what is needed on two busy cores


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if reason := why_not_here():
        pytest.skip(reason)
    slurm = Slurm(tmp_path_factory.mktemp("slurm") / "cluster")
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def slurm(cluster: Slurm) -> Iterator[Slurm]:
    """The cluster with all its nodes up and no job."""
    cluster.forget_jobs()
    yield cluster
    cluster.restore_nodes()


@pytest.fixture(scope="session")
def finished_once(cluster: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A small predictor, trained by a local run that nothing disturbed, long enough to be disturbed."""
    checkout = new_checkout(tmp_path_factory.mktemp("finished") / "checkout")
    (checkout.folder / "slurm").symlink_to(os.readlink(ROOT / "slurm"))

    def change(config: dict) -> None:
        config["corpora"]["tiny"]["encoding_parts"] = 1
        config["predictors"]["net"]["training"] |= {"steps": 1200, "validate_every_steps": 100}
        config["tables"]["phase1_lagged"]["predictors"] = ["net"]
        config["keys"] = {"mean": {"kind": "mean_pool"}, "pca": {"kind": "pca", "dims": 2}}
        config["clustering"] = {
            "window_frames": 2, "longest_horizon": 2, "cluster_counts": [4], "permutations": 2, "kmeans_restarts": 1,
        }  # fmt: skip
        config["tables"]["phase0"] = {
            "kind": "clustering", "corpora": ["tiny"], "representations": ["mel"], "keys": ["mean", "pca"],
        }  # fmt: skip

    assert CONFIG["predictors"]["net"]["horizons"] == [1, 2]
    checkout.configure(change)
    checkout.snakemake("--", f"{PREDICTOR}/predictor.json")
    return checkout


class SlurmCheckout(Checkout):
    """A checkout whose Snakemake submits to a cluster."""

    def __init__(self, folder: Path, cluster: Slurm) -> None:
        super().__init__(folder)
        self.cluster, self.running = cluster, list[subprocess.Popen]()

    def submit(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start `snakemake --profile slurm`; what it says goes to `said()`."""
        options = ["--configfile", "tiny.yaml", "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"]
        with open(self.folder / "said.txt", "wb") as said:
            process = subprocess.Popen(
                [sys.executable, _FAST, "--profile", "slurm", *options, *ONE_THREAD, *arguments], cwd=self.folder,
                env={**environment(), **self.cluster.environment, "PATH": self._path()}, stdout=said, stderr=said,
                start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip
        self.running.append(process)
        return process

    def said(self) -> str:
        return (self.folder / "said.txt").read_text()

    def wait(self, process: "subprocess.Popen[bytes]", expected: int = 0) -> None:
        code = process.wait(_PATIENCE_S)
        assert code == expected, f"exit status {code}\n{self.said()}"

    def when(self, ready, what: str) -> None:
        wait_until(lambda: ready() or self.running[-1].poll() is not None, _PATIENCE_S, what)
        assert ready(), f"Snakemake ended before: {what}\n{self.said()}"

    def begin_training(self, *arguments: str) -> tuple["subprocess.Popen[bytes]", str]:
        """Submit the training and stop the process within its second horizon; Snakemake, and the job's id."""
        process = self.submit(*arguments, "--", f"{PREDICTOR}/predictor.json")
        state = self.folder / "results/.state/train_predictor/tiny/mel/net/seed0"
        self.when(lambda: list(state.glob("*/finished_k1.pt")), "the first horizon is trained")
        (job,) = self.cluster.running()
        (step,) = [p for p in self.cluster.job_processes(job["id"]) if _is_step(p)]
        step.suspend()
        assert not (self.folder / f"{PREDICTOR}/predictor.json").exists()
        return process, job["id"]

    def log(self) -> str:
        return (self.folder / f"{PREDICTOR}/logs/train_predictor.log").read_text()

    def _path(self) -> str:
        return f"{self.cluster.environment['PATH'].split(os.pathsep)[0]}{os.pathsep}{environment()['PATH']}"


def _is_step(process: psutil.Process) -> bool:
    try:
        command = process.cmdline()
    except psutil.Error:
        return False
    return "-m" in command and any(word.startswith("latentdyn.steps.") for word in command)


@pytest.fixture
def checkout(finished_once: Checkout, slurm: Slurm, tmp_path: Path) -> Iterator[SlurmCheckout]:
    """A copy in which everything is finished but the predictor."""
    subprocess.run(["cp", "-a", finished_once.folder, tmp_path / "checkout"], check=True)
    checkout = SlurmCheckout(tmp_path / "checkout", slurm)
    shutil.rmtree(checkout.folder / PREDICTOR)
    yield checkout
    for process in checkout.running:
        if process.poll() is None:
            process.kill()
            process.wait()
