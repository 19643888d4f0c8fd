"""What steps have warned of is told at the end of a run."""

import os
from pathlib import Path

import pytest

from latentdyn.provenance.logs import warnings_since


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for folder in ("a/logs", "a/mel/logs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "a/logs/build_manifest.log").write_text("reading\nwarning: passed over: 2 files\n100%|###| 2/2\n")
    (tmp_path / "a/mel/logs/index_frames.log").write_text("no warning: all is well\n")
    return tmp_path


def test_warnings_are_told_with_their_log(results):
    assert list(warnings_since(results, 0)) == [f"{results}/a/logs/build_manifest.log: passed over: 2 files"]


def test_those_of_earlier_runs_are_not_told_again(results):
    os.utime(results / "a/logs/build_manifest.log", (10, 10))
    assert list(warnings_since(results, 11)) == []


def test_many_and_long_ones_are_counted_and_shortened(results):
    (results / "a/logs/build_manifest.log").write_text("".join(f"warning: {i} {'word ' * 200}\n" for i in range(12)))
    told = list(warnings_since(results, 0))
    assert len(told) == 11 and told[-1].startswith("and 2 more: grep")
    assert all(line.endswith(" ...") and len(line) < 600 for line in told[:10])


def test_without_results_there_are_none(tmp_path):
    assert list(warnings_since(tmp_path / "results", 0)) == []
