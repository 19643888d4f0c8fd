"""What the text of config files says that their values do not: repeated keys, odd values, lines."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from latentdyn.config import check_command_line, check_files, load_config
from latentdyn.config.files import line_of, merged
from latentdyn.errors import UserError

from .examples import FOLDER, SMALL, edited


def refusal(tmp_path: Path, text: str) -> UserError:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        check_files([tmp_path / "a.yaml"])
    return caught.value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", "line 4: a.b is named again (first in line 2)"),
        ("a: {b: 1, b: 2}\n", "line 1: a.b is named again"),
        ("a:\n- b: 1\n  b: 2\n", "line 3: a.0.b is named again (first in line 2)"),
        ('{"a": 1,\n\t"a": 2}', "line 2: a is named again"),
        ("a: {1: x}", "line 1: a.1: YAML reads this key as a number"),
        ("a: {no: x}", "line 1: a.no: YAML reads this key as true or false"),
        ("on: x", "line 1: on: YAML reads this key as true or false"),
        ("a: {~: x}", "line 1: a.~: YAML reads this key as null"),
        ("a: {2024-01-01: x}", "line 1: a.2024-01-01: YAML reads this key as a date"),
        ("a: {? [x, y] : z}", "line 1: a: a key must be text, not a list or a mapping"),
        ("a:\n  b: 2024-01-01\n", "line 2: a.b: YAML reads 2024-01-01 as a date; put it in quotes"),
        ("a: [1, 2001-12-14t21:59:43.10-05:00]", "line 1: a.1: YAML reads 2001-12-14t21:59:43.10-05:00 as a date"),
        ("a: .inf", "line 1: a: .inf is not finite"),
        ("a: [-.INF]", "line 1: a.0: -.INF is not finite"),
        ("a: .nan", "line 1: a: .nan is not finite"),
        ("a: 1.0e+999", "line 1: a: 1.0e+999 is not finite"),
        ("a: !!set {x, y}", "line 1: a: a config holds no set"),
        ("a: !!binary aGVsbG8=", "line 1: a: a config holds no binary"),
        ("a: !!python/tuple [1]", "line 1: a: a config holds no python/tuple"),
        ("a: !mine 1", "line 1: a: a config holds no mine"),
        ("a: 1:30", "line 1: a: YAML reads 1:30 as 90"),
        ("a: 010", "line 1: a: YAML reads 010 as 8"),
        ("a:\n  <<: 3\n", "line 2: a.<<: only a mapping, or a list of mappings, can be merged"),
        ("a: {<<: [{b: 1}, x]}", "line 1: a.<<: only a mapping"),
        ("a: &x\n  b: *x\n", "line 1: a.b contains itself"),
        ("a: " + "[" * 900 + "]" * 900, "line 1: a.0.0: holds values in values without end"),
    ],
)
def test_what_a_file_seems_to_say_and_does_not_is_refused_by_line(tmp_path: Path, text: str, words: str):
    error = refusal(tmp_path, text)
    assert words in error.what
    assert error.where == str(tmp_path / "a.yaml")


def test_all_odd_lines_of_a_file_are_told_at_once(tmp_path: Path):
    said = refusal(tmp_path, "a: 2024-01-01\nb: .inf\na: 1\n").what
    assert all(words in said for words in ("line 1: a:", "line 2: b:", "line 3: a is named again"))


@pytest.mark.parametrize(
    ("text", "words", "where"),
    [
        ("", "is empty", ""), ("# nothing\n", "is empty", ""), ("- a\n", "no keys at its top level", ""),
        ("just words", "no keys at its top level", ""), ("a:\n\tb: 1\n", "is not YAML", ", line 2"),
        ("a: [1\n", "is not YAML", ", line 2"), ("a: *b\n", "is not YAML", ", line 1"),
        ("a: 1\n---\na: 2\n", "is not YAML", ", line 2"), 
    ],
)  # fmt: skip
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path: Path, text: str, words: str, where: str):
    error = refusal(tmp_path, text)
    assert words in error.what and error.where.endswith(f"a.yaml{where}")


def test_a_missing_file_and_one_in_another_encoding_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        check_files([tmp_path / "none.yaml"])
    (tmp_path / "a.yaml").write_bytes("a: é".encode("latin-1"))
    with pytest.raises(UserError, match="cannot be read"):
        check_files([tmp_path / "a.yaml"])


@pytest.mark.parametrize(
    "text",
    [
        "a: &x {b: 1}\nc: {<<: *x, b: 2}\nd: *x\n",  # an entry of a merge may be replaced
        "a: '2024-01-01'\n'1': x\n'no': y\nb: 1.0e-3\nc: -1_000\nd: 0x1F\n",
        '{\n\t"a": 1.5,\n\t"b": {"a": null, "c": [true]}}',
        "__use_yte__: true\n?if True:\n  a: 1\n?if False:\n  a: 2\n?if True:\n  b: 1\n",  # a template of Snakemake's
    ],
)
def test_what_only_looks_odd_is_accepted(tmp_path: Path, text: str):
    (tmp_path / "a.yaml").write_text(text)
    check_files([tmp_path / "a.yaml"])


def test_a_mistake_is_told_with_the_file_and_line_that_count(tmp_path: Path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("tables:\n  t:\n    kind: lagged\n    seeds: [0, 1]\n")
    second.write_text("keys: {}\ntables:\n  t:\n    seeds:\n    - 0\n    - -1\n")
    files = [first, second]
    assert line_of(files, ["tables", "t", "kind"]) == f"{first}, line 3"
    assert line_of(files, ["tables", "t", "seeds", "1"]) == f"{second}, line 6"
    assert line_of(files, ["tables", "t", "splits"]) == f"{second}, line 3", "what is missing: where it should be"
    assert line_of(files, ["corpora"]) is None
    with pytest.raises(UserError) as caught:
        load_config(edited("tables.t.seeds", [0, -1]), files)
    assert caught.value.where == f"{second}, line 6"
    with pytest.raises(UserError) as caught:
        load_config(edited("tables.t.seeds", [0, -1]), files, {"tables": {"t": {"seeds": [0, -1]}}})
    assert caught.value.where == "--config"
    with pytest.raises(UserError) as caught:
        load_config(edited("schema_version", 2), files)
    assert str(first) in caught.value.where and str(second) in caught.value.where


def test_files_are_merged_as_snakemake_merges_them(tmp_path: Path):
    from .examples import merged as by_snakemake

    files = [FOLDER / "config.yaml", FOLDER / "soundstream.yaml", FOLDER / "calibration.yaml"]
    assert load_config(merged(files)) == by_snakemake("soundstream", "calibration")


@pytest.mark.parametrize(
    ("arguments", "accepted"),
    [
        (["snakemake", "--configfile", "a", "b"], True), (["snakemake", "--configfiles", "a"], True),
        (["snakemake", "--config", "a=1"], True), (["x", "--configfile", "a", "--configfile", "b"], False),
        (["x", "--configfile=a", "-n", "--configfiles", "b"], False),
    ],
)  # fmt: skip
def test_files_that_snakemake_drops_are_told(arguments: list[str], accepted: bool):
    if accepted:
        check_command_line(arguments)
        return
    with pytest.raises(UserError, match="drops the files of all but the last"):
        check_command_line(arguments)


def test_files_are_checked_from_the_command_line(tmp_path: Path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.yaml"
    good.write_text(json.dumps({**SMALL, "schema_version": 1}))
    bad.write_text("evaluation: {max_frames: 0}\n")
    check = [sys.executable, "-m", "latentdyn.config", "--folder", str(FOLDER), "check"]
    done = subprocess.run([*check, good], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "The files are valid. Tables: t, phase0, exact.\n")
    done = subprocess.run([*check, good, bad], capture_output=True, text=True)
    assert done.returncode == 1 and "evaluation.max_frames: must be 2 or more, not 0" in done.stderr
    assert f"Where: {bad}, line 1." in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("somewhere", ["", "other/config"])
def test_files_are_checked_from_any_folder(tmp_path, monkeypatch, capsys, somewhere):
    """On top of the project's config.yaml, not of one that lies where the reader is."""
    (tmp_path / "other/config").mkdir(parents=True)
    (tmp_path / "other/config/config.yaml").write_text("schema_version: 7\n")
    (tmp_path / "my.yaml").write_text("evaluation: {max_frames: 4}\n")
    monkeypatch.chdir(tmp_path / somewhere)
    monkeypatch.setattr(sys, "argv", ["config", "check", str(tmp_path / "my.yaml")])
    runpy.run_module("latentdyn.config", run_name="__main__")
    assert capsys.readouterr().out == "The files are valid. They ask for no tables.\n"


def test_a_folder_without_the_first_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["config", "--folder", str(tmp_path), "check", "my.yaml"])
    with pytest.raises(SystemExit, match=r"holds no config\.yaml\. Where: .*What to do: name the project's folder"):
        runpy.run_module("latentdyn.config", run_name="__main__")


def test_aliases_that_stand_for_more_values_than_any_config_has_are_refused_at_once(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(UserError, match="its aliases stand for more than 100000 values"):
        check_files([tmp_path / "bomb.yaml"])
