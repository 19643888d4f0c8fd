"""A whole array of a store as one array in memory whose rows are the store's files: nothing is copied.

The shards of an uncompressed float32 array hold its rows one after another, with zarr's index of them at the end
(zarr v3, codec `sharding_indexed`). A whole shard is a multiple of a page long. So all shards can be mapped, one behind
the other, into one range of addresses. The system reads a page when it is first touched, shares it among all processes,
and takes its memory back where others need it: a store may be larger than the memory. Each file is verified beforehand,
as it is everywhere.
"""

import ctypes
import mmap
import os
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.codecs import BytesCodec, ShardingCodec

from latentdyn.errors import UserError
from latentdyn.stores.verified import VerifiedFiles

if TYPE_CHECKING:
    from torch import Tensor

_USE = mmap.PROT_READ | mmap.PROT_WRITE  # a page that is written to becomes the process's own
_AT_THIS_ADDRESS = 0x10  # MAP_FIXED of mmap(2), which Python's own module does not name
_PRIVATE = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0x4000)
_ABSENT = 2**64 - 1  # where the index of a shard says that a chunk is not there
_MOST_MAPS = Path("/proc/sys/vm/max_map_count")
_OTHER_MAPS = 8192  # of a process: its libraries, and other memory
_FAILED = ctypes.c_void_p(-1).value


def map_rows(
    files: VerifiedFiles, array: "zarr.Array[Any]", start: int = 0, end: int | None = None
) -> np.ndarray | None:
    """Rows (n, D) of a float32 array of a store. Writing to them changes no file.

    Args:
        start, end: the first row, and the one after the last; all rows unless given. Files of other rows are not read.

    Returns:
        None where the files do not hold the rows as they are in memory: they are compressed, of another type or
        endianness, leave out chunks in the middle of a shard, or the system is not Linux.

    Raises:
        UserError: a file is not the one that the handle describes; or there are more files than a process may map.
    """
    if sys.platform != "linux" or not _holds_plain_rows(array):
        return None
    (n, dim), shard, chunk = array.shape, array.shards[0], array.chunks[0]  # type: ignore[index]
    row, begin, stop = dim * 4, start - start % shard, n if end is None else end
    if stop <= start or (shard * row) % mmap.PAGESIZE:
        return None
    _check_maps(len(range(begin, stop, shard)), files.folder)
    space = _Space((stop - begin) * row)
    rows = space.rows(stop - begin, dim)
    for first in range(begin, stop, shard):
        name = f"{array.path}/{array.metadata.encode_chunk_key((first // shard, 0))}"
        last, there = min(first + shard, stop), 0
        with files.opened(name) as (file, content):
            if content is not None:
                n_chunks = _chunks_in_order(content, shard // chunk, chunk * row)
                if n_chunks is None:
                    return None
                there = min(n_chunks * chunk, last - first)
                space.put(file, (first - begin) * row, there * row)
        rows[first + there - begin : last - begin] = array.fill_value  # of no utterance: to the end of a part's shard
    return rows[start - begin :]


@contextmanager
def read_at_random(rows: "Tensor") -> Iterator[None]:
    """Meanwhile, rows (n, D) are read here and there, as a training reads its batches. So the system is to read no more
    than the pages that are asked for: of a store larger than the memory, it would read megabytes ahead of each row."""
    if sys.platform != "linux" or not rows.is_cpu:
        yield
        return
    library = ctypes.CDLL(None)
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    begin = rows.data_ptr() - rows.data_ptr() % mmap.PAGESIZE
    size = rows.data_ptr() + rows.nbytes - begin
    library.madvise(begin, size, mmap.MADV_RANDOM)  # advice: nothing depends on whether it is taken
    try:
        yield
    finally:
        library.madvise(begin, size, mmap.MADV_NORMAL)


def _check_maps(n_files: int, folder: Path) -> None:
    """Raises a UserError if the system does not let a process map so many files."""
    try:
        limit = int(_MOST_MAPS.read_text())
    except (OSError, ValueError):  # the system does not tell
        return
    if n_files + _OTHER_MAPS > limit:
        raise UserError(
            f"these latents lie in {n_files} files, and the system lets a process map {limit} ({_MOST_MAPS})",
            folder,
            f"raise the limit: `sysctl -w vm.max_map_count={2 * n_files + _OTHER_MAPS}`, as root, on each machine that "
            "runs jobs",
        )


def _holds_plain_rows(array: "zarr.Array[Any]") -> bool:
    codecs: tuple[Any, ...] = getattr(array.metadata, "codecs", ())
    if array.dtype != np.float32 or array.shards is None or array.shards[1] != array.shape[1] or len(codecs) != 1:
        return False
    (codec,) = codecs
    if not isinstance(codec, ShardingCodec) or codec.index_location.value != "end" or len(codec.codecs) != 1:
        return False
    (inner,) = codec.codecs
    little = sys.byteorder == "little"
    return isinstance(inner, BytesCodec) and inner.endian is not None and little == (inner.endian.value == "little")


def _chunks_in_order(content: np.ndarray, most: int, chunk_bytes: int) -> int | None:
    """How many chunks a shard holds, by the index at its end: one behind the other from the start on, and none after
    them. None if that is not so."""
    index = content[max(0, len(content) - 16 * most - 4) : -4]
    if len(index) != 16 * most:
        return None
    places = np.frombuffer(index.tobytes(), "<u8").reshape(-1, 2)
    n = int((places[:, 0] != _ABSENT).sum())
    starts = np.arange(n, dtype=np.uint64) * np.uint64(chunk_bytes)
    return n if (places[:n, 0] == starts).all() and (places[:n, 1] == chunk_bytes).all() else None


class _Space:
    """A range of addresses that files are put into. It is given back with the last array in it."""

    def __init__(self, size: int) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._library.mmap.restype = ctypes.c_void_p
        self._library.mmap.argtypes = [
            ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
        ]  # fmt: skip
        self._library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self._start = self._map(None, size, _USE, _PRIVATE | mmap.MAP_ANONYMOUS, -1)
        self._bytes = (ctypes.c_char * size).from_address(self._start)
        weakref.finalize(self._bytes, self._library.munmap, self._start, size)

    def put(self, file: int, at: int, size: int) -> None:
        """The first `size` bytes of an open file, from a place on that begins a page."""
        if size:
            self._map(self._start + at, size, _USE, _PRIVATE | _AT_THIS_ADDRESS, file)

    def rows(self, n: int, dim: int) -> np.ndarray:
        rows: np.ndarray = np.frombuffer(memoryview(self._bytes), np.float32)
        return rows.reshape(n, dim)

    def _map(self, *arguments: Any) -> int:
        address = self._library.mmap(*arguments, 0)
        if address == _FAILED:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return int(address)
