"""What was found of the package's code before: digests, and what counts in them. It holds until a source changes.

To find a digest, every source is parsed, which takes seconds each time that Snakemake starts. So what was found is kept
in `__pycache__`, as Python keeps bytecode there: under a digest of all sources, and never trusted under another one.
"""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path


class KeptDigests:
    """Digests of the package below a folder.

    Args:
        source: the package's folder. Nothing is kept where it cannot be written to.
        name: of the file.
    """

    def __init__(self, source: Path, name: str = "code_digests") -> None:
        self._file = source / "__pycache__" / f"{name}.{sys.implementation.cache_tag}.json"
        self._sources = _digest_of(source)
        self._found: dict[str, str] = {}
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError, AttributeError
        ):  # none, or damaged: found again
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["sources"] == self._sources:
                self._found = {str(question): str(digest) for question, digest in kept["digests"].items()}

    def get(self, question: str, find: Callable[[], str]) -> str:
        """The digest that answers a question; `find` finds it where it is not known yet."""
        if question not in self._found:
            self._found[question] = find()
            self._keep()
        return self._found[question]

    def _keep(self) -> None:
        if sys.dont_write_bytecode:
            return
        temporary = self._file.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(exist_ok=True)
            temporary.write_text(json.dumps({"sources": self._sources, "digests": self._found}), encoding="utf-8")
            os.replace(temporary, self._file)


def _digest_of(source: Path) -> str:
    """Of all sources, and of this Python, whose parser reads them."""
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(source.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(source).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()
