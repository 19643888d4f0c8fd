"""Pointers: what stands where a big file was not fetched, the few lines of Git LFS or the link or line of git-annex.

https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md, https://git-annex.branchable.com/internals/pointer_file/
"""

import os
from pathlib import Path

from latentdyn.errors import UserError

_FIRST = {
    b"version https://git-lfs.github.com/spec/": "this is a Git LFS pointer, not the file itself; run `git lfs pull`",
    b"/annex/objects/": "this is a pointer of git-annex, not the file itself; run `git annex get`",
}
_LONGEST = max(map(len, _FIRST))
_ANNEX_LINK = ".git/annex/objects/"


def find_pointer(file: bytes | Path) -> str | None:
    """What kind of pointer a file is, by its path or by its first bytes (at least 64), and what to run; None if it is
    none. A missing file is none, but for a link of git-annex to what was not fetched."""
    head = _head(file) if isinstance(file, Path) else file
    return next((f"{told} where it was cloned" for first, told in _FIRST.items() if head.startswith(first)), None)


def why_no_file(path: Path) -> str:
    """Why a path that is no regular file cannot be read, in words."""
    if os.path.exists(path):
        return "it is no regular file, but a folder, a pipe, a socket or a device"
    return find_pointer(path) or "there is no such file; perhaps a link that leads nowhere"


def refuse_pipe(path: Path) -> None:
    """Tell a path that is no regular file before somebody opens it: a pipe would be waited for without end.

    Raises:
        UserError: something that is no file lies there. Of what is missing, its reader tells.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(why_no_file(path), path, "give a file, which can be read more than once")


def _head(path: Path) -> bytes:
    if not os.path.isfile(path):  # whoever opens a pipe waits for somebody to write into it
        unfetched = os.path.islink(path) and _ANNEX_LINK in os.readlink(path)
        return b"/annex/objects/" if unfetched else b""
    try:
        with open(path, "rb") as opened:
            return opened.read(_LONGEST)
    except OSError:
        return b""


def refuse_pointer(path: Path) -> None:
    """Tell a pointer before a reader of the real file stumbles over it.

    Raises:
        UserError: the file is a pointer.
    """
    if told := find_pointer(path):
        what, _, fix = told.partition("; ")
        raise UserError(what, path, fix)
