"""Unfinished work: where a killed job finds what it had done, and never what another job has.

A job owns a folder outside Snakemake's declared outputs (those are deleted before a job and after a failure). Within
it, work is kept under the digest of a key: settings, code and data. A job with another key starts afresh beside it;
success deletes the whole folder.

The folder is at work while a process holds the lock on its file `lock`, which the system gives back when that process
ends, however it ends: work left behind is never taken for work under way. A second job refuses to start beside the
first (Snakemake was killed, its jobs were not, and it was started again).
"""

import fcntl
import hashlib
import logging
import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from latentdyn.errors import UserError
from latentdyn.files import canonical_json, write_json

log = logging.getLogger(__name__)

_held: dict[Path, IO[str]] = {}  # locks of this process, by folder


def open_state(root: Path, key: dict[str, Any]) -> Path:
    """The folder of unfinished work for this key, made if there is none yet; `key.json` in it says what it is.

    Raises:
        UserError: a job that is still running works in `root`.
    """
    root = Path(root).absolute()
    _lock(root)
    folder = root / hashlib.sha256(canonical_json(key).encode()).hexdigest()[:16]
    others = [other for other in root.iterdir() if other.is_dir() and other != folder]
    if folder.is_dir():
        log.info("continuing the unfinished work in %s", folder)
    elif others:
        log.info("unfinished work in %s is of other settings, code or data: starting afresh", root)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "key.json", key)
    return folder


def remove_state(root: Path) -> None:
    """Delete a job's unfinished work: its result is safe now."""
    root = Path(root).absolute()
    shutil.rmtree(root, ignore_errors=True)
    if root in _held:
        _held.pop(root).close()
        with suppress(OSError):  # NFS keeps the name of an open file, and so its folder, until it is closed
            root.rmdir()


def _lock(root: Path) -> None:
    if root in _held:
        return
    while True:
        root.mkdir(parents=True, exist_ok=True)
        file = open(root / "lock", "a+")  # noqa: SIM115 (open until the process ends; writable, as NFS wants it)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"this work is already being done: {file.read() or 'by another process'}",
                root,
                "wait until that job is done, or end it (scancel, kill), and run the same command again",
            ) from None
        except OSError as error:  # a file system mounted without locks
            log.warning("no lock can be had on %s (%s): see that no two jobs work there at once", file.name, error)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(root / "lock")):
                break
        file.close()  # its owner was done and deleted it in between
    file.truncate(0)
    job = os.environ.get("SLURM_JOB_ID")
    file.write(f"process {os.getpid()} on {socket.gethostname()}" + (f", Slurm job {job}" if job else ""))
    file.flush()
    _held[root] = file
