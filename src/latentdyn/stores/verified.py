"""The files of a zarr store as zarr reads them, each one verified against its handle before any of it is used.

A file is read whole, and compared with the size and the CRC-32C that the store's maker wrote. So a shard is read from
the disk once, where zarr alone would read each of its chunks by itself: this pays for the checksums. What the handle
does not list does not exist.

A file that is mapped need not be read whole. Many jobs of a run map the same files, so the first one that verifies a
file leaves a note for the others, in a folder that is the run's own and ends with it (`LATENTDYN_VERIFIED`). The note
names the file by device, inode, size and the times of its last changes, and by its checksum: it does not hold for a
file that was changed or exchanged. Without such a folder each job verifies what it maps.
"""

import contextlib
import mmap
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import zarr
from zarr.abc.buffer import Buffer
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from latentdyn.errors import UserError
from latentdyn.files import file_sha256

_KEPT = 2  # files: a block of rows may end in one shard and begin in the one before
_NOTES = "LATENTDYN_VERIFIED"  # of a job's environment: the folder of notes
_SETTLED_S = 2.0  # a file that changes again sooner may keep its times: file systems round them


def crc32c(content: np.ndarray) -> int:
    """CRC-32C (Castagnoli; RFC 3720, appendix B.4) of bytes."""
    return int(google_crc32c.value(content))


def file_facts(path: Path) -> dict[str, Any]:
    """What a handle says of a file: its size, and two checksums. One is fast, the other one cannot be met by chance."""
    content = np.fromfile(path, np.uint8)
    return {"bytes": len(content), "crc32c": crc32c(content), "sha256": file_sha256(path)}


def _note(status: os.stat_result, facts: Mapping[str, Any]) -> Path | None:
    """Where it is noted that a file in this state has this checksum; None if no note would hold."""
    folder = os.environ.get(_NOTES)
    if not folder or time.time() - max(status.st_mtime, status.st_ctime) < _SETTLED_S:
        return None
    state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return Path(folder, "-".join(f"{number:x}" for number in (*state, facts["bytes"], facts["crc32c"])))


def _leave(note: Path) -> None:
    """Leave a note, unless the run has ended or its disk is full: then others verify the file for themselves."""
    with contextlib.suppress(OSError):
        note.touch()


class VerifiedFiles(MutableMapping[str, Buffer]):
    """Contents of files by name. Setting and deleting are refused; zarr's interface wants them to be there."""

    def __init__(self, folder: Path, files: Mapping[str, Mapping[str, Any]], fix: str) -> None:
        """
        Args:
            files: facts of each file, by its path within the folder. fix: what to do if one is damaged.
        """
        self.folder, self._files, self._fix = Path(folder), files, fix
        self._latest: dict[str, Buffer] = {}

    def own(self) -> "VerifiedFiles":
        """The same files once more, for another thread or process."""
        return VerifiedFiles(self.folder, self._files, self._fix)

    @cached_property
    def group(self) -> zarr.Group:
        """The zarr group of the folder, read only.

        Raises:
            UserError: when a file is read, here or later: it is missing, or not as it was written.
        """
        return zarr.open_group(MemoryStore(self, read_only=True), mode="r")

    def __getitem__(self, name: str) -> Buffer:
        """The content of a file.

        Raises:
            KeyError: the handle lists no such file. UserError: it is missing, or not as it was written.
        """
        kept = self._latest.get(name)
        return self._keep(name, self._read(name, self._files[name])) if kept is None else kept

    def ahead(self, names: Iterable[str]) -> Iterator[str]:
        """These names in turn, each when its file has been read; the next one is read while the caller works.

        A name that the handle does not list is handed on, as zarr may ask for a chunk that holds nothing.
        """
        with ThreadPoolExecutor(1) as reader:
            coming: deque[tuple[str, Future[np.ndarray] | None]] = deque()
            for name in [*names, None]:
                if name is not None:
                    facts = self._files.get(name)
                    coming.append((name, None if facts is None else reader.submit(self._read, name, facts)))
                if len(coming) == (1 if name is None else 2):
                    ready, content = coming.popleft()
                    if content is not None:
                        self._keep(ready, content.result())
                    yield ready

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[tuple[int, np.ndarray | None]]:
        """An open file and its content, verified, which is not copied; (-1, None) if the handle lists no such file.

        A file that a job of this run has verified, and that has not changed since, is not read again for it.

        Raises:
            UserError: it is missing, or not as it was written.
        """
        if name not in self._files:
            yield -1, None
            return
        path = self.folder / name
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise self._unreadable(path, error) from None
        try:
            facts, status = self._files[name], os.fstat(file)  # before it is read: what changes later is not noted
            content = np.empty(0, np.uint8)
            if status.st_size:  # an empty file cannot be mapped
                content = np.frombuffer(mmap.mmap(file, 0, prot=mmap.PROT_READ), np.uint8)
            note = _note(status, facts)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
            if note is None or not note.exists():
                self._check(path, content, facts)
                if note is not None:
                    _leave(note)
            yield file, content
        finally:
            os.close(file)

    def _keep(self, name: str, content: np.ndarray) -> Buffer:
        while len(self._latest) >= _KEPT:
            del self._latest[next(iter(self._latest))]
        self._latest[name] = default_buffer_prototype().buffer.from_array_like(content)
        return self._latest[name]

    def _read(self, name: str, facts: Mapping[str, Any]) -> np.ndarray:
        path = self.folder / name
        try:
            content = np.fromfile(path, np.uint8)
        except OSError as error:
            raise self._unreadable(path, error) from None
        self._check(path, content, facts)
        return content

    def _unreadable(self, path: Path, error: OSError) -> UserError:
        return UserError(f"a file of this store cannot be read ({error.strerror})", path, self._fix)

    def _check(self, path: Path, content: np.ndarray, facts: Mapping[str, Any]) -> None:
        if len(content) != facts["bytes"] or crc32c(content) != facts["crc32c"]:
            raise UserError(
                "this file of a store is not the one that the store's handle describes: it was damaged, edited or "
                "exchanged since it was written",
                path,
                self._fix,
            )

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __setitem__(self, name: str, value: Buffer) -> None:
        raise TypeError("a verified store is read only")

    def __delitem__(self, name: str) -> None:
        raise TypeError("a verified store is read only")
