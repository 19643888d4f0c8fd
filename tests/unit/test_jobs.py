"""Records of jobs: that each leaves one line however it ends, that nothing cut or doubled is taken for a job, and why a
target would run again."""

import base64
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict

import pytest

from latentdyn.provenance import code_digest, jobs, why
from latentdyn.provenance.jobs import collect, planned_job, recorded, runs, write_plan

COMMAND = "python -m latentdyn.steps.index_frames --settings '{\"a\": 1}' >x/index.log 2>&1"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory of a run, in which a step runs as one of its jobs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(jobs.VARIABLE, str(jobs.FOLDER))
    monkeypatch.setattr(sys, "argv", ["/some/where/index_frames.py", "--settings", '{"a": 1}'])
    params = {"settings": '{"a": 1}', "code": "abc", "inputs": "", "state": "s"}
    write_plan({COMMAND: planned_job("index_frames", {"corpus": "c"}, ["in"], ["out"], params)}, {"configfiles": ["f"]})
    return tmp_path


def test_a_job_leaves_a_line_of_what_was_planned_and_how_it_ended(folder):
    with recorded():
        (running,) = runs()
        assert (running["status"], running["rule"], running["outputs"]) == ("running", "index_frames", ["out"])
    assert not jobs.MANIFEST.exists() and runs()[0]["status"] == "done"
    collect()
    (line,) = jobs.MANIFEST.read_text().splitlines()
    told = json.loads(line)
    assert told == runs()[0] and not list(jobs.FOLDER.glob("1*.json"))
    assert told["wildcards"] == {"corpus": "c"} and told["code"] == "abc" and told["params"] == {"settings": '{"a": 1}'}
    assert told["seconds"] >= 0 and told["device"] == "cpu" and "command" not in told


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (SystemExit("error: the disk is full"), "failed", "error: the disk is full"),
        (SystemExit(130), "interrupted", "130"),
        (ZeroDivisionError("division"), "failed", "ZeroDivisionError: division"),
    ],
)
def test_a_job_that_fails_says_how(folder, error, status, words):
    with pytest.raises(type(error)), recorded():
        raise error
    assert (runs()[0]["status"], runs()[0]["error"]) == (status, words)


def test_a_killed_job_is_told_when_its_run_is_over(folder):
    code = "import os, signal\nfrom latentdyn.provenance.jobs import recorded\n"
    code += "with recorded():\n    os.kill(os.getpid(), signal.SIGKILL)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ).returncode == -signal.SIGKILL
    assert runs()[0]["status"] == "running"
    collect()
    assert runs()[0]["status"] == "killed" and "killed" in runs()[0]["error"]


def test_lines_that_were_cut_or_written_twice_do_no_harm(folder):
    for _ in range(2):
        with recorded():
            pass
    collect()
    text = jobs.MANIFEST.read_text()
    assert len(text.splitlines()) == len(runs()) == 2
    jobs.MANIFEST.write_text(text + text.splitlines()[0] + "\n" + '{"job": "cut')
    with recorded():
        pass
    collect()
    assert len(runs()) == 3 and jobs.MANIFEST.read_text().endswith("}\n")
    collect()
    assert len(runs()) == 3


def test_a_step_by_hand_and_one_whose_record_cannot_be_written_run_all_the_same(folder, monkeypatch):
    monkeypatch.setenv(jobs.VARIABLE, "/proc/nowhere")
    with recorded():
        pass
    monkeypatch.delenv(jobs.VARIABLE)
    with recorded():
        pass
    assert runs() == []


def test_the_digest_of_a_config_is_of_its_params_without_code_and_state():
    made = [planned_job("r", {}, [], [], {"a": 1, "code": code, "state": code}) for code in ("x", "y")]
    assert made[0].config == made[1].config != planned_job("r", {}, [], [], {"a": 2}).config
    assert asdict(made[0])["params"] == {"a": "1"}


# ------------------------------------------------------------------------------------------------------------- why

PLAN = """Building DAG of jobs...
[Thu Nov 26 18:39:35 2026]
rule train_predictor:
    input: latents.json, new.json
    output: predictor.json
    reason: Params have changed since last execution: now: 'a; c'; Set of input files has changed since last execution
    wildcards: corpus=c
Shell command: python -m latentdyn.steps.train_model --settings '{"net":{"width":8},"steps":21}' --seed 0 >x.log 2>&1

[Thu Nov 26 18:39:35 2026]
localrule collect_metrics:
    input: predictor.json
    output: metrics.parquet
    reason: Input files updated by another job: predictor.json
"""


def keep(output: str, **facts):
    why._METADATA.mkdir(parents=True, exist_ok=True)
    (why._METADATA / base64.b64encode(output.encode(), b"_-").decode()).write_text(json.dumps(facts))


def test_settings_and_inputs_are_named_and_what_follows_is_counted(folder, monkeypatch):
    before = 'python -m latentdyn.steps.train_model --settings \'{"net":{"width":4},"steps":21}\' --seed 0 >x.log'
    keep("predictor.json", shellcmd=before, input=["latents.json", "old.json"], params=["'x'"])
    monkeypatch.setattr(why, "_dry_run", lambda target, configuration: PLAN)
    told = "\n".join(why.explain("all", []))
    assert "2 jobs would run for all" in told and "1 more follow" in told
    assert "  - setting settings.net.width: 4 -> 8\n" in told and "steps" not in told.split("width")[1].split("\n")[0]
    assert "did not read before: new.json" in told and "any more: old.json" in told


def test_edited_code_is_named(folder, monkeypatch):
    digest = code_digest("latentdyn.seeds:seed_for")
    jobs.keep_code(digest, ["latentdyn.seeds:seed_for"], False)
    file = jobs.FOLDER / "code" / f"{digest}.json"
    kept = json.loads(file.read_text())
    kept["definitions"] |= {"latentdyn.seeds:seed_for": "other", "latentdyn.seeds:gone": "g"}
    (jobs.FOLDER / "code/0123.json").write_text(json.dumps(kept))
    job = why.Planned("r", [], ["o"], [], [])
    assert list(why._code({"params": [f"'{digest}'"]}, job)) == []
    assert list(why._code({"params": ["''", "'0123'"]}, job)) == [
        "code was edited: latentdyn.seeds:seed_for", "code is gone, or reached no more: latentdyn.seeds:gone"
    ]  # fmt: skip
    assert list(why._code({"params": [f"'{digest}-77'"]}, job)) == [
        "gates.yaml asks something else, unless a setting above has changed"
    ]


def test_up_to_date_is_said(folder, monkeypatch):
    monkeypatch.setattr(why, "_dry_run", lambda target, configuration: "Nothing to be done.\n")
    (line,) = why.explain("x.csv", [])
    assert line.startswith("Nothing would run: x.csv is up to date")


def test_the_configuration_is_that_of_the_last_run_unless_another_is_named(folder):
    write_plan({}, {"configfiles": ["f.yaml"], "config": {"compute": {"require_gpu": True}}})
    assert why._configuration([]) == ["--configfile", "f.yaml", "--config", 'compute={"require_gpu": true}']
    assert why._configuration(["g.yaml"]) == ["--configfile", "g.yaml"]
