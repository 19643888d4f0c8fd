"""From recordings to latents and the level of the audio under each frame. Memory does not grow with a clip's length."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from latentdyn.codecs.base import Codec
from latentdyn.corpus.audio import audio_blocks
from latentdyn.corpus.unchanged import check_unchanged
from latentdyn.errors import UserError
from latentdyn.progress import progress
from latentdyn.stores.spool import Spool

_FLOOR_DB = -120.0


def encode_recordings(part: pd.DataFrame, audio: Path, codec: Codec, spool: Spool) -> None:
    """Encode the utterances of `part` (utterance_id, path, sha256, ...) that the spool does not hold yet.

    Raises:
        UserError: a recording is missing, is another than the manifest lists, or cannot be read to its end; what is
            finished stays in the spool.
    """
    durations = part["n_samples"] / part["sample_rate_hz"]
    with progress(total=float(durations.sum()), unit="s", unit_scale=True, desc="audio") as bar:
        for row, duration in zip(part.itertuples(index=False), durations, strict=True):
            if row.utterance_id not in spool.done:
                path = audio / str(row.path)
                check_unchanged(path, str(row.sha256))
                pieces = encode_stream(codec, audio_blocks(path, codec.sample_rate_hz))
                spool.append(str(row.utterance_id), _whole(pieces, duration * codec.frame_rate_hz, path))
            bar.update(float(duration))


def _whole(
    pieces: Iterator[tuple[np.ndarray, np.ndarray]], expected: float, path: Path
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pieces as they are, refused at their end if they are not as many frames as the manifest says."""
    n = 0
    for latents, energy_db in pieces:
        n += len(latents)
        yield latents, energy_db
    if abs(n - expected) > 2:
        raise UserError(
            f"this recording gave {n} frames where its length in the manifest makes {expected:.0f}",
            path,
            "it changed since the manifest was built: rerun Snakemake from rule build_manifest",
        )


def encode_stream(codec: Codec, blocks: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Encode one utterance piece by piece.

    Args:
        blocks: mono audio at the codec's rate, float32.

    Yields:
        (latents (T_i, D), energy_db (T_i,)): the level is the mean power of the frame's own hop of audio, dB re full
        scale, not below -120; a last, incomplete hop is averaged over what there is.
    """
    meter = _LevelMeter(codec.hop_samples)
    for latents in codec.stream(meter.listen(blocks)):
        yield latents, meter.take(len(latents))


class _LevelMeter:
    """Measures the level of a stream of audio that passes through."""

    def __init__(self, hop_samples: int) -> None:
        self._hop = hop_samples
        self._rest = np.empty(0, np.float32)
        self._levels: list[np.ndarray] = []

    def listen(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        for block in blocks:
            joined = np.concatenate([self._rest, block])
            whole = len(joined) - len(joined) % self._hop
            self._rest = joined[whole:]
            power = np.square(joined[:whole].reshape(-1, self._hop), dtype=np.float64).mean(axis=1)
            self._levels.append(_decibels(power))
            yield block
        if len(self._rest):
            self._levels.append(_decibels(np.square(self._rest, dtype=np.float64).mean(keepdims=True)))

    def take(self, n: int) -> np.ndarray:
        """The next n levels; a codec never yields a frame before it has heard its hop."""
        levels = np.concatenate(self._levels) if self._levels else np.empty(0, np.float32)
        self._levels = [levels[n:]]
        if len(levels) < n:
            raise ValueError(f"the codec yielded {n} frames after {len(levels)} hops of audio")
        return levels[:n]


def _decibels(power: np.ndarray) -> np.ndarray:
    levels: np.ndarray = 10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DB / 10)))
    return levels.astype(np.float32)
