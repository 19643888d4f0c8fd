"""What every reader of a container answers, and a file as libsndfile is to see it.

libsndfile believes a header, or guesses where the header says nothing, and tells neither. So each container is read
here first: how many samples it states, and whether its bytes are just these. Then libsndfile decodes the pieces that
hold sound.
"""

import io
from typing import Any, BinaryIO, NamedTuple

WRITE_AGAIN = "write it again, for example with `ffmpeg -i FILE NEW.flac`"

WIDTHS = dict.fromkeys(("PCM_S8", "PCM_U8", "ULAW", "ALAW"), 1) | {
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "FLOAT": 4,
    "DOUBLE": 8,
}
SIGNED = {1: "PCM_S8", 2: "PCM_16", 3: "PCM_24", 4: "PCM_32"}  # by the bytes of a sample
FLOATING = {4: "FLOAT", 8: "DOUBLE"}

Pieces = tuple[bytes | range, ...]


class UnreadableError(Exception):
    """The file is not audio, breaks off, contradicts itself, or holds more than it says."""


class Samples(NamedTuple):
    """How uncompressed samples are stored."""

    sample_rate_hz: int
    n_channels: int
    subtype: str  # libsndfile's word, one of WIDTHS
    big_endian: bool

    @property
    def n_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.n_channels * WIDTHS[self.subtype]


class Sound(NamedTuple):
    """The sound of a file."""

    pieces: Pieces  # what libsndfile reads: ranges of the file's bytes, and bytes put between them
    n_samples: int | None  # per channel, as the container states; None: decoding tells
    samples: Samples | None  # of uncompressed samples; None: the pieces say by their own header
    keep: range | None = None  # which of the decoded samples are the sound; None: all


def uncompressed(start: int, n_bytes: int, samples: Samples) -> Sound:
    """The sound of `n_bytes` of samples from `start`; an incomplete last sample is no sound.

    Raises:
        UnreadableError: there are no channels, or the rate is none.
    """
    check_rate(samples.sample_rate_hz)
    if samples.n_channels < 1:
        raise UnreadableError(f"its header states {samples.n_channels} channels")
    n_samples = n_bytes // samples.n_bytes
    return Sound((range(start, start + n_samples * samples.n_bytes),), n_samples, samples)


def check_rate(sample_rate_hz: int) -> None:
    """Refuse a sample rate that only a damaged header states.

    Raises:
        UnreadableError: it is not between 1 kHz and 1 MHz.
    """
    if not 1000 <= sample_rate_hz <= 1_000_000:
        raise UnreadableError(f"its header states a sample rate of {sample_rate_hz} Hz")


def check_extent(stated: int, present: int) -> None:
    """Compare the bytes of sound that a header states with those that there are.

    Raises:
        UnreadableError: they are not as many.
    """
    if stated > present:
        raise UnreadableError(f"its header promises {stated - present} bytes more than the file has")
    if stated < present:
        raise UnreadableError(holds_more(f"{present - stated} bytes follow its {stated} bytes of sound"))


def holds_more(what: str) -> str:
    return f"it holds more than its header says: {what}; {WRITE_AGAIN}"


def bytes_at(file: BinaryIO, offset: int, n_bytes: int) -> bytes:
    """Bytes from `offset`, fewer at the end of the file."""
    file.seek(offset)
    return file.read(n_bytes)


class View(io.RawIOBase):
    """Pieces of a file as one file. A failing disk looks like the end of the file, and `error` keeps what it said."""

    def __init__(self, file: BinaryIO, pieces: Pieces) -> None:
        self.error: OSError | None = None
        self._file, self._pieces, self._at = file, pieces, 0
        self._size = sum(len(piece) for piece in pieces)

    def readinto(self, buffer: Any) -> int:
        n, start = 0, 0
        try:
            for piece in self._pieces:
                part = piece[max(0, self._at - start) :][: len(buffer) - n] if self._at < start + len(piece) else b""
                content = part if isinstance(part, bytes) else bytes_at(self._file, part.start, len(part))
                buffer[n : n + len(content)] = content
                n, start, self._at = n + len(content), start + len(piece), self._at + len(content)
        except OSError as error:  # raised inside libsndfile's call, it would be printed and lost
            self.error = error
        return n

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at
