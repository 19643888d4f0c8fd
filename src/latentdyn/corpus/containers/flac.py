"""FLAC (RFC 9639): the length is in its first block, and may be left out or wrong.

libFLAC stops at the stated length. With the length hidden, it decodes to the end of the stream, and what it finds is
compared with what was stated. Frames carry checksums, the first block does not: its sample rate is compared with that
of the first frame.
"""

from typing import BinaryIO

from latentdyn.corpus.containers.sound import Sound, UnreadableError, bytes_at
from latentdyn.corpus.containers.tags import without_tags

_LENGTH_AT = 18  # of the 8 bytes whose first 20 bits are the rate and whose last 36 count the samples, from "fLaC" on
_RATES_HZ = (88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)  # codes 1 to 11


def read_flac(file: BinaryIO, head: bytes, size: int) -> Sound | None:
    """The sound of a FLAC file; None for another file. Raises UnreadableError if it cannot be read."""
    inner = without_tags(file, size)
    head = bytes_at(file, inner.start, 26)
    if head[:4] != b"fLaC":
        return None
    if len(head) < 26 or head[4] & 0x7F or inner.stop < inner.start + 42:
        raise UnreadableError("its header breaks off")
    field = int.from_bytes(head[_LENGTH_AT:], "big")
    rate, in_frame = field >> 44, _first_frames_rate(file, inner.start + 4)
    if in_frame not in (None, rate):
        raise UnreadableError(f"its header contradicts itself: a sample rate of {rate} Hz, of {in_frame} Hz in a frame")
    n_samples = field & ((1 << 36) - 1)
    hidden = (field >> 36 << 36).to_bytes(8, "big")
    at = inner.start + _LENGTH_AT
    return Sound((range(inner.start, at), hidden, range(at + 8, inner.stop)), n_samples or None, None)


def _first_frames_rate(file: BinaryIO, at: int) -> int | None:
    """The sample rate that the first frame states; None where it states none. `at`: of the first block."""
    is_last = False
    while not is_last:
        block = bytes_at(file, at, 4)
        if len(block) < 4:
            return None
        is_last = bool(block[0] & 0x80)
        at += 4 + int.from_bytes(block[1:], "big")
    frame = bytes_at(file, at, 16)
    if len(frame) < 16:
        return None
    block_code, rate_code = frame[2] >> 4, frame[2] & 15
    number_bytes = max(1, 8 - (~frame[4] & 0xFF).bit_length())  # coded like a letter in UTF-8
    end = 4 + number_bytes + {6: 1, 7: 2}.get(block_code, 0)
    if 1 <= rate_code <= 11:
        return _RATES_HZ[rate_code - 1]
    n_bytes, unit_hz = {12: (1, 1000), 13: (2, 1), 14: (2, 10)}.get(rate_code, (0, 0))
    return int.from_bytes(frame[end : end + n_bytes], "big") * unit_hz or None
