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


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as opened:
            return opened.read(_LONGEST)
    except OSError:
        unfetched = path.is_symlink() and _ANNEX_LINK in os.readlink(path)
        return b"/annex/objects/" if unfetched else b""


def refuse_pointer(path: Path) -> None:
    """Tell a pointer before a reader of the real file stumbles over it.

    Raises:
        UserError: the file is a pointer.
    """
    if told := find_pointer(path):
        what, _, fix = told.partition("; ")
        raise UserError(what, path, fix)
