"""Ogg (RFC 3533): pages with a number and a checksum, the first and the last of a stream marked."""

import zlib
from typing import BinaryIO

from latentdyn.corpus.containers.sound import Sound, UnreadableError, bytes_at, holds_more

_FIRST, _LAST = 2, 4
_HEADER_BYTES = 27
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def read_ogg(file: BinaryIO, head: bytes, size: int) -> Sound | None:
    """The sound of an Ogg file of one stream, checked page by page; None for another file.

    Raises:
        UnreadableError: it breaks off, a page is damaged or missing, or there are several streams.
    """
    if head[:4] != b"OggS":
        return None
    at = number = 0
    ended = False
    while at < size:
        page = _page(file, at, size)
        if page[5] & _FIRST and number:
            raise UnreadableError(holds_more("another stream begins within it"))
        if ended:
            raise UnreadableError(holds_more("pages follow its last one"))
        if int.from_bytes(page[18:22], "little") != number:
            raise UnreadableError(f"its page {number} is missing")
        ended = bool(page[5] & _LAST)
        at, number = at + len(page), number + 1
    if not ended:
        raise UnreadableError("its last page is missing: it was cut, or its recording was never ended")
    return Sound((range(size),), None, None)


def _page(file: BinaryIO, at: int, size: int) -> bytes:
    header = bytes_at(file, at, _HEADER_BYTES + 255)
    if len(header) < _HEADER_BYTES or header[:4] != b"OggS":
        raise UnreadableError(f"{size - at} bytes from byte {at} on are no page of Ogg")
    n_segments = header[26]
    page = bytes_at(file, at, _HEADER_BYTES + n_segments + sum(header[27 : 27 + n_segments]))
    if len(page) < _HEADER_BYTES + n_segments + sum(header[27 : 27 + n_segments]) or len(header) < 27 + n_segments:
        raise UnreadableError("it breaks off within a page")
    if _checksum(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
        raise UnreadableError(f"its page at byte {at} is damaged")
    return page


def _checksum(data: bytes) -> int:
    """Ogg's CRC: zlib's polynomial with bits in the other order, begun and ended with 0."""
    reflected = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)
