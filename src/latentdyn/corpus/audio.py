"""Recordings as mono float32 at the rate a codec asks for, read in blocks.

Memory does not grow with the length of a recording. Every reader here goes through the same checks, so a
recording that `inspect_audio` passes is read in full by `audio_blocks`. Channels are averaged; integer
samples are scaled to [-1, 1) by libsndfile, floating-point samples are taken as they are.
"""

import contextlib
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from latentdyn.corpus.recording import Exclusion
from latentdyn.errors import UserError
from latentdyn.files import file_sha256

_READ_FRAMES = 1 << 16
_UNKNOWN_FRAMES = 1 << 62  # libsndfile says about 2**63 of a FLAC that was written into a pipe
_UNKNOWN_BYTES = 0xFFFFFFFF  # what writes WAV into a pipe cannot go back to fill in the length


class AudioFacts(NamedTuple):
    """What one pass over a recording measures; levels are of the channel average at the file's own rate."""

    sample_rate_hz: int
    n_channels: int
    n_samples: int  # per channel
    rms_dbfs: float  # 0 dB is a square wave of amplitude 1, so a full-scale sine is at -3.01 dB
    peak: float
    sha256: str  # of the file's bytes


def audio_blocks(path: Path, sample_rate_hz: int, block_samples: int = 1 << 16) -> Iterator[np.ndarray]:
    """Yield a recording as consecutive mono blocks.

    Args:
        path: any file that libsndfile decodes.
        sample_rate_hz: rate to resample to (soxr, high quality), unless the file already has it.
        block_samples: length of every block but the last, which may be shorter; none is empty.

    Yields:
        (block_samples,) float32. Joined, they equal `soxr.resample` of the whole recording bit for bit,
        and `resampled_length` samples long.

    Raises:
        UserError: the file is missing, or cannot be decoded to its end.
    """
    pending = np.empty(0, np.float32)
    try:
        with _open(path) as file:
            for block in _resampled(file, sample_rate_hz):
                pending = np.concatenate([pending, block]) if pending.size else block
                whole = pending.size - pending.size % block_samples
                for start in range(0, whole, block_samples):
                    yield pending[start : start + block_samples]
                pending = pending[whole:]
    except _UndecodableError as error:
        raise UserError(
            f"this recording cannot be decoded ({error})",
            path,
            "restore the file, or remove it; the next run builds the manifest without it",
        ) from None
    if pending.size:
        yield pending


def read_audio(path: Path, sample_rate_hz: int) -> np.ndarray:
    """A whole recording, (n_samples,) float32: the blocks of `audio_blocks` joined. Raises as it does."""
    return np.concatenate([np.empty(0, np.float32), *audio_blocks(path, sample_rate_hz)])


def resampled_length(n_samples: int, source_rate_hz: int, target_rate_hz: int) -> int:
    """Samples after resampling: n x target / source, rounded to nearest (halves up), which is soxr's rule."""
    return (2 * n_samples * target_rate_hz + source_rate_hz) // (2 * source_rate_hz)


def inspect_audio(path: Path, *, min_duration_s: float, silence_dbfs: float) -> AudioFacts | Exclusion:
    """Decode a recording once, to its end, and say what it is or why it must be set aside.

    The first reason that applies is given, in this order: `empty` (no bytes or no samples), `corrupt` (not
    audio, broken, or less of it than its header promises), `non_finite`, `too_short`, `silent`. Ogg files
    promise no length, so one that is cut between two pages passes.

    Args:
        min_duration_s: a shorter recording is `too_short`.
        silence_dbfs: a recording whose RMS level (dB re 1.0) is below this is `silent`.
    """
    try:
        if path.stat().st_size == 0:
            return Exclusion("empty", "the file has no bytes")
        n_samples, energy, peak, n_bad = 0, 0.0, 0.0, 0
        with _open(path) as file:
            sample_rate_hz, n_channels = file.samplerate, file.channels
            for block in _mono_blocks(file):
                n_samples += block.size
                n_bad += block.size - int(np.isfinite(block).sum())
                energy += float(np.square(block, dtype=np.float64).sum())
                peak = max(peak, float(np.abs(block).max()))
        sha256 = file_sha256(path)
    except _UndecodableError as error:
        return Exclusion("corrupt", str(error))
    except OSError as error:
        return Exclusion("corrupt", error.strerror or str(error))
    if n_samples == 0:
        return Exclusion("empty", "the file has no samples")
    if n_bad:
        return Exclusion("non_finite", f"{n_bad} of {n_samples} samples are NaN or infinite")
    duration_s = n_samples / sample_rate_hz
    if duration_s < min_duration_s:
        return Exclusion("too_short", f"{duration_s:.3f} s; {min_duration_s:g} s are asked for")
    rms_dbfs = 10 * math.log10(energy / n_samples) if energy else -math.inf
    if rms_dbfs < silence_dbfs:
        return Exclusion("silent", f"RMS level {rms_dbfs:.1f} dBFS; {silence_dbfs:g} dBFS are asked for")
    return AudioFacts(sample_rate_hz, n_channels, n_samples, rms_dbfs, peak, sha256)


class _UndecodableError(Exception):
    """The file is not audio, or breaks off."""


@contextlib.contextmanager
def _open(path: Path) -> Iterator[soundfile.SoundFile]:
    try:
        with open(path, "rb") as raw:  # libsndfile reports a missing file and a broken one alike
            missing_bytes = _missing_wav_bytes(raw.read(1 << 16), path.stat().st_size)
        if missing_bytes:
            raise _UndecodableError(f"its header promises {missing_bytes} bytes more than the file has")
        with soundfile.SoundFile(path) as file:
            if file.frames >= _UNKNOWN_FRAMES:
                raise _UndecodableError("its header states no length; write it again with flac or sox")
            yield file
    except soundfile.LibsndfileError as error:
        raise _UndecodableError(error.error_string.rstrip(".")) from None
    except OSError as error:
        raise _UndecodableError(error.strerror or str(error)) from None


def _missing_wav_bytes(head: bytes, file_bytes: int) -> int:
    """Bytes of samples that a RIFF header promises beyond the end of the file: libsndfile just reads fewer.

    A header whose chunks before the samples exceed `head` is not judged.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return 0
    offset = 12
    while offset + 8 <= len(head):
        name, n_bytes = struct.unpack_from("<4sI", head, offset)
        offset += 8
        if name == b"data":
            return 0 if n_bytes == _UNKNOWN_BYTES else max(0, offset + n_bytes - file_bytes)
        offset += n_bytes + n_bytes % 2  # chunks are padded to an even length
    return 0


def _mono_blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Yield the channel average in non-empty blocks, (n,) float32, at the file's own rate."""
    n_read = 0
    while len(block := file.read(_READ_FRAMES, dtype="float32", always_2d=True)):
        n_read += len(block)
        yield block[:, 0] if file.channels == 1 else block.mean(axis=1)
    if n_read < file.frames:
        raise _UndecodableError(f"its header promises {file.frames} samples, {n_read} can be decoded")


def _resampled(file: soundfile.SoundFile, sample_rate_hz: int) -> Iterator[np.ndarray]:
    if file.samplerate == sample_rate_hz:
        yield from _mono_blocks(file)
        return
    stream = soxr.ResampleStream(file.samplerate, sample_rate_hz, 1, dtype="float32")
    for block in _mono_blocks(file):
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)
