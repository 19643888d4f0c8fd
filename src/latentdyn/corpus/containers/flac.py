"""FLAC (RFC 9639): the length is in its first block, and may be left out or wrong.

libFLAC stops at the stated length. With the length hidden, it decodes to the end of the stream, and what it finds is
compared with what was stated.
"""

from typing import BinaryIO

from latentdyn.corpus.containers.sound import Sound, UnreadableError, bytes_at
from latentdyn.corpus.containers.tags import without_tags

_LENGTH_AT = 18  # of the 8 bytes whose last 36 bits count the samples, from the marker "fLaC"


def read_flac(file: BinaryIO, head: bytes, size: int) -> Sound | None:
    """The sound of a FLAC file; None for another file. Raises UnreadableError if it cannot be read."""
    inner = without_tags(file, size)
    head = bytes_at(file, inner.start, 26)
    if head[:4] != b"fLaC":
        return None
    if len(head) < 26 or head[4] & 0x7F or inner.stop < inner.start + 42:
        raise UnreadableError("its header breaks off")
    field = int.from_bytes(head[_LENGTH_AT:], "big")
    n_samples = field & ((1 << 36) - 1)
    hidden = (field >> 36 << 36).to_bytes(8, "big")
    at = inner.start + _LENGTH_AT
    return Sound((range(inner.start, at), hidden, range(at + 8, inner.stop)), n_samples or None, None)
