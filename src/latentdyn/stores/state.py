"""Unfinished work: where a killed job finds what it has done, and never the work of another job.

A job owns a folder outside Snakemake's declared outputs, because Snakemake deletes those before a job and after a
failure. Within it, work is kept below the digest of its fingerprint: settings, code and data. A job with another
fingerprint starts from the beginning, beside the old work. Success deletes the whole folder.

A process that works in the folder holds the lock on its file `lock` (see lock). So work that a killed job has left is
free to be continued, and work of a running job is not.
"""

import hashlib
import logging
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from latentdyn.files import canonical_json, write_json
from latentdyn.stores.lock import Lock

log = logging.getLogger(__name__)

_held: dict[Path, Lock] = {}  # of this process, by folder


def open_state(root: Path, fingerprint: dict[str, Any]) -> Path:
    """The folder of unfinished work with this fingerprint, made if there is none; its `fingerprint.json` holds it.

    Raises:
        UserError: a job that is still running works in `root`.
    """
    root = Path(root).absolute()
    if root not in _held:
        _held[root] = Lock(root / "lock", root)
    folder = root / hashlib.sha256(canonical_json(fingerprint).encode()).hexdigest()[:16]
    others = [other for other in root.iterdir() if other.is_dir() and other != folder]
    if folder.is_dir():
        log.info("continuing the unfinished work in %s", folder)
    elif others:
        log.info("unfinished work in %s is of other settings, code or data: starting from the beginning", root)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "fingerprint.json", fingerprint)
    return folder


def remove_state(root: Path) -> None:
    """Delete a job's unfinished work: its result is safe now."""
    root = Path(root).absolute()
    shutil.rmtree(root, ignore_errors=True)
    if root in _held:
        _held.pop(root).release()
        with suppress(OSError):  # NFS keeps the name of an open file, and so its folder, until it is closed
            root.rmdir()
