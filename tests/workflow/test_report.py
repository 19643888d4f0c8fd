"""`snakemake report` and `snakemake paper`: what they make, what makes them again, and that nothing is measured."""

import shutil
from typing import Any

import pytest

pytestmark = pytest.mark.workflow


@pytest.fixture
def reported(finished):
    """A finished run with its page and its paper."""
    finished.snakemake("--", "report", "paper")
    return finished


def test_a_page_and_a_paper_are_made_of_tables_that_are_there(reported):
    page = reported.read("report.html").decode()
    assert 'id="table-phase1_lagged"' in page and "data:image/svg+xml;base64," in page
    assert "measure_lagged" in page and "sha256 of the CSV" in page
    names = {path.name for path in (reported.folder / "results/tiny/paper").iterdir()}
    forms = {f"{table}.{form}" for table in ("phase1_lagged", "compute", "forecasts") for form in ("csv", "md", "tex")}
    assert forms | {"paper.tex", "phase1_lagged.png", "files.run.json"} <= names
    assert reported.planned("--", "report", "paper") == {}

    reported.edit("src/latentdyn/reporting/questions.yaml", "than: 0.01", "than: 0.02")  # what no table shows
    both = {"write_report": 1, "report": 1, "write_paper": 1, "paper": 1}
    assert reported.planned("--", "report", "paper") == both
    reported.edit("src/latentdyn/reporting/questions.yaml", "than: 0.02", "than: 0.01")
    reported.edit("src/latentdyn/reporting/forecasts.py", "CHANCE = 0.25", "CHANCE = 0.26")
    assert reported.planned("--", "report", "paper") == {"write_paper": 1, "paper": 1}
    reported.edit("src/latentdyn/reporting/forecasts.py", "CHANCE = 0.26", "CHANCE = 0.25")

    for folder in ("tables", "figures", "paper"):
        shutil.rmtree(reported.folder / "results/tiny" / folder)
    views = {"tabulate_metrics": 1, "plot_metrics": 1}
    assert reported.planned("--", "report", "paper") == views | both


def test_a_changed_threshold_makes_again_what_shows_it(finished):
    def change(config: dict[str, Any]) -> None:
        config["injection"] = {"utterances": 2, "segments": 2, "steps": 4, "injected_steps_b": [2], "splits": ["eval"]}
        rows = {"corpora": ["tiny"], "representations": ["mel"], "predictors": ["line"]}
        config["tables"]["gated"] = {"kind": "gates", **rows}

    finished.configure(change)
    finished.snakemake("--", "report", "paper")
    assert finished.planned("--", "report", "paper") == {}
    gates = "src/latentdyn/reporting/gates.yaml"
    finished.edit(gates, "gates:\n", "# a remark\ngates:\n")
    assert finished.planned("--", "report", "paper") == {}
    finished.edit(gates, "threshold: -14.7", "threshold: -14.8")
    assert finished.planned("--", "report", "paper") == {
        "tabulate_metrics": 1, "plot_metrics": 1, "write_report": 1, "report": 1, "write_paper": 1, "paper": 1,
    }  # fmt: skip
    finished.edit(gates, "threshold: -14.8", "treshold: -14.8")
    done = finished.snakemake("-n", check=False)
    assert done.returncode and "gates.nats_beyond_pca.treshold" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
