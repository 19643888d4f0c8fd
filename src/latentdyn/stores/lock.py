"""Locks: what one process writes, no other one writes at the same time.

A lock is the system's (flock) on a file that is there for nothing else, and is given back when its process ends,
however it ends: what a killed process left locked is free. So a second job refuses to work beside the first (Snakemake
was killed, its jobs were not, and it was started again).

The file must not be among a rule's outputs: Snakemake deletes those before the second job, and a lock on a deleted
file counts for nothing.
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
    """Held from its making until it is released, nobody refers to it any more, or the process ends."""

    def __init__(self, file: Path, guarded: Path) -> None:
        """Lock `file`, which says whose it is meanwhile; `guarded` is what nobody else shall write.

        Raises:
            UserError: another holds it.
        """
        self._file = file
        self._close = weakref.finalize(self, os.close, _locked(file, guarded))

    def release(self) -> None:
        """Give it back and leave the file, which is only text now."""
        self._close()

    def delete(self) -> None:
        """Delete the file and give the lock back, in this order: whoever waits for it sees that the file is gone."""
        self._file.unlink(missing_ok=True)
        self._close()


def _locked(path: Path, guarded: Path) -> int:
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
                guarded,
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
