"""Digests of code that are kept: the same as found anew, and none after a source has changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import latentdyn
from latentdyn.provenance import code_digest
from latentdyn.provenance.code import Code
from latentdyn.provenance.kept import KeptDigests


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "inner").mkdir()
    (tmp_path / "step.py").write_text("A = 1\n")
    (tmp_path / "inner/leaf.py").write_text("B = 1\n")
    return tmp_path


def ask(source: Path, question: str = "step") -> list[str]:
    """The answer of a new process, and what it had to find."""
    found: list[str] = []

    def find() -> str:
        found.append(question)
        return f"digest of {question}"

    assert KeptDigests(source).get(question, find) == f"digest of {question}"
    return found


def kept_file(source: Path) -> Path:
    (file,) = (source / "__pycache__").iterdir()
    return file


def test_what_was_found_is_found_once(source):
    assert ask(source) == ["step"] and ask(source) == []
    assert ask(source, "other") == ["other"] and ask(source, "other") == ask(source) == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda source: (source / "step.py").write_text("A = 2\n"),
        lambda source: (source / "inner/leaf.py").rename(source / "inner/twig.py"),
        lambda source: (source / "inner/leaf.py").unlink(),
        lambda source: (source / "new.py").write_text(""),
    ],
)
def test_any_change_of_a_source_finds_all_again(source, edit):
    ask(source)
    edit(source)
    assert ask(source) == ["step"] and ask(source) == []


def test_the_same_text_in_other_files_is_another_package(source):
    ask(source)
    (source / "step.py").write_text("B = 1\n")
    (source / "inner/leaf.py").write_text("A = 1\n")
    assert ask(source) == ["step"]


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"sources": 1}', '{"digests": {}}'])
def test_a_damaged_file_is_found_again(source, damage):
    ask(source)
    kept_file(source).write_text(damage)
    assert ask(source) == ["step"] and ask(source) == []


def test_digests_that_are_no_table_are_found_again(source):
    ask(source)
    kept = json.loads(kept_file(source).read_text())
    kept_file(source).write_text(json.dumps(kept | {"digests": ["step"]}))
    assert ask(source) == ["step"]


def test_nothing_is_kept_where_python_keeps_nothing(source, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert ask(source) == ask(source) == ["step"]
    assert not (source / "__pycache__").exists()


def test_a_folder_that_cannot_be_written_to_is_no_error(source):
    (source / "__pycache__").write_text("in the way")
    assert ask(source) == ask(source) == ["step"]


def test_what_is_kept_is_what_is_found_anew():
    entries = ["latentdyn.files", "latentdyn.seeds"]
    kept = [code_digest(*entries), code_digest(*reversed(entries))]
    command = [sys.executable, "-m", "latentdyn.provenance", *entries]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
    assert kept == [told, told] == [Code(Path(latentdyn.__file__).parent).digest(entries, presentation=False)] * 2
