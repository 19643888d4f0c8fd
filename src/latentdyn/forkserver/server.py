"""The server: it loads libraries, and forks for each job that a client asks for.

It is run by its path, with nothing of latentdyn.
"""

import atexit
import contextlib
import gc
import importlib
import importlib.util
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

_AT_ONCE = 2**20  # bytes to read; the memory for them is taken before they come


class Command(NamedTuple):
    """What a client asks for: a module and its arguments, where to run it, with which variables and open files."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]


class Request:
    """What a client has told so far. Others are served meanwhile, however long it takes.

    files: those that it has passed, which are open here too.
    """

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.files: list[int] = []
        self._size: int | None = None
        self._told = bytearray()

    def hear(self) -> bool:
        """Take in what has come. Whether nothing more is to come: it is complete, or nothing that a client of ours
        says."""
        try:
            if self._size is None:
                size, self.files, _, _ = socket.recv_fds(self.client, 12, 3)
                self._size = int(size)
                return False
            more = self.client.recv(min(self._size - len(self._told), _AT_ONCE))
        except (OSError, ValueError):
            return True
        self._told += more
        return not more or len(self._told) == self._size

    def command(self, programs: tuple[str, ...]) -> Command | None:
        """What it asks for; None if it is to run that itself, or has ended."""
        if len(self._told) != self._size or len(self.files) != 3:
            return None
        try:
            folder, words, *told = map(os.fsdecode, bytes(self._told).split(b"\0"))
            arguments, variables = told[: int(words)], told[int(words) :]
            if not arguments[0].startswith(programs):
                return None
            return Command(arguments, folder, dict(variable.split("=", 1) for variable in variables), self.files)
        except (ValueError, IndexError):
            return None

    def close(self) -> None:
        """Refuse it: its client then runs the command itself."""
        _close([self.client, *self.files])


class Copy(NamedTuple):
    """A copy that runs. It ends with its client. ends: a file that can be read once it has ended."""

    number: int
    client: socket.socket
    ends: int


def serve(address: str, listening: int, programs: tuple[str, ...], libraries: Iterable[str]) -> socket.socket:
    """Fork for each command, until the standard input has ended and all copies have.

    Returns:
        In a copy, once it has become its command: the connection to its client.
    """
    _load(libraries)
    listener, events = socket.socket(fileno=listening), selectors.DefaultSelector()
    events.register(listener, selectors.EVENT_READ)
    events.register(sys.stdin, selectors.EVENT_READ)
    while events.get_map():
        for key, _ in events.select()[:1]:  # an event may end what the next one is about
            if key.fileobj is listener:
                client, _ = listener.accept()
                events.register(client, selectors.EVENT_READ, Request(client))
            elif key.fileobj is sys.stdin:  # what has started this has ended
                events.unregister(sys.stdin)
                events.unregister(listener)
                listener.close()
                for request in _requests(events):
                    events.unregister(request.client)
                    request.close()
                shutil.rmtree(Path(address).parent, ignore_errors=True)
            elif isinstance(key.data, Request):
                if not key.data.hear():
                    continue
                events.unregister(key.data.client)
                command = key.data.command(programs)
                if command is None or (number := _fork()) is None:
                    key.data.close()
                elif number:
                    _close(command.files)
                    _follow(Copy(number, key.data.client, os.pidfd_open(number)), events)
                else:
                    _close(file for request in _requests(events) for file in request.files)
                    _close(key.fileobj for key in events.get_map().values() if key.fileobj is not sys.stdin)
                    events.close()
                    _become(command)
                    return key.data.client
            elif key.fileobj is key.data.client:
                events.unregister(key.data.client)
                os.kill(key.data.number, signal.SIGKILL)
            else:
                _tell_end(key.data, events)
    sys.exit()


def _load(libraries: Iterable[str]) -> None:
    gc.disable()  # nearly all of it stays: to look for what does not takes a fourth of the time
    for library in libraries:
        if importlib.util.find_spec(library.partition(".")[0]):
            importlib.import_module(library)
    assert threading.active_count() == 1, "a copy has only one of the threads"
    assert "latentdyn" not in sys.modules, "a run may edit it"
    for finalizer in vars(weakref.finalize)["_registry"]:  # a copy need not take apart what the server has loaded
        finalizer.atexit = False
    gc.enable()
    gc.freeze()  # or each copy would look through all that was loaded, and so have its own pages of it


def _requests(events: selectors.BaseSelector) -> list[Request]:
    """Those of clients that have not told all yet."""
    return [key.data for key in events.get_map().values() if isinstance(key.data, Request)]


def _fork() -> int | None:
    """The number of a copy, which is 0 in the copy; None if the system has no room for one."""
    try:
        return os.fork()
    except OSError:
        return None


def _follow(copy: Copy, events: selectors.BaseSelector) -> None:
    """Wait for the end of a copy and of its client, which says no more, and is told the copy's number."""
    events.register(copy.ends, selectors.EVENT_READ, copy)
    events.register(copy.client, selectors.EVENT_READ, copy)
    with contextlib.suppress(OSError):
        copy.client.sendall(b"%12d" % copy.number)


def _tell_end(copy: Copy, events: selectors.BaseSelector) -> None:
    """Tell the client how its copy has ended."""
    code = os.waitstatus_to_exitcode(os.waitpid(copy.number, 0)[1])
    with contextlib.suppress(OSError):
        copy.client.sendall(b"%d" % (code if code >= 0 else 128 - code))
    for file in (copy.ends, copy.client):
        with contextlib.suppress(KeyError):  # the client may have ended before
            events.unregister(file)
    _close([copy.ends, copy.client])


def _close(files: Iterable[Any]) -> None:
    for file in files:
        os.close(file) if isinstance(file, int) else file.close()


def _become(command: Command) -> None:
    """Take on what the command was started with."""
    arguments, folder, environment, files = command
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    with contextlib.suppress(OSError):  # what `top` shows
        Path("/proc/self/comm").write_text(arguments[0].rpartition(".")[2])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[:0] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[:] = arguments
    _use_threads(environment.get("OMP_NUM_THREADS", ""))


def _use_threads(number: str) -> None:
    """What libraries do by themselves where they are loaded with this variable, of one number."""
    if "torch" not in sys.modules or number == "1":
        return
    import threadpoolctl
    import torch

    n = int(number) if number.isdecimal() and int(number) else len(os.sched_getaffinity(0))
    torch.set_num_threads(n)
    threadpoolctl.threadpool_limits(n)


def _run() -> int:
    """The exit status of the command that this copy has become."""
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _end(status: int, client: socket.socket, server: int) -> NoReturn:
    """As Python ends, but for taking apart all libraries, which costs more than many a step.

    A server that was killed tells the client nothing, so the copy does.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.getppid() != server:
        with contextlib.suppress(OSError):
            client.sendall(b"%d" % (status & 0xFF))
    os._exit(status & 0xFF)


if __name__ == "__main__":
    own = os.getpid()
    connection = serve(sys.argv[1], int(sys.argv[2]), tuple(sys.argv[3].split(",")), sys.argv[4:])
    os.register_at_fork(after_in_child=connection.close)  # how the job ends, no process that it forks may tell
    _end(_run(), connection, own)
