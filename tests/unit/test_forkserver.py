"""A job that is a copy of the server ends, and is ended, as the job itself; without a server it runs alone."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from latentdyn.forkserver import VARIABLE, ForkServer, client, shell_function, supported

pytestmark = pytest.mark.skipif(not supported(), reason="this system has no pidfd: jobs run alone")

JOB = """
import json, os, sys, time
print(json.dumps([sys.argv[1:], os.getcwd(), os.environ.get("WORD"), "colorsys" in sys.modules, __name__, os.getpid()]))
print(sys.stdin.read(), file=sys.stderr, end="")
if sys.argv[1:] == ["sleep"]:
    open("started", "w").write(str(os.getpid()))
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        open("interrupted", "w").close()
        sys.exit(130)
if sys.argv[1:] == ["threads"]:
    import threadpoolctl, torch
    print(torch.get_num_threads(), *sorted({pool["num_threads"] for pool in threadpoolctl.threadpool_info()}))
if sys.argv[1:2] == ["exit"]:
    sys.exit(eval(sys.argv[2]))
if sys.argv[1:] == ["fork"]:
    if (child := os.fork()) == 0:
        sys.exit(0)
    os.waitpid(child, 0)
    sys.exit(5)
if sys.argv[1:] == ["fault"]:
    raise RuntimeError("a defect")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer(("colorsys",), ("job",))
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job.py").write_text(JOB)
    return tmp_path


def run(folder: Path, server: ForkServer, *arguments: str, program: str = "job", **more: str):
    env = {**os.environ, VARIABLE: str(server.address), **more}
    return subprocess.run(
        [*client(), "-m", program, *arguments], cwd=folder, env=env, capture_output=True, text=True, input="said\n"
    )


def told(done: subprocess.CompletedProcess[str]) -> list[object]:
    return list(json.loads(done.stdout.splitlines()[0]))


def ended(process: psutil.Process) -> bool:
    """Whether it has ended, also where nobody has asked for its status yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_copy_has_what_the_command_was_started_with(folder, server):
    done = run(folder, server, "a", "b c", WORD="é")
    assert told(done)[:5] == [["a", "b c"], str(folder), "é", True, "__main__"]
    assert (done.returncode, done.stderr) == (0, "said\n")


@pytest.mark.parametrize(("value", "code", "said"), [("3", 3, ""), ("None", 0, ""), ("'error: no'", 1, "error: no\n")])
def test_it_exits_as_python_does(folder, server, value, code, said):
    done = run(folder, server, "exit", value)
    assert (done.returncode, done.stderr) == (code, f"said\n{said}")


def test_a_defect_keeps_its_traceback(folder, server):
    done = run(folder, server, "fault")
    assert done.returncode == 1 and "RuntimeError: a defect" in done.stderr


def test_a_process_that_a_job_forks_does_not_end_it(folder, server):
    assert run(folder, server, "fork").returncode == 5


def test_a_server_that_dies_before_it_tells_the_number_of_a_copy_leaves_the_status_to_the_copy(folder):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "server"))
        listener.listen()
        env = {**os.environ, VARIABLE: str(folder / "server")}
        asking = subprocess.Popen([*client(), "-m", "job"], cwd=folder, env=env, stdin=subprocess.DEVNULL)
        connection, _ = listener.accept()
        connection.recv(12)
        connection.sendall(b"0")
        assert asking.wait(20) == 0
        connection.close()


def test_other_programs_run_alone(folder, server):
    (folder / "other.py").write_text(JOB)
    assert told(run(folder, server, program="other"))[3] is False
    assert run(folder, server, "--help", program="pip").returncode == 0


def test_without_a_server_a_job_runs_alone(folder):
    gone = ForkServer(("colorsys",), ("job",))
    assert told(run(folder, gone))[3] is True
    gone.close()
    assert not gone.address.parent.exists()
    done = run(folder, gone, "x")
    assert told(done)[0] == ["x"] and told(done)[3] is False and done.stderr == "said\n"


def test_jobs_wait_until_the_server_is_ready_and_run_side_by_side(folder):
    server = ForkServer(("colorsys", "pandas"), ("job",))
    env = {**os.environ, VARIABLE: str(server.address)}
    jobs = [subprocess.Popen([*client(), "-m", "job"], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE) for _ in range(8)]  # fmt: skip
    said = [job.communicate()[0] for job in jobs]
    assert len(set(said)) == 8  # processes of their own
    server.close()


def started(
    folder: Path, server: ForkServer, ignored: signal.Signals | None = None
) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    (folder / "started").unlink(missing_ok=True)
    env = {**os.environ, VARIABLE: str(server.address)}

    def set_signals() -> None:  # whatever whoever runs the tests ignores
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if ignored:
            signal.signal(ignored, signal.SIG_IGN)

    asking = subprocess.Popen([*client(), "-m", "job", "sleep"], cwd=folder, env=env, preexec_fn=set_signals,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
    wait_for(lambda: (folder / "started").exists() and (folder / "started").read_text() != "")
    return asking, psutil.Process(int((folder / "started").read_text()))


def test_ctrl_c_reaches_the_copy_which_ends_by_itself(folder, server):
    asking, copy = started(folder, server)
    asking.send_signal(signal.SIGINT)
    assert asking.wait(20) == 130 and (folder / "interrupted").exists()
    wait_for(lambda: ended(copy))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_the_command_ignores_does_not_reach_the_copy(folder, server, number):
    asking, copy = started(folder, server, ignored=number)
    asking.send_signal(number)
    time.sleep(0.2)
    assert asking.poll() is None and copy.is_running() and not (folder / "interrupted").exists()
    asking.terminate()
    assert asking.wait(20) == 143


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_signal_ends_the_copy(folder, server, number, code):
    asking, copy = started(folder, server)
    asking.send_signal(number)
    assert asking.wait(20) == code
    wait_for(lambda: ended(copy))


def test_a_job_that_is_stopped_and_continued_takes_its_copy_with_it(folder, server):
    asking, copy = started(folder, server)
    asking.send_signal(signal.SIGTSTP)
    wait_for(lambda: copy.status() == psutil.Process(asking.pid).status() == psutil.STATUS_STOPPED)
    asking.send_signal(signal.SIGCONT)
    wait_for(lambda: psutil.STATUS_STOPPED not in (copy.status(), psutil.Process(asking.pid).status()))
    asking.send_signal(signal.SIGINT)
    assert asking.wait(20) == 130


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_job_with_closed_files_runs(folder, server, closed):
    (folder / "job.py").write_text("open('ran', 'w').close()\nimport sys; sys.exit(3)")
    command = f"{shlex.join(client())} -m job {closed}"
    env = {**os.environ, VARIABLE: str(server.address)}
    assert subprocess.run(["bash", "-c", command], cwd=folder, env=env, input=b"").returncode == 3
    assert (folder / "ran").exists()


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_where_files_of_the_run_are_closed_those_of_a_job_are_not(folder, closed):
    (folder / "run.py").write_text(
        "import os, subprocess; from latentdyn.forkserver import ForkServer, client\n"
        "server = ForkServer(('colorsys',), ('job',)); os.environ.update(server.environment())\n"
        "job = subprocess.run([*client(), '-m', 'job', 'fault'], stdin=subprocess.DEVNULL, capture_output=True)\n"
        "server.close(); print(job.stdout.decode(), job.stderr.decode())"
    )
    run = shlex.join([sys.executable, "run.py"]) + f" {closed}"
    said = subprocess.run(["bash", "-c", run], cwd=folder, capture_output=True, text=True).stdout
    assert json.loads(said.splitlines()[0])[3] is True and "RuntimeError: a defect" in said


def test_a_copy_ends_with_its_client(folder, server):
    asking, copy = started(folder, server)
    asking.kill()
    asking.wait(20)
    wait_for(lambda: ended(copy))
    assert not (folder / "interrupted").exists()


def test_a_copy_that_is_killed_is_told_of(folder, server):
    asking, copy = started(folder, server)
    copy.kill()
    assert asking.wait(20) == 137


def served(folder: Path) -> tuple[ForkServer, psutil.Process]:
    """A server of its own, and its process."""
    before = psutil.Process().children()
    server = ForkServer(("colorsys",), ("job",))
    (process,) = (child for child in psutil.Process().children() if child not in before)
    assert told(run(folder, server))[3] is True
    return server, process


def test_a_copy_goes_on_without_the_server_and_tells_how_it_ended(folder):
    server, process = served(folder)
    asking, copy = started(folder, server)
    process.kill()
    process.wait(20)
    assert copy.is_running()
    asking.send_signal(signal.SIGINT)
    assert asking.wait(20) == 130 and (folder / "interrupted").exists()
    assert told(run(folder, server))[3] is False


def test_a_server_that_takes_no_more_jobs_stays_until_its_copies_have_ended(folder):
    server, process = served(folder)
    asking, copy = started(folder, server)
    assert process.is_running()
    server.close(0)
    wait_for(lambda: not server.address.exists())
    assert process.is_running() and copy.is_running() and told(run(folder, server))[3] is False
    asking.kill()
    wait_for(lambda: ended(copy) and ended(process))


@pytest.mark.parametrize("told_of", [b"", b"%12d" % 4, b"%12d/tm" % 4])
def test_a_client_that_has_not_told_all_is_not_waited_for(folder, told_of):
    server, process = served(folder)
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(server.address))
        if told_of:
            socket.send_fds(slow, [told_of], [0, 1, 2])
        began = time.monotonic()
        other, copy = started(folder, server)
        assert time.monotonic() - began < 5
        kept = [file.path for file in copy.open_files()] + copy.net_connections("unix")
        assert len(kept) == len(psutil.Process(other.pid).open_files()) + 1  # its own client alone
        other.send_signal(signal.SIGINT)
        assert other.wait(20) == 130
        server.close()
        assert ended(process) and slow.recv(1) == b""


def test_a_client_that_ends_before_it_says_anything_does_no_harm(folder, server):
    other, _ = started(folder, server)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(server.address))
    assert told(run(folder, server))[3] is True
    other.send_signal(signal.SIGINT)
    assert other.wait(20) == 130


def test_where_the_system_has_no_room_for_a_copy_a_job_runs_alone(folder, monkeypatch):
    (folder / "crowded.py").write_text(
        "import os\nfork = os.fork\ndef refused():\n    os.fork = fork\n"
        "    raise BlockingIOError('Resource temporarily unavailable')\nos.fork = refused"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    server = ForkServer(("colorsys", "crowded"), ("job",))
    first, second = run(folder, server), run(folder, server)
    assert [told(done)[3] for done in (first, second)] == [False, True]
    assert [done.stderr for done in (first, second)] == ["said\n", "said\n"]
    server.close()


def test_the_server_ends_with_the_process_that_started_it(folder):
    script = (
        "import sys, time; from latentdyn.forkserver import ForkServer; server = ForkServer(('colorsys',), ('job',))\n"
        "print(server.address, flush=True); time.sleep(60)"
    )
    own = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert own.stdout is not None
    address = Path(own.stdout.readline().strip())
    (serving,) = psutil.Process(own.pid).children()
    assert address.exists()
    own.kill()
    own.wait()
    wait_for(lambda: ended(serving) and not address.parent.exists())


def test_libraries_have_as_many_threads_as_in_a_job_of_its_own(folder):
    server = ForkServer(("torch", "numpy", "threadpoolctl"), ("job",))
    for n in ("1", "2"):
        alone = subprocess.run([sys.executable, "-m", "job", "threads"], cwd=folder, capture_output=True, text=True,
                               env={**os.environ, "OMP_NUM_THREADS": n}, stdin=subprocess.DEVNULL)  # fmt: skip
        copied = run(folder, server, "threads", OMP_NUM_THREADS=n)
        assert copied.stdout.splitlines()[1] == alone.stdout.splitlines()[1] == f"{n} {n}"
    server.close()


def test_python_is_the_client_where_it_would_be_this_python(folder, server):
    def told_by_shell(path: str) -> list[object]:
        code = f"set -euo pipefail; {shell_function()} python -m job x"
        env = {**os.environ, VARIABLE: str(server.address), "PATH": path}
        return told(subprocess.run(["bash", "-c", code], cwd=folder, env=env, capture_output=True, text=True, input=""))

    own = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    assert told_by_shell(own)[3] is True
    another = folder / "another/bin"
    another.mkdir(parents=True)
    (another / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (another / "python").chmod(0o755)
    assert told_by_shell(f"{another}{os.pathsep}{own}")[3] is False


def test_the_client_imports_nothing_that_takes_time():
    file = Path(client()[-1])
    code = f"import sys; sys.path.insert(0, {str(file.parent)!r}); import {file.stem}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True).stdout.split()
    assert not {"latentdyn", "json", "typing", "enum", "contextlib", "pathlib", "re", "subprocess"} & set(loaded)
    assert "_socket" in loaded


def test_a_variable_of_any_bytes_reaches_the_copy(folder, server):
    (folder / "job.py").write_text("import os; print(ascii(os.environb[b'WORD']), ascii(os.environb[b'EMPTY']))")
    env = {**os.environb, VARIABLE.encode(): str(server.address).encode(), b"WORD": b"a=b\n\xff", b"EMPTY": b""}
    done = subprocess.run([*client(), "-m", "job"], cwd=folder, env=env, capture_output=True, text=True)
    assert done.stdout == r"b'a=b\n\xff' b''" + "\n"


@pytest.mark.parametrize(
    "told_of",
    [b"no number", b"999999999999", b"/\0", b"/\0x\0json.tool", b"/\0" + b"0", b"/\0" + b"1\0job\0NAME", b""],
)
def test_a_server_outlives_a_client_that_it_does_not_understand(folder, server, told_of):
    request = b"" if len(told_of) == 12 else told_of
    with socket.socket(socket.AF_UNIX) as odd:
        odd.connect(str(server.address))
        socket.send_fds(odd, [told_of if len(told_of) == 12 else b"%12d" % len(request)], [0, 1, 2])
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have refused by then
            odd.sendall(request)
            odd.shutdown(socket.SHUT_WR)
            assert odd.recv(1) == b""
    assert told(run(folder, server))[3] is True


def test_a_job_in_a_folder_that_is_gone_runs_alone(folder, server):
    (folder / "gone").mkdir()
    env = {**os.environ, VARIABLE: str(server.address)}
    command = f"cd gone; rmdir ../gone; {shlex.join(client())} -m this"
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and "Zen" in done.stdout
