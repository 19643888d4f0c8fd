"""Files of a store, as zarr sees them."""

import hashlib
import os
import time

import pytest

from latentdyn.errors import UserError
from latentdyn.stores import verified
from latentdyn.stores.verified import VerifiedFiles, file_facts


@pytest.fixture
def files(tmp_path):
    for i in range(3):
        (tmp_path / f"f{i}").write_bytes(b"123456789" * (i + 1))
    return VerifiedFiles(tmp_path, {f"f{i}": file_facts(tmp_path / f"f{i}") for i in range(3)}, "delete it")


def test_the_facts_of_a_file_by_hand(files, tmp_path):
    facts = file_facts(tmp_path / "f0")
    assert facts == {"bytes": 9, "crc32c": 0xE3069283, "sha256": hashlib.sha256(b"123456789").hexdigest()}  # RFC 3720


def test_a_file_is_read_once_while_it_is_one_of_the_latest(files, tmp_path):
    assert files["f1"].to_bytes() == b"123456789" * 2
    (tmp_path / "f1").write_bytes(b"x")
    assert files["f0"].to_bytes() == b"123456789" and files["f1"].to_bytes() == b"123456789" * 2
    assert files["f2"].to_bytes() and files["f0"].to_bytes()
    with pytest.raises(UserError, match=r"not the one that the store's handle describes.*f1.*delete it"):
        files["f1"]


def test_files_are_read_ahead_in_their_order(files, tmp_path, monkeypatch):
    read, started = files._read, []
    monkeypatch.setattr(files, "_read", lambda name, facts: started.append(name) or read(name, facts))
    turns = files.ahead(["f2", "nothing", "f0", "f1"])
    assert next(turns) == "f2" and files["f2"].to_bytes() == b"123456789" * 3
    assert next(turns) == "nothing" and next(turns) == "f0"
    (tmp_path / "f0").unlink()
    assert files["f0"].to_bytes() == b"123456789"
    assert next(turns) == "f1" and next(turns, None) is None
    assert started == ["f2", "f0", "f1"], "each is read once"
    assert list(files.ahead([])) == []


def test_a_damaged_file_is_told_in_its_turn(files, tmp_path):
    (tmp_path / "f1").write_bytes(b"x")
    turns = files.ahead(["f0", "f1", "f2"])
    assert next(turns) == "f0"
    with pytest.raises(UserError, match=r"not the one that the store's handle describes.*f1.*delete it"):
        next(turns)


def test_what_no_handle_lists_does_not_exist(files, tmp_path):
    (tmp_path / "f3").write_bytes(b"x")
    assert list(files) == ["f0", "f1", "f2"] and len(files) == 3
    with pytest.raises(KeyError):
        files["f3"]
    (tmp_path / "f0").unlink()
    with pytest.raises(UserError, match=r"cannot be read \(No such file.*f0"):
        files["f0"]


def test_nothing_can_be_written(files):
    with pytest.raises(TypeError):
        files["f0"] = files["f1"]
    with pytest.raises(TypeError):
        del files["f0"]


@pytest.fixture
def summed(files, tmp_path, monkeypatch):
    """How long the contents are of which a job takes the checksum, when it opens a file."""
    lengths = []
    take = verified.crc32c
    monkeypatch.setattr(verified, "crc32c", lambda content: lengths.append(len(content)) or take(content))

    def open_file(name):
        lengths.clear()
        with files.own().opened(name) as (_, content):
            assert content is not None
        return lengths.copy()

    return open_file


@pytest.fixture
def a_run(tmp_path, monkeypatch):
    """A folder for notes; files count as settled at once."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("LATENTDYN_VERIFIED", str(tmp_path / "run"))
    monkeypatch.setattr(verified, "_SETTLED_S", -1e9)
    return tmp_path / "run"


def test_jobs_of_a_run_verify_a_mapped_file_once(summed, a_run):
    assert summed("f1") == [18] and summed("f1") == [] and summed("f2") == [27] and summed("f1") == []
    assert len(list(a_run.iterdir())) == 2


def test_without_a_run_each_job_verifies_what_it_maps(summed, monkeypatch):
    monkeypatch.delenv("LATENTDYN_VERIFIED", raising=False)
    assert summed("f1") == [18] and summed("f1") == [18]


def test_a_file_that_changes_after_it_was_verified_is_refused(files, summed, a_run, tmp_path):
    changed = tmp_path / "f1"
    before = changed.stat()
    summed("f1")
    with changed.open("r+b") as file:  # the same inode and length
        file.write(b"x")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(UserError, match=r"not the one that the store's handle describes.*f1.*delete it"):
        summed("f1")
    changed.unlink()
    changed.write_bytes(b"x" * 18)
    with pytest.raises(UserError, match="not the one that"):
        summed("f1")


def test_a_note_holds_for_one_checksum(files, summed, a_run, tmp_path):
    summed("f1")
    other = VerifiedFiles(tmp_path, {"f1": {**file_facts(tmp_path / "f1"), "crc32c": 0}}, "delete it")
    with pytest.raises(UserError, match="not the one that"), other.opened("f1"):
        pass


def test_a_file_that_has_just_changed_is_not_noted(summed, a_run, tmp_path, monkeypatch):
    monkeypatch.setattr(verified, "_SETTLED_S", 60.0)
    assert summed("f1") == [18] and summed("f1") == [18] and not list(a_run.iterdir())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 120.0)
    assert summed("f1") == [18] and summed("f1") == []


def test_a_run_that_has_ended_takes_no_notes(summed, a_run):
    a_run.rmdir()
    assert summed("f1") == [18] and summed("f1") == [18]
