"""Every benchmark on disk runs, at sizes that say nothing about speed."""

import re
import subprocess
import sys

import pytest

from .conftest import ROOT, Checkout, environment

pytestmark = pytest.mark.workflow
BENCHMARKS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "measure")  # that they share


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.stem)
def test_it_runs_and_prints_a_table_of_numbers(checkout: Checkout, script, request):
    if "LATENTDYN_TEST_DATA" in script.read_text():
        request.getfixturevalue("real_data")
    done = subprocess.run(
        [sys.executable, script, "--quick"], cwd=checkout.folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\|.*\d.*\|$", done.stdout, re.M)
    assert rows and "nan" not in " ".join(rows), done.stdout


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.stem)
def test_the_list_of_benchmarks_names_it(script):
    assert f"`python benchmarks/{script.name}`" in (ROOT / "benchmarks/README.md").read_text()
