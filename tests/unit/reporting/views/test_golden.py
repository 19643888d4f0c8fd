"""What people read of a table changes only on purpose."""

import io
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from .golden import FOLDER, FORMS, KINDS, forms


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_the_one_that_was_approved(kind: str):
    made = forms(kind)
    approved = {name: (FOLDER / name).read_text(encoding="utf-8") for name in made}
    for form in ("md", "tex"):
        assert made[f"{kind}.{form}"] == approved[f"{kind}.{form}"], "golden.py says how to approve another one"
    csv, expected = (pd.read_csv(io.StringIO(texts[f"{kind}.csv"])) for texts in (made, approved))
    pd.testing.assert_frame_equal(csv, expected, rtol=1e-12)  # another machine may round a last digit otherwise


@pytest.mark.parametrize("kind", KINDS)
def test_an_approved_table_compiles_and_fits_the_page(kind: str, tmp_path: Path):
    compiler = shutil.which("pdflatex") or shutil.which("tectonic")
    if compiler is None:
        pytest.skip("neither pdflatex nor tectonic is installed")
    packages = (FOLDER / f"{kind}.tex").read_text(encoding="utf-8").splitlines()[0].removeprefix("% Needs ")
    (tmp_path / "paper.tex").write_text(
        rf"\documentclass{{article}}\usepackage[T1]{{fontenc}}{packages.rstrip('.')}"
        rf"\begin{{document}}\input{{{FOLDER / kind}}}\end{{document}}",
        encoding="utf-8",
    )
    options = ["-interaction=nonstopmode", "-halt-on-error"] if compiler.endswith("pdflatex") else ["--keep-logs"]
    for _ in range(2):  # a longtable knows the widths of its columns the second time
        subprocess.run([compiler, *options, "paper.tex"], cwd=tmp_path, check=True, capture_output=True)
    log = (tmp_path / "paper.log").read_text(encoding="utf-8", errors="replace")
    assert "Overfull \\hbox" not in log and "Missing character" not in log


def test_every_approved_table_is_of_a_kind_that_there_is():
    assert {path.name for path in FOLDER.iterdir()} == {f"{kind}.{form}" for kind in KINDS for form in FORMS}
