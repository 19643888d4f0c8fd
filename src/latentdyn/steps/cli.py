"""What every step shares: its command line, readable errors, exit status."""

import argparse
import errno
import faulthandler
import logging
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from latentdyn.errors import DISK_FULL, UserError
from latentdyn.provenance.jobs import by_hand, recorded
from latentdyn.provenance.logs import WARNING


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are told like all others, in one paragraph."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"the command line of {self.prog}", "--help lists the arguments")


class _Formatter(logging.Formatter):
    """The message alone; of a warning with a word before it, by which a run finds it in its logs."""

    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        return f"{WARNING}{message}" if record.levelno >= logging.WARNING else message


def run_step(
    doc: str,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    step: Callable[[argparse.Namespace], None],
    *,
    check: Callable[[argparse.Namespace], None] | None = None,
) -> None:
    """Parse the command line and run the step, as `run_reported` does.

    Args:
        check: what parsing one argument alone cannot know (see steps.settings); of a step that is run by hand.
    """
    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)  # says where, if a file of a mapped store is cut while it is read
    name = f"python -m latentdyn.steps.{Path(sys.argv[0]).stem}"
    parser = _Parser(prog=name, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)  # it tells what it tries first as if that had failed

    def parsed(arguments: argparse.Namespace) -> None:
        parser.parse_args(namespace=arguments)
        if check is not None and by_hand():
            check(arguments)
        step(arguments)

    with recorded():
        run_reported(parsed, argparse.Namespace())


def run_reported(step: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> None:
    """Run a step or a command, and exit with 0, 1 (the input is wrong, or nobody reads on) or 130 (interrupted).

    A mistake that the user can fix (`UserError`), a file that the system refuses and too little memory are reported in
    one paragraph. Anything else is a defect of ours and keeps its traceback.
    """
    try:
        step(arguments)
        sys.stdout.flush()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _is_unread(_STDOUT):
            os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)  # else Python complains as it ends
            sys.exit(1)
        sys.exit(f"error: {_refused(error)}")
    except MemoryError:
        program = Path(sys.argv[0]).name
        sys.exit(f"error: {UserError('there is too little memory', program, _GO_ON.format('give the job more'))}")
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)


_STDOUT = 1


def _is_unread(number: int) -> bool:
    """Whether this open file is a pipe that nobody reads any more, since whoever did has seen enough, as `head` has."""
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return any(event & select.POLLERR for _, event in poll.poll(0))


_GO_ON = "{} and run the same command again; what was finished is kept and continues from there"


def _refused(error: OSError) -> UserError:
    """What the operating system refuses, in a paragraph."""
    reason = error.strerror or str(error)
    if error.errno in DISK_FULL:
        problem, fix = f"the disk is full ({reason})", "free some space"
    elif error.errno == errno.EROFS or isinstance(error, PermissionError):
        problem, fix = f"this may not be read or written ({reason})", "see to its permissions"
    else:
        problem, fix = f"the system refuses a file or folder ({reason})", "see to it"
    return UserError(problem, error.filename or "the folder of the inputs and outputs", _GO_ON.format(fix))
