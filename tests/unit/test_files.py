import fcntl
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentdyn.errors import UserError
from latentdyn.files import (
    atomic_path,
    canonical_json,
    check_folders,
    check_place,
    file_sha256,
    of_folders,
    read_handle,
    read_json,
    write_json,
    write_text,
)
from latentdyn.parquet import parquet_facts

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@pytest.fixture
def umask() -> Iterator[int]:
    earlier = os.umask(0o027)
    yield 0o027
    os.umask(earlier)


def test_an_atomic_file_appears_whole_and_alone(tmp_path: Path):
    path = tmp_path / "new" / "table.csv"
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert (temporary.parent, temporary.suffix) == (path.parent, ".csv")  # a rename, and the format by its suffix
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path: Path, failure: type[BaseException]):
    with pytest.raises(failure), atomic_path(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_earlier_file(tmp_path: Path):
    path = tmp_path / "file"
    write_text(path, "earlier")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_has_left_is_removed_and_what_another_writes_is_not(tmp_path: Path):
    killed, written, young = (tmp_path / f".a.json.{name}.json" for name in ("killed", "written", "young"))
    other = tmp_path / ".ab.json.x.json"
    for path in (killed, written, young, other):
        path.touch()
    for path in (killed, written, other):
        os.utime(path, (1e9, 1e9))
    with open(written, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with atomic_path(tmp_path / "a.json") as temporary:
            temporary.write_text("{}")
    assert {path for path in tmp_path.iterdir() if path.name != "a.json"} == {written, young, other}


def test_an_earlier_file_is_replaced(tmp_path: Path):
    write_text(tmp_path / "file", "a longer text before")
    write_text(tmp_path / "file", "after")
    assert (tmp_path / "file").read_text() == "after"


def test_a_file_is_as_readable_as_any_other_that_the_user_makes(tmp_path: Path, umask: int):
    write_text(tmp_path / "file", "")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask == 0o640
    assert os.umask(umask) == umask  # and the process's mask is as it was


# sha256 of the text {"a":"Δx","b":1}, by sha256sum
ABC = "c8345d53103399ac96b578b9445afa506a39f84e98d5fc788ff4e22f3c658496"


def test_json_is_sorted_ends_its_line_and_keeps_letters(tmp_path: Path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "Δx"})
    write_json(tmp_path / "b.json", {"a": "Δx", "b": 1})
    assert (tmp_path / "a.json").read_text(
        encoding="utf-8"
    ) == '{\n "a": "Δx",\n "b": 1,\n "own_sha256": "' + ABC + '"\n}\n'
    assert file_sha256(tmp_path / "a.json") == file_sha256(tmp_path / "b.json")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_refuses_what_json_has_no_word_for(tmp_path: Path, value: float):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"nested": [value]})
    with pytest.raises(ValueError):
        canonical_json(value)
    assert list(tmp_path.iterdir()) == []


def test_canonical_json_by_hand():
    assert canonical_json({"b": [1, 2.5, None, True], "a": "ü"}) == '{"a":"ü","b":[1,2.5,null,true]}'


def test_json_comes_back_without_its_checksum(tmp_path: Path):
    value = {"b": [1, -0.0, 1e300, None, "Δx"], "a": {"c": 0.1}}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json", made_by="x") == value
    (tmp_path / "a.json").write_text(json.dumps(json.loads((tmp_path / "a.json").read_text()), indent=7))
    assert read_json(tmp_path / "a.json", made_by="x") == value  # another layout is no other content


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace("12.5", "12.6"), "damaged, edited, or exchanged"),
        (lambda text: text.replace(' "rate": 12.5', ' "rate": 12.5,\n "rate": 25.0'), "damaged, edited, or exchanged"),
        (lambda text: json.dumps({"rate": 12.5}), "has no checksum: an earlier version of latentdyn wrote it"),
        (lambda text: "[1, 2]", "has no checksum"),
        (lambda text: text.replace("12.5", "NaN"), "not valid JSON"),
        (lambda text: text.replace("12.5", "[" * 10**6), "not valid JSON"),
    ],
)
def test_json_that_is_not_as_it_was_written_is_refused(tmp_path: Path, edit, message: str):
    path = tmp_path / "a.json"
    write_json(path, {"rate": 12.5})
    path.write_text(edit(path.read_text()))
    with pytest.raises(UserError, match=rf"{message}.*delete .*a\.json and run the same command again: rule x"):
        read_json(path, made_by="x")


@pytest.mark.parametrize("read", [read_json, parquet_facts])
def test_what_may_not_be_read_is_not_to_be_deleted(tmp_path: Path, read):
    with pytest.raises(UserError, match="cannot be read") as told:
        read(tmp_path, made_by="x")
    assert "delete" not in str(told.value)


def test_no_bit_of_json_changes_a_value_unnoticed(tmp_path: Path):
    path, value = tmp_path / "a.json", {"rate": 12.5, "n": [1, 2]}
    write_json(path, value)
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            assert read_json(path, made_by="x") == value
        except UserError as error:
            assert "a.json" in str(error)


@given(VALUES)
def test_canonical_json_says_the_value_and_nothing_of_its_order(value: object):
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(_reversed(value)) == text


def _reversed(value: object) -> object:
    """The same value with the keys of every dictionary in the opposite order."""
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return [_reversed(entry) for entry in value] if isinstance(value, list) else value


def test_a_missing_file_names_the_rule_that_makes_it(tmp_path: Path):
    with pytest.raises(UserError, match=r"missing.*absent\.json.*rule build_manifest"):
        read_json(tmp_path / "absent.json", made_by="build_manifest")


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe"], ids=["empty", "cut off", "not UTF-8"])
def test_a_broken_file_is_told_without_a_traceback(tmp_path: Path, content: bytes):
    (tmp_path / "broken.json").write_bytes(content)
    with pytest.raises(
        UserError, match=r"not valid JSON.*broken\.json.*delete .*broken\.json and run the same .*rule merge_latents"
    ):
        read_json(tmp_path / "broken.json", made_by="merge_latents")


def test_a_digest_is_that_of_the_bytes(tmp_path: Path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-4's example
    assert file_sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_handle_of_something_else_is_refused_and_not_said_to_be_deleted(tmp_path):
    path = tmp_path / "frames.json"
    write_json(path, {"digest": "x"})
    with pytest.raises(UserError, match=r"no handle of latents.*frames\.json.*rule encode") as error:
        read_handle(path, of="latents", holds={"files"}, made_by="encode_latents")
    assert "delete" not in str(error.value)
    write_json(path, {"digest": "x", "files": {}})
    assert read_handle(path, of="latents", holds={"files"}, made_by="encode_latents")["files"] == {}


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({}, None),
        ({"corpus": "mel", "digest": "x"}, None),
        ({"corpus": "a", "representation": "mel"}, None),
        ({"corpus": "b"}, "this was made for b, and lies in the folder of mel"),
        ({"corpus": "b", "representation": "mel"}, "this was made for b/mel, and lies in the folder of a/mel"),
        ({"corpus": "a", "representation": "slow"}, "this was made for a/slow, and lies in the folder of a/mel"),
    ],
)
def test_what_says_of_itself_what_it_is_of_lies_in_the_folder_of_that(monkeypatch, tmp_path, facts, told):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert of_folders(Path("mel/x.json"), "corpus", "representation") == {"corpus": "a", "representation": "mel"}
    if told is None:
        check_folders(Path("mel/x.json"), facts)
    else:
        with pytest.raises(UserError, match=told):
            check_folders(Path("mel/x.json"), facts)


def test_a_file_where_a_folder_is_needed_is_named(tmp_path):
    (tmp_path / "there").mkdir()
    check_place(tmp_path / "there/new/one")
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for name in ("file", "nowhere"):
        for path in (tmp_path / name, tmp_path / name / "below"):
            with pytest.raises(UserError, match=f"no folder lies where a folder is needed.*/{name}\\."):
                check_place(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "nowhere", "there"], "nothing was made"
