"""Files of tensors: whole, or set aside."""

import logging
import math

import pytest
import torch

from latentdyn.stores.tensors import read_tensors, write_tensors

CPU = torch.device("cpu")


def test_tensors_and_plain_values_come_back(tmp_path):
    value = {"weights": {"a": torch.arange(6.0).view(2, 3)}, "curve": [{"step": 3, "nll": math.inf}], "none": None}
    write_tensors(tmp_path / "x.pt", value)
    read = read_tensors(tmp_path / "x.pt", CPU)
    assert torch.equal(read["weights"].pop("a"), value["weights"].pop("a")) and read == value


def test_there_may_be_no_file(tmp_path, caplog):
    assert read_tensors(tmp_path / "x.pt", CPU) is None
    assert not caplog.records


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", bytes(1000)])
def test_what_was_not_written_whole_is_set_aside_once(tmp_path, caplog, content):
    file = tmp_path / "x.pt"
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read_tensors(file, CPU) is None
        assert read_tensors(file, CPU) is None
    assert len(caplog.records) == 1 and "x.pt.damaged" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt.damaged"]


def test_no_byte_can_change_unnoticed(tmp_path):
    file = tmp_path / "x.pt"
    write_tensors(file, {"x": torch.ones(3)})
    whole = bytearray(file.read_bytes())
    for position in range(0, len(whole), 7):
        whole[position] ^= 1
        file.write_bytes(whole)
        assert read_tensors(file, CPU) is None, position
        whole[position] ^= 1


def test_the_tensors_of_another_part_or_of_other_settings_are_set_aside(tmp_path):
    for place in ("a/k1.pt", "a/k2.pt", "b/k1.pt"):
        write_tensors(tmp_path / place, {"from": place})
    moved = tmp_path / "moved"  # all of a folder with results may be moved
    moved.mkdir()
    (tmp_path / "a").rename(moved / "a")
    assert read_tensors(moved / "a/k1.pt", CPU) == {"from": "a/k1.pt"}
    for place in ("a/k2.pt", "b/k1.pt"):
        source = moved / place if place.startswith("a") else tmp_path / place
        (moved / "a/k1.pt").write_bytes(source.read_bytes())
        assert read_tensors(moved / "a/k1.pt", CPU) is None


def test_tensors_are_put_on_the_device_that_is_named(tmp_path):
    write_tensors(tmp_path / "x.pt", {"x": torch.ones(3)})
    assert read_tensors(tmp_path / "x.pt", torch.device("meta"))["x"].device.type == "meta"


def test_reading_runs_no_code(tmp_path):
    class Sly:
        def __reduce__(self):
            return (pytest.fail, ("code was run",))

    write_tensors(tmp_path / "x.pt", Sly())
    with pytest.raises(Exception, match="weights_only"):
        read_tensors(tmp_path / "x.pt", CPU)
