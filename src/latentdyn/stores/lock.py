"""Locks: no two processes write the same artifact at the same time.

A lock is one of the operating system (flock), on a file that exists for nothing else. It is released when its process
ends, in whatever way: after a process was killed, its lock is free. So a second job refuses to work beside the first.
This happens if Snakemake was killed, its jobs were not, and it was started again.

The file must not be among a rule's outputs. Snakemake deletes those before the second job, and a lock on a deleted file
protects nothing.
"""

import fcntl
import logging
import os
import socket
import weakref
from contextlib import suppress
from pathlib import Path

from latentdyn.errors import UserError

log = logging.getLogger(__name__)


class Lock:
    """Held until it is released, until nothing refers to it any more, or until the process ends."""

    def __init__(self, file: Path, protected: Path) -> None:
        """Lock `file`, which then says who holds it. `protected` is what no other process may write.

        Raises:
            UserError: another holds it.
        """
        self._file = file
        self._close = weakref.finalize(self, os.close, _locked(file, protected))

    def release(self) -> None:
        """Release it and leave the file, which is only text now."""
        self._close()

    def delete(self) -> None:
        """Delete the file and release the lock, in this order: whoever waits for it sees that the file is gone."""
        self._file.unlink(missing_ok=True)
        self._close()


def _locked(path: Path, protected: Path) -> int:
    """A descriptor of the locked file."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # writable, as NFS wants it
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(file, 1000).decode(errors="replace")
            os.close(file)
            raise UserError(
                f"this work is already being done: {owner or 'by another process'}",
                protected,
                "wait until that job is done, or end it (scancel, kill), and run the same command again",
            ) from None
        except OSError as error:  # a file system mounted without locks
            log.warning("no lock can be had on %s (%s): see that no two jobs work there at once", path, error)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), os.stat(path)):
                break
        os.close(file)  # its owner was done and deleted it in between
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    if job := os.environ.get("SLURM_JOB_ID"):
        owner += f", Slurm job {job}"
    os.ftruncate(file, 0)
    os.write(file, owner.encode())
    return file
