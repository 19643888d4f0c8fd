"""Files that are either whole or absent, and that are known to be as they were written.

They are written beside their place, synced, then renamed. What a step writes for another one carries a checksum of its
own, and reading verifies it: JSON here, tables in `parquet`, tensors of unfinished work in `stores.tensors`. A large
artifact has a handle, a JSON file that holds the digests of the artifact's files. So no damage and no edit goes on into
a number.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from latentdyn.errors import UserError

_LEFTOVER_S = 60.0  # a younger temporary file may be about to be locked
_CHECKSUM = "own_sha256"  # of all else that a file of JSON holds, in canonical form


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success sync it and rename it to `path`.

    It is locked as long as its process lives. What killed processes have left of this file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    temporary = Path(name)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes it private; a result is shared like any other file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of `path` that nobody writes any more."""
    for name in os.listdir(path.parent):
        if not (name.startswith(f".{path.name}.") and name.endswith(path.suffix)):
            continue
        leftover = path.parent / name
        with contextlib.suppress(OSError):  # it is gone, or there are no locks: leave it
            if time.time() - leftover.stat().st_mtime < _LEFTOVER_S:
                continue
            with open(leftover, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()


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


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write sorted JSON without NaN, so that equal values give equal files, and its own checksum with it: a line for
    each key, and for each item of a list of objects."""
    write_text(path, _in_lines({**value, _CHECKSUM: _json_checksum(value)}) + "\n")


def _in_lines(value: Any, indent: str = "") -> str:
    """Python's own indented JSON takes four times as long, since it does not come from C."""
    inner = f"\n{indent} "
    if isinstance(value, dict) and value:
        items = [f"{_line(str(name))}: {_in_lines(value[name], indent + ' ')}" for name in sorted(value)]
        return f"{{{inner}{f',{inner}'.join(items)}\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"[{inner}{f',{inner}'.join(map(_line, value))}\n{indent}]"
    return _line(value)


_line = json.JSONEncoder(sort_keys=True, allow_nan=False, ensure_ascii=False).encode


def read_json(path: Path, *, made_by: str) -> dict[str, Any]:
    """What `write_json` wrote.

    Raises:
        UserError: the file is missing, cannot be read, is not JSON, or is not as it was written; `made_by` names the
            rule that makes it.
    """
    fix = f"delete {path} and run the same command again: rule {made_by} makes it"
    try:
        return _verified_json(path)
    except FileNotFoundError:
        raise UserError("a file this step needs is missing", path, f"let Snakemake make it (rule {made_by})") from None
    except _NoChecksumError:
        raise UserError(f"this file {NO_CHECKSUM}", path, fix) from None
    except _OtherChecksumError:
        raise UserError(f"this file {OTHER_CHECKSUM}", path, fix) from None
    except (IsADirectoryError, PermissionError) as error:  # nothing that should be deleted
        raise UserError(f"this file cannot be read ({error.strerror})", path, NOT_READABLE.format(made_by)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"this file is not valid JSON ({error})", path, fix) from None


def read_own_json(path: Path) -> dict[str, Any] | None:
    """What `write_json` wrote for a later run of the same job; None if there is no such file, or if it is damaged."""
    try:
        return _verified_json(path)
    except (OSError, ValueError, RecursionError):
        return None


# what is wrong with a file that was written with a checksum
NO_CHECKSUM = "has no checksum: an earlier version of latentdyn wrote it, or it was changed since"
OTHER_CHECKSUM = "does not match its checksum: it was damaged, edited, or exchanged since it was written"


NOT_READABLE = "give a file that rule {} has made, and that you may read"


class _NoChecksumError(ValueError):
    """A file has no checksum."""


class _OtherChecksumError(ValueError):
    """A file's content has another checksum."""


def _verified_json(path: Path) -> dict[str, Any]:
    """A file's content without its checksum.

    Raises:
        OSError, ValueError, RecursionError: it cannot be read, is not JSON, or is not as it was written.
    """
    value = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(value, dict) or _CHECKSUM not in value:
        raise _NoChecksumError
    if value.pop(_CHECKSUM) != _json_checksum(value):
        raise _OtherChecksumError
    return value


def read_handle(path: Path, *, of: str, holds: set[str], made_by: str) -> dict[str, Any]:
    """Read the handle of an artifact.

    Args:
        of: what the artifact is called. holds: keys that every version of its handle has, and no other handle has all.

    Raises:
        UserError: as of `read_json`, or the file is the handle of something else.
    """
    facts = read_json(path, made_by=made_by)
    if not holds <= facts.keys():
        raise UserError(f"this is no handle of {of}", path, f"give the one that rule {made_by} writes")
    return facts


def of_folders(path: Path, *names: str) -> dict[str, str]:
    """The names of the folders that a file lies in, the innermost one last: what an artifact says it is of."""
    folders = Path(path).absolute().parts[:-1]
    return dict(zip(names, folders[-len(names) :], strict=False))


def check_folders(path: Path, facts: Mapping[str, Any]) -> None:
    """Check that an artifact lies in the folders of the `corpus` and `representation` that it was made for.

    Args:
        facts: what it says of itself; of what they do not name nothing is checked.

    Raises:
        UserError: it lies in others.
    """
    names = [name for name in ("corpus", "representation") if name in facts]
    made_for, here = [facts[name] for name in names], list(of_folders(path, *names).values())
    if made_for != here:
        raise UserError(
            f"this was made for {'/'.join(made_for)}, and lies in the folder of {'/'.join(here)}: it was exchanged, or "
            "the folder has another name since",
            path,
            "put it back, or delete it and run the same command again: Snakemake makes it anew",
        )


def _json_checksum(value: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def check_place(path: Path) -> None:
    """Check that a folder is there, or can be made.

    Raises:
        UserError: it, or what it would lie in, is no folder, or nothing may be written into it.
    """
    for place in (*reversed(path.parents), path):
        if os.path.lexists(place) and not place.is_dir():
            raise UserError(
                "something that is no folder lies where a folder is needed", place, "give it another name, or remove it"
            )
    there = next(place for place in (path, *path.parents) if place.is_dir())
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(
            "this folder cannot be written into", there, "give yourself the right to write there, or work elsewhere"
        )


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
