"""Unfinished work: where a killed job finds what it had done, and never what another job has.

A job owns a folder outside Snakemake's declared outputs (those are deleted before a job and after a failure). Within
it, work is kept under the digest of a key: settings, code and data. A job with another key starts afresh beside it;
success deletes the whole folder.

The folder is at work while a process holds the lock on its file `lock` (see lock): work left behind is never taken for
work under way.
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


def open_state(root: Path, key: dict[str, Any]) -> Path:
    """The folder of unfinished work for this key, made if there is none yet; `key.json` in it says what it is.

    Raises:
        UserError: a job that is still running works in `root`.
    """
    root = Path(root).absolute()
    if root not in _held:
        _held[root] = Lock(root / "lock", root)
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
        _held.pop(root).release()
        with suppress(OSError):  # NFS keeps the name of an open file, and so its folder, until it is closed
            root.rmdir()
