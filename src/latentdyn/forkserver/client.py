"""The program of a job's shell in place of `python`: it asks the server for a copy, and ends as that ends.

It starts in each job, so it imports as little as it can: nothing of latentdyn, and of Python's `signal` and `socket`
the parts in C. These have all that is used here; what is around them takes as long to start as Python itself.
"""

import _signal as signal
import _socket as socket
import array
import os
import sys

VARIABLE = "LATENTDYN_FORK_SERVER"  # of a job's environment: where the server listens
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT, signal.SIGUSR1, signal.SIGUSR2)


def ask(arguments: list[str]) -> int:
    """Have a command run by the server, or by the real Python; the exit status."""
    address = os.environ.get(VARIABLE, "")
    if not address or len(arguments) < 2 or arguments[0] != "-m":
        return _run_alone(arguments)
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:  # or the socket would be what was closed of 0, 1 and 2
        pass
    os.close(file)
    variables = (name + b"=" + value for name, value in os.environb.items())
    program = [os.fsencode(argument) for argument in arguments[1:]]
    server = socket.socket(socket.AF_UNIX)
    try:
        request = b"\0".join((os.getcwdb(), b"%d" % len(program), *program, *variables))
        server.connect(address)
        files = array.array("i", [0, 1, 2])
        server.sendmsg([b"%12d" % len(request)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
        server.sendall(request)
        number = server.recv(12)
    except OSError:
        number = b""
    except KeyboardInterrupt:
        return 128 + int(signal.SIGINT)
    if not number:  # the server is gone, or does not run this program; or the folder is gone
        return _run_alone(arguments)
    if len(number) < 12:  # the server was killed before it told, and the copy has told how it ended
        return int(number)
    try:
        copy = os.pidfd_open(int(number))
    except ProcessLookupError:  # it has ended, and the server tells how
        copy = None

    def forward(number: int, _: object) -> None:
        if copy is not None:
            try:  # noqa: SIM105 (contextlib would be one more library)
                signal.pidfd_send_signal(copy, number)
            except ProcessLookupError:
                pass

    def stop(number: int, frame: object) -> None:
        forward(signal.SIGSTOP, frame)
        signal.raise_signal(signal.SIGSTOP)

    for signal_ in _FORWARDED:
        if signal.getsignal(signal_) != signal.SIG_IGN:  # a run that goes on in the background, or under nohup
            signal.signal(signal_, forward)
    signal.signal(signal.SIGTSTP, stop)
    ended = server.recv(16)
    return int(ended) if ended else 128 + int(signal.SIGKILL)


def _run_alone(arguments: list[str]) -> int:
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    sys.exit(ask(sys.argv[1:]))
