"""A Python that has its libraries already: a run starts many short jobs, and each would load them for seconds.

One server for each run imports what the steps use, and nothing of latentdyn. A job's `python -m latentdyn.steps.X` is
handed over to it, with its environment, working directory and open files. The server forks, and the copy runs the
module as Python itself does: it loads latentdyn's own modules, and reads and writes the same files. All else goes to
the real Python, and so does every job where there is no server: on other systems than Linux, or once it is gone.

    Snakemake ── starts ──> server ── forks ──> copy, which is the job
      └─ shell ── `python` ──> client ── asks ──┘  └─ is told how it ended, and signals to it

The server ends with the process that started it. A copy ends as the job would: on Ctrl-C and `kill`, which the client
forwards, and when its client is killed. All copies have the server's hash seed.
"""

import atexit
import contextlib
import fcntl
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from latentdyn.forkserver.client import VARIABLE as VARIABLE

SERVER_FILE, _CLIENT_FILE = (Path(__file__).with_name(name) for name in ("server.py", "client.py"))
# What most steps import, directly or by what they call; a library that is not installed is left out. Not soxr: with it,
# each process looks through all that was loaded as it ends. Not faiss and scipy.optimize: a few kinds of measurement
# load them by themselves, in .07 s.
LIBRARIES = ("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "matplotlib.figure", "numpy",
             "pandas", "pandas.core.arrays.arrow.extension_types", "pyarrow.dataset", "pyarrow.pandas_compat",
             "pyarrow.parquet", "safetensors.torch", "scipy.fft", "scipy.linalg", "scipy.sparse.linalg",
             "scipy.special", "soundfile", "threadpoolctl", "torch", "tqdm", "yaml", "zarr")  # fmt: skip
OF_SIGNALS = ("scipy.integrate", "scipy.signal", "scipy.stats")  # of known processes and `leaky` alone; .4 s to load
PROGRAMS = ("latentdyn.steps.",)


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
        passed = fcntl.fcntl(listener, fcntl.F_DUPFD_CLOEXEC, 3)  # the listener is 0, 1 or 2 where that was closed
        try:
            listener.bind(str(self.address))
            listener.listen(128)
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(SERVER_FILE), str(self.address), str(passed),
                 ",".join(programs), *libraries],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=None if sys.stderr else subprocess.DEVNULL,
                pass_fds=[passed], start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},  # no pool of threads survives a fork
            )  # fmt: skip
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        finally:
            listener.close()
            os.close(passed)
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)  # if the server was killed

    def environment(self) -> dict[str, str]:
        """The variables of jobs that ask it. It has a folder for notes of jobs to each other (see stores.verified)."""
        return {VARIABLE: str(self.address), "LATENTDYN_VERIFIED": str(self.folder)}

    def close(self, wait_s: float | None = None) -> None:
        """End it; it ends by itself when the process ends that has started it. Copies that run go on, and it with them.

        Args:
            wait_s: for its end, at most; None waits as long as that takes.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(wait_s)


def client() -> list[str]:
    """A program that runs `-m module` by the server that the environment names."""
    return [sys.executable, "-I", "-S", str(_CLIENT_FILE)]


def shell_function() -> str:
    """Bash after which `python` is the client, where it would be the Python of this process otherwise."""
    folder, ask = shlex.quote(str(Path(sys.executable).parent)), shlex.join(client()[1:])
    return (
        f'python() {{ local own; own=$(type -P python) || true; if [ "${{own%/*}}" -ef {folder} ]; '
        f'then command python {ask} "$@"; else command python "$@"; fi; }}; '
    )
