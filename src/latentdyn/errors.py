"""The one exception that is meant for a person to read."""

import errno
from pathlib import Path

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # what an OSError says then


class UserError(Exception):
    """A mistake in the input that the user can fix: what is wrong, where, and what to do about it.

    Steps print it as one paragraph without a traceback and exit with status 1.
    """

    def __init__(self, what: str, where: object, fix: str) -> None:
        self.what, self.where, self.fix = what.rstrip("."), str(where), fix.rstrip(".")
        super().__init__(f"{self.what}. Where: {self.where}. What to do: {self.fix}.")

    def __reduce__(self) -> tuple[type["UserError"], tuple[str, str, str]]:
        return UserError, (self.what, self.where, self.fix)  # worker processes must be able to pickle it


def whole_path(path: Path) -> str:
    """A path that the user gave, for `where`: of a relative one, also the folder that it is relative to."""
    return str(path) if path.is_absolute() else f"{path}, which is relative to the folder of this run, {Path.cwd()}"
