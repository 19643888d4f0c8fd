"""Containers made of chunks: WAV (RIFF, RIFX, RF64, Wave64) and AIFF, AIFF-C.

Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", 1991; EBU Tech 3306 (RF64); Sony,
"Wave64"; Apple, "AIFF-C", 1991. A program that writes WAV into a pipe cannot go back to fill in the length; what is
usually written in its place stands for "to the end of the file".
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from latentdyn.corpus.containers.sound import (
    FLOATING,
    SIGNED,
    Samples,
    Sound,
    UnreadableError,
    bytes_at,
    check_extent,
    holds_more,
    uncompressed,
)


class _Form(NamedTuple):
    """How chunks are written."""

    first: int = 12  # where the first one begins
    order: str = "<"
    size: str = "I"  # struct's letter
    name_bytes: int = 4
    counts_itself: bool = False  # the size counts the chunk's header too
    multiple: int = 2  # chunks are padded to it

    @property
    def header_bytes(self) -> int:
        return self.name_bytes + struct.calcsize(self.size)


class _Chunk(NamedTuple):
    name: bytes
    start: int  # of its content
    n_bytes: int  # of its content, as its header says; less than 0 where that is nonsense

    @property
    def stop(self) -> int:
        return self.start + self.n_bytes


_WAVE64 = _Form(40, "<", "Q", name_bytes=16, counts_itself=True, multiple=8)
_WAVE64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_WAVE64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of the names of other chunks
_FILES = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"riff", b"data", b"SSND")  # what cannot follow the sound
_EXTENSIBLE = 0xFFFE
_DECODED = {0x02, 0x11, 0x31}  # MS ADPCM, IMA ADPCM, GSM 6.10: libsndfile takes these files as they are
_AIFF_LITTLE = (b"sowt", b"42n1", b"23ni")
_AIFF_SUBTYPES = {
    b"in24": "PCM_24", b"42n1": "PCM_24", b"in32": "PCM_32", b"23ni": "PCM_32",
    b"fl32": "FLOAT", b"FL32": "FLOAT", b"fl64": "DOUBLE", b"FL64": "DOUBLE",
    b"ulaw": "ULAW", b"ULAW": "ULAW", b"alaw": "ALAW", b"ALAW": "ALAW", b"raw ": "PCM_U8",
}  # fmt: skip


def read_wave(file: BinaryIO, head: bytes, size: int) -> Sound | None:
    """The sound of a WAV file; None for another file.

    Raises:
        UnreadableError: it is one, and cannot be read.
    """
    if head[:16] == _WAVE64_RIFF and head[24:40] == b"wave" + _WAVE64_TAIL:
        stated = int.from_bytes(head[16:24], "little")  # the size of the whole file
        if not _is_placeholder(stated):
            check_extent(stated, size)
        return _wave(file, size, _WAVE64)
    if head[8:12] == b"WAVE" and head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return _wave(file, size, _Form(order=">" if head[:4] == b"RIFX" else "<"))
    return None


def read_aiff(file: BinaryIO, head: bytes, size: int) -> Sound | None:
    """The sound of an AIFF or AIFF-C file; None for another file. Raises as `read_wave` does."""
    if head[:4] != b"FORM" or head[8:12] not in (b"AIFF", b"AIFC"):
        return None
    form = _Form(order=">")
    found: dict[bytes, _Chunk] = {}
    for chunk in _chunks(file, size, form):
        if found.setdefault(chunk.name, chunk) is not chunk and chunk.name in (b"COMM", b"SSND"):
            raise UnreadableError(holds_more(f"a second chunk {chunk.name.decode()}"))
    if b"COMM" not in found or b"SSND" not in found:
        raise UnreadableError("it lacks the chunk that describes its samples, or that with the samples")
    sound, common = found[b"SSND"], found[b"COMM"]
    if problem := _problem_after(file, size, form, sound):
        raise UnreadableError(problem)
    channels, n_samples, bits, exponent, mantissa = struct.unpack(">hIhHQ", _content(file, common, 18))
    kind = _content(file, common, 22)[18:] if head[8:12] == b"AIFC" else b"NONE"
    subtype = SIGNED.get(-(-bits // 8)) if kind in (b"NONE", b"twos", b"sowt") else _AIFF_SUBTYPES.get(kind)
    if subtype is None:
        raise UnreadableError(f"its samples are of a kind that is not read here ({kind!r}, {bits} bits)")
    rate = mantissa >> max(0, 16383 + 63 - exponent) if exponent < 16383 + 63 else 0  # an 80-bit float
    samples = Samples(rate, channels, subtype, big_endian=kind not in _AIFF_LITTLE)
    skipped = struct.unpack(">I", _content(file, sound, 4))[0]
    stated, present = n_samples * samples.n_bytes, sound.n_bytes - 8 - skipped
    if present != stated + stated % 2:  # some programs count the padding
        check_extent(stated, present)
    return uncompressed(sound.start + 8 + skipped, stated, samples)


def _wave(file: BinaryIO, size: int, form: _Form) -> Sound:
    found: dict[bytes, _Chunk] = {}
    for chunk in _chunks(file, size, form):
        if found.setdefault(chunk.name, chunk) is not chunk and chunk.name == b"fmt ":
            raise UnreadableError("it describes its samples twice")
        if chunk.name == b"data":
            break
    if b"fmt " not in found or b"data" not in found:
        raise UnreadableError("it lacks the chunk that describes its samples, or that with the samples")
    data = found[b"data"]
    if b"ds64" in found and data.n_bytes == 0xFFFFFFFF:
        data = data._replace(n_bytes=struct.unpack("<8xQ", _content(file, found[b"ds64"], 16))[0])
    samples = _wave_samples(file, found[b"fmt "], form.order)
    if problem := _problem_after(file, size, form, data):
        if samples is None or not _is_placeholder(data.n_bytes):
            raise UnreadableError(problem)
        data = data._replace(n_bytes=size - data.start)
    return uncompressed(data.start, data.n_bytes, samples) if samples else Sound((range(size),), None, None)


def _wave_samples(file: BinaryIO, chunk: _Chunk, order: str) -> Samples | None:
    """How the samples are stored; None for compressed ones."""
    layout = struct.unpack(order + "HHIIHH", _content(file, chunk, 16))
    tag, channels, rate, bytes_per_s, block, bits = layout
    if tag == _EXTENSIBLE:
        tag = struct.unpack(order + "H", _content(file, chunk, 26)[24:])[0]
    if tag in _DECODED:
        return None
    width = -(-bits // 8)
    if tag == 1:
        subtype = "PCM_U8" if width == 1 else SIGNED.get(width)
    else:
        subtype = FLOATING.get(width) if tag == 3 else {(6, 1): "ALAW", (7, 1): "ULAW"}.get((tag, width))
    if subtype is None:
        raise UnreadableError(f"its samples are of a kind that is not read here (format {tag}, {bits} bits)")
    if block != channels * width or bytes_per_s != rate * block:
        raise UnreadableError(
            f"its header contradicts itself: {channels} channels of {bits} bits at {rate} Hz cannot be {block} bytes "
            f"a sample and {bytes_per_s} bytes a second"
        )
    return Samples(rate, channels, subtype, big_endian=order == ">")


def _is_placeholder(n_bytes: int) -> bool:
    """Whether a length is what programs write that do not know it: 0, or near the ends of 31 and 32 bits."""
    return n_bytes == 0 or 0x7FFFF000 <= n_bytes <= 0x80000000 or n_bytes >= 0xFFFFF000


def _chunks(file: BinaryIO, size: int, form: _Form, at: int | None = None) -> Iterator[_Chunk]:
    """Chunks one after another, from `at` (default: from the first); the last may promise more than the file has."""
    at = form.first if at is None else at
    while at + form.header_bytes <= size:
        header = bytes_at(file, at, form.header_bytes)
        n_bytes = struct.unpack(form.order + form.size, header[form.name_bytes :])[0]
        if form.counts_itself:
            n_bytes -= form.header_bytes
        name = header[: form.name_bytes]
        name = name[:4] if name[4:] in (b"", _WAVE64_TAIL) else name
        chunk = _Chunk(name, at + form.header_bytes, n_bytes)
        yield chunk
        if n_bytes < 0:
            return
        at = chunk.stop + -chunk.n_bytes % form.multiple


def _problem_after(file: BinaryIO, size: int, form: _Form, sound: _Chunk) -> str | None:
    """Why the file is not this chunk of sound and other chunks after it; None where it is."""
    if not 0 <= sound.n_bytes <= size - sound.start:
        return f"its header promises {sound.stop - size} bytes more than the file has"
    padding = bytes_at(file, sound.stop, -sound.n_bytes % form.multiple)
    ends = [sound.stop] if padding.strip(b"\0") else [sound.stop + len(padding), sound.stop]  # some do not pad
    if any(_only_chunks(file, size, form, end) for end in ends):
        return None
    return holds_more(f"{size - sound.stop} bytes follow its {sound.n_bytes} bytes of sound")


def _only_chunks(file: BinaryIO, size: int, form: _Form, at: int) -> bool:
    """Whether chunks other than sound, or nothing, fill the rest of the file."""
    stop = at
    for chunk in _chunks(file, size, form, at):
        if not chunk.name.isascii() or not chunk.name.decode().isprintable() or chunk.name in _FILES:
            return False
        stop = chunk.stop
    n_after = size - stop
    return n_after == 0 or (
        stop > at and 0 < n_after < form.multiple and not bytes_at(file, stop, n_after).strip(b"\0")
    )


def _content(file: BinaryIO, chunk: _Chunk, n_bytes: int) -> bytes:
    """The first bytes of a chunk."""
    content = bytes_at(file, chunk.start, min(n_bytes, max(0, chunk.n_bytes)))
    if len(content) < n_bytes:
        raise UnreadableError(f"its chunk {chunk.name.decode('ascii', 'replace')!r} breaks off")
    return content
