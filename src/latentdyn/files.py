"""Files that are either whole or absent: written beside their place, synced, then renamed."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latentdyn.errors import UserError


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success sync it and rename it to `path`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes it private; a result is shared like any other file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no blanks, no NaN. Equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write sorted, indented JSON without NaN, so that equal values give equal files."""
    write_text(path, json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path, *, made_by: str) -> Any:
    """Read JSON.

    Raises:
        UserError: the file is missing or is not JSON; `made_by` names the rule that makes it.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError("a file this step needs is missing", path, f"let Snakemake make it (rule {made_by})") from None
    except ValueError as error:
        raise UserError(f"this file is not valid JSON ({error})", path, f"delete it and rerun rule {made_by}") from None


def read_handle(path: Path, *, of: str, holds: set[str], made_by: str) -> dict[str, Any]:
    """Read the handle of an artifact.

    Args:
        of: what the artifact is called. holds: keys that every version of its handle has, and no other handle has all.

    Raises:
        UserError: the file is missing, is not JSON, or is the handle of something else.
    """
    facts = read_json(path, made_by=made_by)
    if not isinstance(facts, dict) or not holds <= facts.keys():
        raise UserError(f"this is no handle of {of}", path, f"give the one that rule {made_by} writes")
    return facts


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
