"""A whole small workflow through `snakemake --profile slurm`: where its jobs go, and that the tables are the same."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.workflow.conftest import Checkout

from .conftest import SlurmCheckout
from .slurm import Slurm

pytestmark = pytest.mark.cluster

ONCE = ("build_manifest", "encode_latents", "merge_latents", "index_frames", "diagnostics_measure_clusters")
CPU = dict.fromkeys(ONCE, 1)  # the last is a group of two
GPU = {"train_predictor": 2, "measure_lagged": 2}  # a predictor with a context and one without, at all horizons


def rules(jobs: list[dict[str, str]]) -> Counter[str]:
    return Counter(re.sub("^rule_|_wildcards_.*", "", job["comment"]) for job in jobs)


@pytest.fixture
def fresh(finished_once: Checkout, slurm: Slurm, tmp_path: Path) -> SlurmCheckout:
    """A copy in which nothing was made."""
    subprocess.run(["cp", "-a", finished_once.folder, tmp_path / "checkout"], check=True)
    shutil.rmtree(tmp_path / "checkout/results")
    shutil.rmtree(tmp_path / "checkout/.snakemake")
    return SlurmCheckout(tmp_path / "checkout", slurm)


def test_jobs_go_where_they_belong_and_make_the_tables_of_a_local_run(fresh, slurm, finished_once, monkeypatch):
    finished_once.snakemake()
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # logs say what a job has loaded itself
    fresh.wait(fresh.submit())
    jobs = slurm.jobs()
    assert {job["state"] for job in jobs} == {"COMPLETED"}
    on_gpu = [job for job in jobs if job["gpus"] == "gres:gpu:1"]
    assert {job["partition"] for job in on_gpu} == {"gpu"} and rules(on_gpu) == GPU
    others = [job for job in jobs if job not in on_gpu]
    assert {(job["partition"], job["gpus"]) for job in others} == {("cpu", "N/A")} and rules(others) == CPU
    (group,) = [job for job in jobs if rules([job]) == {"diagnostics_measure_clusters": 1}]
    assert group["mem"] == "6000M"  # twice 3000, for they run at once
    results = fresh.folder / "results/tiny"
    alone, grouped = (next(results.rglob(f"{log}.log")).read_text() for log in ("train_predictor", "measure_clusters"))
    assert re.search(r"\| +numpy\n", alone) and re.search(r"\| +latentdyn\.errors\n", grouped)
    assert not re.search(r"\| +numpy\n", grouped)  # its jobs are copies of one Python
    for table in ("phase1_lagged", "phase0"):
        assert fresh.read(f"tables/{table}.csv") == finished_once.read(f"tables/{table}.csv")
    assert fresh.planned() == {}
