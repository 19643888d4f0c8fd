"""Files of a store, as zarr sees them."""

import hashlib

import pytest

from latentdyn.errors import UserError
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
