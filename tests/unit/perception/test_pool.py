"""The pool: order, equality with one process, a process that dies, and one whose parent is killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from threadpoolctl import threadpool_info

from latentdyn.errors import UserError
from latentdyn.perception.pool import in_processes


def slow_square(x: int) -> tuple[int, int, set[int]]:
    time.sleep(0.3 if x < 3 else 0.05)
    return x * x, os.getpid(), {library["num_threads"] for library in threadpool_info()}


def fail(x: int) -> int:
    if x in (0, 5):
        raise ValueError(x)
    return x


def die(x: int) -> int:
    if multiprocessing.parent_process() is not None:
        os._exit(1)
    return x


def sleep(pid_file: Path) -> None:
    if multiprocessing.parent_process() is None:
        time.sleep(0.05)  # the parent goes on with the next
        return
    pid_file.write_text(str(os.getpid()))
    time.sleep(60)


def test_results_are_in_order_and_processes_have_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = list(in_processes(slow_square, range(100), 2))
    assert [squared for squared, _, _ in found] == [x * x for x in range(100)]
    assert {pid for _, pid, _ in found} > {os.getpid()}, "no other process did anything"
    assert all(threads <= {1} for _, _, threads in found)
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_one_process_is_this_one_and_asks_for_a_job_at_a_time():
    asked = []
    jobs = (asked.append(x) or x for x in range(5))
    found = in_processes(lambda x: (os.getpid(), x), jobs, 1)
    assert next(found) == (os.getpid(), 0) and asked == [0]


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("bad", [0, 5])
def test_what_goes_wrong_is_raised_whoever_did_it(processes, bad):
    found = in_processes(fail, [job + 10 * (job != bad) for job in range(9)], processes)
    with pytest.raises(ValueError, match=str(bad)):
        list(found)
    assert list(found) == []


def test_a_process_that_dies_is_told():
    with pytest.raises(UserError, match="ended before its time"):
        list(in_processes(die, range(8), 2))


def test_no_process_outlives_one_that_is_killed(tmp_path):
    pid_file = tmp_path / "pid"
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import itertools, pathlib, test_pool\n"
        "from latentdyn.perception.pool import in_processes\n"
        f"list(in_processes(test_pool.sleep, itertools.repeat(pathlib.Path({str(pid_file)!r})), 2))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    try:
        _until(lambda: pid_file.exists() and pid_file.read_text())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        _until(lambda: not _alive(int(pid_file.read_text())))
    finally:
        parent.kill()


def _until(happened, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
