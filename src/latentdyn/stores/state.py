"""Unfinished work: where a killed job finds what it had done, and never what another job had.

A job owns a folder outside Snakemake's declared outputs (those are deleted before a job and after a failure). Within
it, work is kept under the digest of a key: settings, code and data. A job with another key starts afresh beside it;
success deletes the whole folder.
"""

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any

from latentdyn.files import canonical_json, write_json

log = logging.getLogger(__name__)


def open_state(root: Path, key: dict[str, Any]) -> Path:
    """The folder of unfinished work for this key, made if there is none yet; `key.json` in it says what it is."""
    folder = Path(root) / hashlib.sha256(canonical_json(key).encode()).hexdigest()[:16]
    others = [other for other in folder.parent.glob("*") if other != folder]
    if folder.is_dir():
        log.info("continuing the unfinished work in %s", folder)
    elif others:
        log.info("unfinished work in %s is of other settings, code or data: starting afresh", folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "key.json", key)
    return folder


def remove_state(root: Path) -> None:
    """Delete a job's unfinished work: its result is safe now."""
    shutil.rmtree(root, ignore_errors=True)
