"""Recordings as mono float32 at the rate a codec asks for, read in blocks.

Memory does not grow with the length of a recording. Every reader here goes through the same checks, so a recording
that `inspect_audio` passes is read in full by `audio_blocks`: all of its sound, whatever its container, or nothing.
Channels are averaged; integer samples are scaled to [-1, 1) by libsndfile, floating-point samples are taken as they
are.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr

from latentdyn.corpus.containers.reading import find_sound
from latentdyn.corpus.containers.sound import Samples, Sound, UnreadableError, View, check_rate, holds_more
from latentdyn.corpus.recording import Exclusion
from latentdyn.errors import UserError
from latentdyn.files import file_sha256
from latentdyn.pointers import why_no_file

_READ_FRAMES = 1 << 16
_UNKNOWN_FRAMES = 1 << 62  # libsndfile says about 2**63 of a FLAC that states no length
_HIGHEST_PEAK = 8.0  # +18 dB re full scale; int16 numbers saved as floats reach thousands


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
        path: a file of one of the containers of `containers.reading`, whatever its suffix.
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
    except UnreadableError as error:
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

    The first reason that applies is given, in this order: `missing`, `empty` (no bytes or no samples), `corrupt` (not
    audio, broken, less or more of it than its header states), `non_finite`, `above_full_scale`, `too_short`,
    `silent`.

    Args:
        min_duration_s: a shorter recording is `too_short`.
        silence_dbfs: a recording whose RMS level (dB re 1.0) is below this is `silent`.
    """
    try:
        if not os.path.isfile(path):
            return Exclusion("missing", why_no_file(path))
        if path.stat().st_size == 0:
            return Exclusion("empty", "the file has no bytes")
        n_samples, energy, peak, n_bad = 0, 0.0, 0.0, 0
        with _open(path) as file:
            sample_rate_hz, n_channels = file.samplerate, file.channels
            for block in file.blocks():
                n_samples += block.size
                n_bad += block.size - int(np.isfinite(block).sum())
                energy += float(np.square(block, dtype=np.float64).sum())
                peak = max(peak, float(np.abs(block).max()))
        sha256 = file_sha256(path)
    except UnreadableError as error:
        return Exclusion("corrupt", str(error))
    except OSError as error:
        return Exclusion("corrupt", error.strerror or str(error))
    if n_samples == 0:
        return Exclusion("empty", "the file has no samples")
    if n_bad:
        return Exclusion("non_finite", f"{n_bad} of {n_samples} samples are NaN or infinite")
    if peak > _HIGHEST_PEAK:
        return Exclusion(
            "above_full_scale",
            f"peak {peak:g} where 1 is full scale; floating-point samples that are integers must be divided "
            "(16-bit ones by 32768)",
        )
    duration_s = n_samples / sample_rate_hz
    if duration_s < min_duration_s:
        return Exclusion("too_short", f"{duration_s:.3f} s; {min_duration_s:g} s are asked for")
    rms_dbfs = 10 * math.log10(energy / n_samples) if energy else -math.inf
    if rms_dbfs < silence_dbfs:
        return Exclusion("silent", f"RMS level {rms_dbfs:.1f} dBFS; {silence_dbfs:g} dBFS are asked for")
    return AudioFacts(sample_rate_hz, n_channels, n_samples, rms_dbfs, peak, sha256)


class _Decoder(soundfile.SoundFile):  # type: ignore[misc]
    def seekable(self) -> bool:
        return False  # else SoundFile.read seeks after every block, and stops at libsndfile's estimate of the length


class _Recording:
    """An open recording, whose blocks are all of its sound."""

    def __init__(self, decoder: soundfile.SoundFile, view: View, sound: Sound) -> None:
        self.samplerate, self.channels = decoder.samplerate, decoder.channels
        self._decoder, self._view, self._keep = decoder, view, sound.keep
        self._stated = sound.n_samples
        if self._stated is None and decoder.frames < _UNKNOWN_FRAMES:
            self._stated = decoder.frames

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the channel average in non-empty blocks, (n,) float32, at the file's own rate."""
        n_samples = 0
        for block in self._decoded():
            n_samples += len(block)
            yield block[:, 0] if self.channels == 1 else block.mean(axis=1)
        if self._view.error:
            raise UnreadableError(self._view.error.strerror or str(self._view.error))
        if self._stated is not None and n_samples < self._stated:
            raise UnreadableError(f"its header promises {self._stated} samples, {n_samples} can be decoded")
        if self._stated is not None and n_samples > self._stated:
            raise UnreadableError(holds_more(f"{n_samples} samples, and it states {self._stated}"))

    def _decoded(self) -> Iterator[np.ndarray]:
        at = 0
        while len(block := self._decoder.read(_READ_FRAMES, dtype="float32", always_2d=True)):
            kept = block if self._keep is None else block[max(0, self._keep.start - at) : max(0, self._keep.stop - at)]
            at += len(block)
            if len(kept):
                yield kept


@contextlib.contextmanager
def _open(path: Path) -> Iterator[_Recording]:
    try:
        with open(path, "rb") as file:
            sound = find_sound(file)
            view = View(file, sound.pieces)
            with _Decoder(view, **_raw(sound.samples)) as decoder:
                check_rate(decoder.samplerate)
                yield _Recording(decoder, view, sound)
    except soundfile.LibsndfileError as error:
        why = error.error_string.removeprefix("Error : ").rstrip(".")
        raise UnreadableError(f"it is cut off or damaged: decoding it ends with '{why}'; copy it again") from None
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None


def _raw(samples: Samples | None) -> dict[str, Any]:
    """How libsndfile is told of uncompressed samples: it then reads no header."""
    if samples is None:
        return {}
    return {
        "format": "RAW",
        "samplerate": samples.sample_rate_hz,
        "channels": samples.n_channels,
        "subtype": samples.subtype,
        "endian": "BIG" if samples.big_endian else "LITTLE",
    }


def _resampled(file: _Recording, sample_rate_hz: int) -> Iterator[np.ndarray]:
    if file.samplerate == sample_rate_hz:
        yield from file.blocks()
        return
    stream = soxr.ResampleStream(file.samplerate, sample_rate_hz, 1, dtype="float32")
    for block in file.blocks():
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)
