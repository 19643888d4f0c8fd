"""What a run tells of its jobs, and why it would run some again."""

import argparse
import json
import re
import runpy
import shlex
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from latentdyn.files import file_sha256
from latentdyn.forkserver import VARIABLE
from latentdyn.provenance import jobs
from latentdyn.steps import cli

from .conftest import Checkout, environment, new_checkout

pytestmark = pytest.mark.workflow


def latentdyn(checkout: Checkout, *arguments: str) -> str:
    command = [sys.executable, "-m", "latentdyn", *arguments]
    env = environment() | {"PYTHONPATH": str(checkout.folder / "src")}
    return subprocess.run(command, cwd=checkout.folder, env=env, capture_output=True, text=True, check=True).stdout


def test_every_job_is_in_the_manifest_and_an_edit_is_named(finished):
    jobs = [json.loads(line) for line in (finished.folder / "results/manifest.jsonl").read_text().splitlines()]
    assert {job["status"] for job in jobs} == {"done"}
    assert [job["rule"] for job in jobs].count("train_predictor") == 4
    for job in jobs:
        assert job["code"] and job["config"] and job["device"] == "cpu"
        assert job["outputs"] and all((finished.folder / file).exists() for file in [*job["inputs"], *job["outputs"]])
    table = "results/tiny/tables/phase1_lagged.csv"
    assert latentdyn(finished, "why", table).startswith("Nothing would run")
    finished.configure(lambda config: config["predictors"]["net"]["training"].update(learning_rate=0.01))
    finished.edit("src/latentdyn/reporting/views/lagged.py", '"k"', '"K"')
    told = latentdyn(finished, "why", table)
    assert "setting settings.training.learning_rate: 0.001 -> 0.01" in told and "lagged.py" not in told
    finished.configure()
    assert "code was edited: latentdyn.reporting.views.lagged:" in latentdyn(finished, "why", table)
    finished.edit("src/latentdyn/steps/tabulate_metrics.py", "    started = time.time()", "    raise OSError('no')")
    assert finished.snakemake(check=False).returncode
    failed = latentdyn(finished, "runs", "--failed", "--rule", "tabulate_metrics")
    assert "failed       tabulate_metrics  tiny phase1_lagged" in failed and "error: " in failed
    assert latentdyn(finished, "runs", "--rule", "train_predictor").count("train_predictor  tiny mel net ") == 1


def test_what_a_job_does_not_check_again_would_pass_as_it_is(checkout, monkeypatch):
    def parse(doc: str, add_arguments: Any, step: Any, *, check: Any = None) -> None:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        parsed = parser.parse_args()
        if check is not None and jobs.by_hand():
            check(parsed)
        got.append(vars(parsed))

    monkeypatch.setattr(cli, "run_step", parse)
    planned = checkout.snakemake("-n", "-p").stdout
    commands = [shlex.split(command) for command in set(re.findall(r"python -m (latentdyn.*) >", planned))]
    assert len(commands) > 15
    for step, *arguments in commands:
        got: list[dict[str, Any]] = []
        monkeypatch.setattr(sys, "argv", [step, *arguments])
        for folder in ("", str(jobs.FOLDER)):
            monkeypatch.setenv(jobs.VARIABLE, folder)
            runpy.run_module(step, run_name="__main__")
        if step == "latentdyn.steps.plot_metrics":
            assert "columns" not in got[1]["table"]  # the rule leaves out what no figure shows
            del got[0]["table"]["columns"]
        assert got[0] == got[1], step


def test_jobs_that_are_copies_of_one_python_write_what_jobs_that_load_their_libraries_write(tmp_path):
    written, verified = [], {}
    for name, server in (("alone", {VARIABLE: "none"}), ("copies", {})):
        checkout = new_checkout(tmp_path / name)
        store = "src/latentdyn/stores/verified.py"
        checkout.edit(store, "_SETTLED_S = 2.0", "_SETTLED_S = -1e9")  # here files are mapped as soon as written
        checkout.edit(store, "                self._check(path, content, facts)\n", """\
                with open('verified.txt', 'a') as told:
                    print(path, file=told)
                self._check(path, content, facts)
""")  # fmt: skip
        checkout.snakemake(env=environment() | {"PYTHONPROFILEIMPORTTIME": "1"} | server)  # logs say what a job loads
        logs = "".join(log.read_text() for log in checkout.folder.glob("results/tiny/**/logs/**/*.log"))
        assert re.search(r"\| +latentdyn\.errors\n", logs)
        assert bool(re.search(r"\| +torch\n", logs)) == (name == "alone")
        results = checkout.folder / "results/tiny"
        files = [file for file in results.rglob("*") if file.is_file() and file.suffix != ".log"]
        written.append({str(file.relative_to(results)): file_sha256(file) for file in files
                        if not file.name.endswith(".run.json")})  # fmt: skip
        verified[name] = Counter((checkout.folder / "verified.txt").read_text().split())
    assert written[0] == written[1] and "mel/net/seed0/predictor.safetensors" in written[0]
    assert max(verified["alone"].values()) > 2 >= max(verified["copies"].values())  # two cores: jobs begin together


def test_a_run_whose_server_cannot_be_started_says_so_and_goes_on(tmp_path):
    checkout = new_checkout(tmp_path / "checkout")
    long = tmp_path / ("long" * 30)  # the name of a socket has at most 107 bytes
    long.mkdir()
    done = checkout.snakemake("--", "results/tiny/mel/frames.json", env=environment() | {"TMPDIR": str(long)})
    assert "a server of them can't be started (AF_UNIX path too long)" in done.stderr
    assert (checkout.folder / "results/tiny/mel/frames.json").exists() and not list(long.iterdir())


def test_how_many_jobs_start_in_a_second_is_limited_only_where_somebody_asks_for_it(tmp_path):
    """By its own limit Snakemake chooses jobs again and again."""
    checkout = new_checkout(tmp_path / "checkout")
    checkout.edit(
        "workflow/rules/common.smk",
        "        workflow.scheduler.job_rate_limiter = None",
        "        workflow.scheduler.job_rate_limiter = None\n    print('limit', workflow.scheduler.job_rate_limiter)",
    )
    target = ("--", "results/tiny/splits.parquet")
    assert "limit None" in checkout.snakemake(*target).stdout
    (checkout.folder / "results/tiny/splits.parquet").unlink()
    assert "limit <" in checkout.snakemake("--max-jobs-per-timespan", "5/1s", *target).stdout
