"""A Python that has its libraries already: a run starts many short jobs, and each would load them for seconds.

One server for each run imports what the steps use, and nothing of latentdyn. A job's `python -m latentdyn.steps.X` is
handed over to it, with its environment, working directory and open files. The server forks, and the copy runs the
module as Python itself does: it loads latentdyn's own modules, and reads and writes the same files. All else goes to
the real Python, and so does every job where there is no server: on other systems than Linux, or once it is gone.

    Snakemake ── starts ──> server ── forks ──> proxy ── forks ──> copy, which is the job
      └─ shell ── `python` ──> client ── asks ──┘  └─ forwards signals to it, and tells how it ended

The server ends with the process that started it. A copy ends as the job would: on Ctrl-C and `kill`, which the client
forwards, and when its client is killed. All copies have the server's hash seed.

This file is also the program of the client and of the server, run by its path: the client imports nothing else, since
it starts in each job.
"""

import array
import atexit
import contextlib
import gc
import importlib
import importlib.util
import json
import os
import runpy
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

VARIABLE = "LATENTDYN_FORK_SERVER"  # of a job's environment: where the server listens
# What steps import, directly or by what they call; a library that is not installed is left out.
LIBRARIES = ("docutils.core", "faiss", "jinja2", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg",
             "matplotlib.figure", "numpy", "pandas", "pandas.core.arrays.arrow.extension_types",
             "pandas.io.formats.style", "pyarrow.dataset", "pyarrow.pandas_compat", "pyarrow.parquet",
             "safetensors.torch", "scipy.fft", "scipy.linalg", "scipy.optimize", "scipy.special", "soundfile",
             "soxr", "threadpoolctl", "torch", "tqdm", "yaml", "zarr")  # fmt: skip
OF_SIGNALS = ("scipy.integrate", "scipy.signal", "scipy.stats")  # of known processes and `leaky` alone; .4 s to load
PROGRAMS = ("latentdyn.steps.",)
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT, signal.SIGUSR1, signal.SIGUSR2)


def supported() -> bool:
    """Whether this system can do it: Linux 5.3 or newer, where a process can be waited for beside a socket. On macOS
    libraries do not survive a fork."""
    if not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


class ForkServer:
    """The server, as the process that starts it sees it. It takes jobs at once, which wait until it is ready.

    Args:
        libraries: modules to import. programs: how the names of modules begin that are run by copies.

    Raises:
        OSError: there is no room for its folder, or the path of temporary files is too long for a socket's name.
    """

    def __init__(self, libraries: Iterable[str] = LIBRARIES, programs: Iterable[str] = PROGRAMS) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="latentdyn-"))  # nobody else may enter it; it ends with the server
        self.address = self.folder / "server"
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(str(self.address))
            listener.listen(128)
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, "serve", str(self.address), str(listener.fileno()), ",".join(programs),
                 *libraries],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[listener.fileno()], start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},  # no pool of threads survives a fork
            )  # fmt: skip
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        finally:
            listener.close()
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)  # if the server was killed

    def environment(self) -> dict[str, str]:
        """The variables of jobs that ask it. It has a folder for notes of jobs to each other (see stores.verified)."""
        return {VARIABLE: str(self.address), "LATENTDYN_VERIFIED": str(self.folder)}

    def close(self) -> None:
        """End it; copies that run go on. It ends by itself when the process ends that has started it."""
        self._process.communicate()


def client() -> list[str]:
    """A program that runs `-m module` by the server that the environment names."""
    return [sys.executable, "-I", "-S", __file__, "ask"]


def shell_function() -> str:
    """Bash after which `python` is the client, where it would be the Python of this process otherwise."""
    folder, ask = shlex.quote(str(Path(sys.executable).parent)), shlex.join(client()[1:])
    return (
        f'python() {{ local own; own=$(type -P python) || true; if [ "${{own%/*}}" -ef {folder} ]; '
        f'then command python {ask} "$@"; else command python "$@"; fi; }}; '
    )


def ask(arguments: list[str]) -> int:
    """Have a command run by the server, or by the real Python; the exit status."""
    address = os.environ.get(VARIABLE, "")
    if not address or len(arguments) < 2 or arguments[0] != "-m":
        _run_alone(arguments)
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:  # or the socket would be what was closed of 0, 1 and 2
        pass
    os.close(file)
    request = json.dumps([arguments[1:], os.getcwd(), dict(os.environ)]).encode()
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(address)
            files = array.array("i", [0, 1, 2])
            server.sendmsg([b"%12d" % len(request)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
            server.sendall(request)
            taken = server.recv(1)
        except OSError:
            taken = b""
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        if not taken:  # the server is gone, or does not run this program
            _run_alone(arguments)

        def forward(number: int, _: object) -> None:
            with contextlib.suppress(OSError):
                server.sendall(bytes([number]))

        def stop(number: int, frame: object) -> None:
            forward(signal.SIGSTOP, frame)
            signal.raise_signal(signal.SIGSTOP)

        for number in _FORWARDED:
            signal.signal(number, forward)
        signal.signal(signal.SIGTSTP, stop)
        ended = server.recv(16)
    return int(ended) if ended else 128 + signal.SIGKILL


def _run_alone(arguments: list[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, *arguments])


def serve(address: str, listening: int, programs: tuple[str, ...], libraries: Iterable[str]) -> None:
    """Fork for each command until the standard input ends; return in the copy, once it has become that command."""
    owner = os.getpid()
    for library in libraries:
        if importlib.util.find_spec(library.partition(".")[0]):
            importlib.import_module(library)
    assert threading.active_count() == 1, "a copy has only one of the threads"
    assert "latentdyn" not in sys.modules, "a run may edit it"
    for finalizer in vars(weakref.finalize)["_registry"]:  # a copy need not take apart what the server has loaded
        finalizer.atexit = False
    gc.freeze()  # or each copy would look through all that was loaded, and so have its own pages of it
    listener = socket.socket(fileno=listening)
    try:
        while True:
            asked, _, _ = select.select([listener, sys.stdin], [], [])
            while _ended():
                pass
            if listener not in asked:
                raise SystemExit
            connection, _ = listener.accept()
            if os.fork() == 0:
                break
            connection.close()
    finally:
        if os.getpid() == owner:
            shutil.rmtree(Path(address).parent, ignore_errors=True)
    listener.close()
    size, files, _, _ = socket.recv_fds(connection, 12, 3)
    request = b""
    while len(request) < int(size or 0) and (more := connection.recv(int(size) - len(request))):
        request += more
    if not size or len(request) < int(size):
        os._exit(0)  # its client was killed
    arguments, folder, environment = json.loads(request)
    if not arguments[0].startswith(programs):
        os._exit(0)
    if command := os.fork():
        for file in files:
            os.close(file)
        _stand_between(connection, command)
    connection.close()
    for i, file in enumerate(files):
        os.dup2(file, i)
        os.close(file)
    _become(arguments, folder, environment)


def _stand_between(connection: socket.socket, command: int) -> NoReturn:
    """Send a copy the signals that its client gets, end it with its client, and tell the client how it has ended."""
    with contextlib.suppress(OSError):  # the client is gone already, which is seen below
        connection.sendall(b"+")
    watched = os.pidfd_open(command)
    while True:
        ready, _, _ = select.select([watched, connection.fileno()], [], [])
        if watched in ready:
            break
        numbers = connection.recv(16)
        for number in numbers or [signal.SIGKILL]:
            if number in (*_FORWARDED, signal.SIGSTOP, signal.SIGKILL):
                os.kill(command, number)
        if not numbers:
            break
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    with contextlib.suppress(OSError):
        connection.sendall(b"%d" % (code if code >= 0 else 128 - code))
    os._exit(0)


def _ended() -> bool:
    """Whether a copy has ended, and is now forgotten."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _become(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """Take on what the command was started with."""
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


def _end(status: int) -> NoReturn:
    """As Python ends, but for taking apart all libraries, which costs more than many a step."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        sys.exit(ask(sys.argv[2:]))
    serve(sys.argv[2], int(sys.argv[3]), tuple(sys.argv[4].split(",")), sys.argv[5:])
    _end(_run())
