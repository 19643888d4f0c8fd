"""The wheel that `pip install .` makes: all of the package, its types, the command, and nothing else."""

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import latentdyn

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Built offline, from a copy: setuptools leaves its own files beside the source."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    command = ["pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", "built", "."]
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (folder / "built").iterdir()
    assert file.name == f"latentdyn-{latentdyn.__version__}-py3-none-any.whl"
    return zipfile.ZipFile(file)


def test_it_holds_every_file_of_the_package_and_no_other(wheel):
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "latentdyn").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "latentdyn/py.typed" in expected
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected


def test_its_command_is_there_to_be_called(wheel):
    entries = configparser.ConfigParser()
    entries.read_string(wheel.read(f"latentdyn-{latentdyn.__version__}.dist-info/entry_points.txt").decode())
    assert dict(entries["console_scripts"]) == {"latentdyn": "latentdyn.__main__:main"}


def test_it_runs_from_the_wheel_alone(wheel, tmp_path):
    wheel.extractall(tmp_path)
    script = "import latentdyn.__main__ as command; print(command.__file__); command.main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--version"], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [f"{tmp_path}/latentdyn/__main__.py", f"latentdyn {latentdyn.__version__}"]
