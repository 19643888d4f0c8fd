"""A Python that has its libraries already: whole DAGs start hundreds of processes, and each loads them for seconds.

One server for each pytest process imports what Snakemake and the steps use, and nothing of latentdyn, whose sources the
tests edit. `python` in its folder hands a command `-m module` over, with its environment, working directory and open
files; the server forks, and the copy runs the module as Python itself does. All else goes to the real Python.

All copies have the server's hash seed: a test of bytes that may not depend on it takes the real Python.
"""

import array
import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

LIBRARIES = ("docutils.core", "faiss", "jinja2", "librosa.filters", "librosa.util.utils",
             "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "matplotlib.figure", "numpy",
             "pandas", "pandas.core.arrays.arrow.extension_types", "pandas.io.formats.style", "pyarrow.dataset",
             "pyarrow.pandas_compat", "pyarrow.parquet", "pydantic", "safetensors.torch", "scipy.fft", "scipy.linalg",
             "scipy.optimize", "scipy.signal", "scipy.special", "scipy.stats", "snakemake.api", "snakemake.cli",
             "snakemake.profiles", "snakemake.report.html_reporter", "smart_open", "soundfile", "soxr", "threadpoolctl",
             "torch", "torch._dynamo", "tqdm", "yaml", "zarr")  # fmt: skip
RUN_BY_IT = ("snakemake", "latentdyn.")


class WarmPython:
    """The server and the folder of its `python`. It ends with the process that started it."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="latentdyn-")
        self.folder = Path(self._temporary.name)
        address = self.folder / "server"
        shim = self.folder / "python"
        client = shlex.join([sys.executable, "-I", "-S", __file__, "ask", str(address)])
        shim.write_text(f'#!/bin/sh\nexec {client} "$@"\n')
        shim.chmod(0o755)
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._server = subprocess.Popen(
            [sys.executable, "-P", __file__, "serve", str(address)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**ours, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
        )  # fmt: skip
        assert self._server.stdout is not None and self._server.stdout.readline() == b"ready\n"

    def close(self) -> None:
        self._server.communicate()
        self._temporary.cleanup()


@functools.cache
def warm_python() -> WarmPython:
    """One for all tests of a process; `tests/conftest.py` ends it."""
    return WarmPython()


def end_warm_python() -> None:
    if warm_python.cache_info().currsize:
        warm_python().close()


def ask(address: str, arguments: list[str]) -> int:
    """Have a command run by the server, or by the real Python; the exit status."""
    if len(arguments) < 2 or arguments[0] != "-m" or not arguments[1].startswith(RUN_BY_IT):
        os.execv(sys.executable, [sys.executable, *arguments])
    request = json.dumps([arguments[1:], os.getcwd(), dict(os.environ)], ensure_ascii=True).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        files = array.array("i", [0, 1, 2])
        server.sendmsg([b"%12d" % len(request)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
        server.sendall(request)
        ended = server.recv(16)
    return int(ended) if ended else 137


def serve(address: str) -> None:
    """Fork for each command until the standard input ends; return in the copy, once it has become that command."""
    for library in LIBRARIES:
        importlib.import_module(library)
    assert threading.active_count() == 1, "a copy has only one of the threads"
    assert "latentdyn" not in sys.modules
    gc.freeze()  # or each copy would look through all that was loaded, and so have its own pages of it
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    print("ready", flush=True)
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
    listener.close()
    size, files, _, _ = socket.recv_fds(connection, 12, 3)
    request = b""
    while len(request) < int(size):
        request += connection.recv(int(size) - len(request))
    if command := os.fork():  # one waits for the other
        for file in files:
            os.close(file)
        _, status = os.waitpid(command, 0)
        code = os.waitstatus_to_exitcode(status)
        connection.sendall(b"%d" % (code if code >= 0 else 128 - code))
        os._exit(0)
    connection.close()
    for i, file in enumerate(files):
        os.dup2(file, i)
        os.close(file)
    _become(*json.loads(request))


def _ended() -> bool:
    """Whether a copy has ended, and is now forgotten."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _become(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[:0] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[:] = arguments


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
        traceback.print_exc()
        return 1
    return 0


def _end(status: int) -> None:
    """As Python ends, but for taking apart all libraries, which costs more than many a step."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        sys.exit(ask(sys.argv[2], sys.argv[3:]))
    serve(sys.argv[2])
    _end(_run())
