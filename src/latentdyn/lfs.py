"""Git LFS pointers: the few lines of text that stand where a big file was not fetched.

https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

from pathlib import Path

from latentdyn.errors import UserError

POINTER = "this is a Git LFS pointer, not the file itself; run `git lfs pull` where it was cloned"

_FIRST_LINE = b"version https://git-lfs.github.com/spec/"


def is_pointer(file: bytes | Path) -> bool:
    """Whether a file is a pointer, by its path or by its first bytes (at least 64). A missing file is none."""
    if isinstance(file, Path):
        try:
            with open(file, "rb") as opened:
                file = opened.read(len(_FIRST_LINE))
        except OSError:
            return False
    return file.startswith(_FIRST_LINE)


def refuse_pointer(path: Path) -> None:
    """Tell a pointer before a reader of the real file stumbles over it.

    Raises:
        UserError: the file is a pointer.
    """
    if is_pointer(path):
        what, _, fix = POINTER.partition("; ")
        raise UserError(what, path, fix)
