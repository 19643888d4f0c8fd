"""MPEG audio (MP3; ISO/IEC 11172-3, 13818-3): frames one after another, and no length but what an encoder adds.

An encoder may put its count of the frames into a first frame without sound (Xing, Info, VBRI). Without it,
libsndfile estimates the length from the first frame's bit rate, and reads no further. So the frames are counted here,
and a stream that does not state their number is read behind a silent frame of the lowest bit rate, which makes the
estimate too long; what this frame and those after the end decode to is dropped.
"""

from typing import BinaryIO, NamedTuple

from latentdyn.corpus.containers.sound import Sound, UnreadableError, bytes_at, holds_more
from latentdyn.corpus.containers.tags import without_tags

_KBPS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}  # by (MPEG-1 or 2, layer)
_RATES_HZ = (44100, 48000, 32000)
_COUNTS = tuple(bytes([flags]) for flags in range(1, 16, 2))  # flags of a table that has the number of frames
_FRAMES_AFTER = 4  # silent ones: at the lowest bit rate the estimate may come out a frame or two short
_VERSION_DIVISORS = {3: 1, 2: 2, 0: 4}  # MPEG 1, 2 and 2.5


class _Frame(NamedTuple):
    layer: int
    n_bytes: int
    n_samples: int
    side_bytes: int  # of layer III, between header and sound
    stream: tuple[int, ...]  # what all frames of a stream have in common


def read_mpeg(file: BinaryIO, head: bytes, size: int) -> Sound | None:
    """The sound of an MP3 file; None for another file.

    Raises:
        UnreadableError: it breaks off, other bytes lie between its frames, or its frames are not those it states.
    """
    inner = without_tags(file, size)
    first = _frame(bytes_at(file, inner.start, 4))
    if first is None:
        return None
    second = bytes_at(file, inner.start + first.n_bytes, 4)
    if inner.start + first.n_bytes + 4 <= inner.stop and _frame(second) is None:
        return None
    content = bytes_at(file, inner.start, max(40, first.n_bytes))
    stated, is_sound = _stated(content, first)
    n_frames = _count(file, inner, first.stream) - (not is_sound)
    if stated is None:
        sound = range(inner.start + (0 if is_sound else first.n_bytes), inner.stop)
        silence = _silent_frame(content)
        keep = range(first.n_samples, first.n_samples * (n_frames + 1))
        return Sound((silence, sound, silence * _FRAMES_AFTER), len(keep), None, keep)
    if stated > n_frames:
        raise UnreadableError(f"its header promises {stated} frames, and it has {n_frames}")
    if stated < n_frames:
        raise UnreadableError(holds_more(f"{n_frames} frames, and it states {stated}"))
    return Sound((inner,), None, None)


def _frame(header: bytes) -> _Frame | None:
    """What a frame's first four bytes say; None if they begin no frame."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    generation = 1 if version == 3 else 2
    kbps, rate_hz = _KBPS[generation, layer][bit_rate], _RATES_HZ[rate] // _VERSION_DIVISORS[version]
    mono = header[3] >> 6 == 3
    if layer == 1:
        n_bytes = (12_000 * kbps // rate_hz + padding) * 4
    else:
        n_bytes = (72_000 if layer == 3 and generation == 2 else 144_000) * kbps // rate_hz + padding
    side = (17 if mono else 32) if generation == 1 else (9 if mono else 17)
    n_samples = 384 if layer == 1 else 576 if layer == 3 and generation == 2 else 1152
    return _Frame(layer, n_bytes, n_samples, side, (version, layer, rate, mono))


def _stated(content: bytes, frame: _Frame) -> tuple[int | None, bool]:
    """The number of frames that a first frame states (None: it does not), and whether it is itself one of sound."""
    at = 4 + frame.side_bytes + (0 if content[1] & 1 else 2)  # behind a checksum
    if content[at : at + 4] in (b"Xing", b"Info"):
        n_frames = int.from_bytes(content[at + 8 : at + 12], "big")
        return (n_frames if content[at + 7 : at + 8] in _COUNTS else None), False
    return None, content[36:40] != b"VBRI"


def _count(file: BinaryIO, inner: range, stream: tuple[int, ...]) -> int:
    """Walk all frames."""
    at, n = inner.start, 0
    file.seek(at)
    while at < inner.stop:
        frame = _frame(header := file.read(4))
        if frame is None or frame.stream != stream:
            if not (header + file.read(inner.stop - at - len(header))).strip(b"\0"):
                return n  # padded to some size
            raise UnreadableError(
                holds_more("a second recording or other bytes") + f" (after {n} frames, at byte {at})"
            )
        at, n = at + frame.n_bytes, n + 1
        if at > inner.stop:
            raise UnreadableError("it breaks off within a frame")
        file.seek(at)
    return n


def _silent_frame(content: bytes) -> bytes:
    """A frame of the same stream that decodes to silence, at the lowest bit rate, without checksum and padding."""
    header = bytes([content[0], content[1] | 1, 0x10 | content[2] & 0x0C, content[3]])
    frame = _frame(header)
    assert frame is not None
    return header + bytes(frame.n_bytes - len(header))
