"""Many jobs in several processes of one thread each; results come in the order of the jobs, whatever finishes first.

This process is one of them. It works with one thread too: a float32 product is summed in another order by several
threads, and no number may depend on how many processes there were.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from latentdyn.errors import UserError
from latentdyn.workers import worker_processes

Job = TypeVar("Job")
Result = TypeVar("Result")

_GIVEN = 2  # jobs that another process has at a time: the one it does and the next
_work: Callable[[Any], Any] | None = None  # of another process


def in_processes(work: Callable[[Job], Result], jobs: Iterable[Job], processes: int) -> Iterator[Result]:
    """`work` of every job, in order; by this process alone where `processes` is 1.

    This process makes the jobs, hands them to the others as long as they have few, and does the next one itself
    otherwise. So the first results come before the others have started, which takes seconds.

    Args:
        work, jobs: can be pickled. A job's result must not depend on what the process did before.

    Raises:
        UserError: a process was ended from outside, or by a library.
    """
    if processes == 1:
        for job in jobs:
            yield _done_here(work, job).result()
        return
    waiting: deque[Future[Result]] = deque()
    with worker_processes(processes - 1, [__name__, work.__module__], _start, work) as pool:
        given: set[Future[Result]] = set()
        try:
            for job in jobs:
                given = {future for future in given if not future.done()}
                if len(given) < _GIVEN * (processes - 1):
                    waiting.append(pool.submit(_run, job))
                    given.add(waiting[-1])
                else:
                    waiting.append(_done_here(work, job))
                while waiting and waiting[0].done():
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


def _done_here(work: Callable[[Job], Result], job: Job) -> "Future[Result]":
    """The result of a job, as of a job of another process."""
    done: Future[Result] = Future()
    with threadpool_limits(1):
        done.set_result(work(job))
    return done


def _start(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work


def _run(job: Any) -> Any:
    assert _work is not None
    return _work(job)
