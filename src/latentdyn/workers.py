"""Processes that work for this one. Each is a copy of a fresh Python that has no threads and has the libraries: as safe
as a process that starts anew, but the libraries are imported once for all of them."""

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@contextlib.contextmanager
def worker_processes(
    n: int, preload: list[str], initializer: Callable[..., None] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """A pool of `n` processes of one thread each, which end with this one, even if it is killed.

    As with all of `multiprocessing`, a script that calls this needs its `if __name__ == "__main__":`.

    Args:
        preload: modules that are imported before the copies are made. A pool that was started before in this process
            decides for later ones.
        initializer, arguments: called with them in each process first.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preload)
    with _one_thread(), ProcessPoolExecutor(n, context, _start, (initializer, arguments)) as pool:
        yield pool


def _start(initializer: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*arguments)


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
