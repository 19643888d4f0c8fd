"""Many jobs in several processes of one thread each; results come in the order of the jobs, whatever finishes first.

One process works with one thread too: a float32 product is summed in another order by several threads, and no number
may depend on how many processes there were.
"""

import contextlib
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from latentdyn.errors import UserError

Job = TypeVar("Job")
Result = TypeVar("Result")

_WAITING = 2  # jobs for each process that are made ahead: more would only take memory
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_work: Callable[[Any], Any] | None = None  # of a process of the pool


def in_processes(work: Callable[[Job], Result], jobs: Iterable[Job], processes: int) -> Iterator[Result]:
    """`work` of every job, in order. One process: here, without a pool.

    Args:
        work, jobs: can be pickled. A job's result must not depend on what the process did before.

    Raises:
        UserError: a process was ended from outside, or by a library.
    """
    if processes == 1:
        for job in jobs:
            with threadpool_limits(1):
                done = work(job)
            yield done
        return
    waiting: deque[Future[Result]] = deque()
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads of this process hold
    with _one_thread(), ProcessPoolExecutor(processes, context, _start, (work,)) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(_run, job))
                if len(waiting) >= _WAITING * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                "a process that scores audio ended before its time: there was too little memory, or a library crashed",
                "the pool of processes",
                "give the job more memory or fewer threads; shorter clips (max_duration_s) are safer for PESQ too",
            ) from None
        finally:
            for future in waiting:
                future.cancel()


def _start(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work


def _run(job: Any) -> Any:
    assert _work is not None
    return _work(job)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Libraries of processes that start meanwhile take one thread; they read it once, when they are loaded."""
    kept = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
