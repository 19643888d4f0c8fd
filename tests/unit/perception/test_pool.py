"""The pool: order, equality with one process, and a process that dies."""

import os
import time

import pytest

from latentdyn.errors import UserError
from latentdyn.perception.pool import in_processes


def slow_square(x: int) -> tuple[int, str | None]:
    time.sleep(0.05 if x == 0 else 0)
    return x * x, os.environ.get("OMP_NUM_THREADS")


def die(x: int) -> int:
    os._exit(1) if x == 3 else None
    return x


def test_results_are_in_order_and_processes_have_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert list(in_processes(slow_square, range(9), 2)) == [(x * x, "1") for x in range(9)]
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_one_process_is_this_one_and_asks_for_a_job_at_a_time():
    asked = []
    jobs = (asked.append(x) or x for x in range(5))
    found = in_processes(lambda x: (os.getpid(), x), jobs, 1)
    assert next(found) == (os.getpid(), 0) and asked == [0]


def test_a_process_that_dies_is_told():
    with pytest.raises(UserError, match="ended before its time"):
        list(in_processes(die, range(8), 2))
