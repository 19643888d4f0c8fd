"""A lock is one process's at a time, and no dead process's."""

import fcntl
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from latentdyn.errors import UserError
from latentdyn.stores import lock as module
from latentdyn.stores.lock import Lock

HOLD = """
import sys
from pathlib import Path
from latentdyn.stores.lock import Lock
lock = Lock(Path(sys.argv[1]), Path("protected"))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start():
    """Start another process that holds a lock until it is killed."""
    started = []

    def start_(file: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "SLURM_JOB_ID": "4711"},
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline()
        return process

    yield start_
    for process in started:
        process.kill()
        process.communicate()


def test_a_lock_that_is_held_is_refused_with_its_owner_and_what_it_guards(tmp_path, start):
    process = start(tmp_path / "file")
    with pytest.raises(UserError, match=rf"process {process.pid} on .*, Slurm job 4711\. Where: protected\."):
        Lock(tmp_path / "file", Path("protected"))
    Lock(tmp_path / "another", Path("protected"))


def test_the_lock_of_a_killed_process_is_free_though_its_file_still_names_it(tmp_path, start):
    process = start(tmp_path / "file")
    process.kill()
    process.wait()
    assert str(process.pid) in (tmp_path / "file").read_text()
    lock = Lock(tmp_path / "file", Path("protected"))
    assert (tmp_path / "file").read_text().startswith(f"process {os.getpid()} on ")
    with pytest.raises(UserError, match=f"process {os.getpid()} on"):  # nor is it shared within a process
        Lock(tmp_path / "file", Path("protected"))
    lock.release()


@pytest.mark.parametrize("way", ["release", "delete", "forget"])
def test_a_lock_is_given_back(tmp_path, start, way):
    lock = Lock(tmp_path / "file", Path("protected"))
    if way == "forget":
        del lock
        gc.collect()
    else:
        getattr(lock, way)()
    assert (tmp_path / "file").exists() == (way != "delete")
    start(tmp_path / "file")


def test_the_lock_of_a_deleted_file_counts_for_nothing(tmp_path, monkeypatch, start):
    """Between opening the file and locking it, its owner is done and deletes it, and a third process comes."""
    flock, first = fcntl.flock, True

    def late(file, operation):
        nonlocal first
        if first:
            first = False
            (tmp_path / "file").unlink()
            start(tmp_path / "file")
        flock(file, operation)

    monkeypatch.setattr(module.fcntl, "flock", late)
    with pytest.raises(UserError, match="already being done"):
        Lock(tmp_path / "file", Path("protected"))


def test_without_locks_work_goes_on_with_a_warning(tmp_path, monkeypatch, caplog):
    def unsupported(file, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "flock", unsupported)
    Lock(tmp_path / "file", Path("protected"))
    assert "no lock can be had" in caplog.text and "Operation not supported" in caplog.text
