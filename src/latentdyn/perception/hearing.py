"""By how much the sound of recordings changes at the frames of a representation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from latentdyn.corpus.audio import read_audio
from latentdyn.corpus.partition import PART_COLUMNS
from latentdyn.corpus.unchanged import check_unchanged
from latentdyn.errors import UserError
from latentdyn.parquet import read_parquet
from latentdyn.perception.contours import Heard, mel_contour, pitch_contour
from latentdyn.perception.mel import RATE_HZ
from latentdyn.perception.pool import in_processes
from latentdyn.progress import progress


@dataclass(frozen=True)
class Listener:
    """What listens to recordings; it can be sent to another process.

    sounds: of `contours.SOUNDS`. delays_ms: how long after the audio of its own hop a frame hears. pitch_hz: the lowest
    and the highest. frame_rate_hz: of the representation.
    """

    sounds: Sequence[str]
    delays_ms: Sequence[float]
    pitch_hz: tuple[float, float]
    frame_rate_hz: float

    def changes(
        self, utterances: pd.DataFrame, manifest: Path, audio: Path, processes: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Ascending rows (M,) of the store, and for each sound its changes (delays, M) at these frames.

        Args:
            utterances: as of `FrameIndex.utterance_table`. manifest: parquet of the recordings. audio: the folder that
                its paths are relative to.

        Raises:
            UserError: a recording is missing, is another than the manifest lists, or is not listed; or as of
                `pitch_contour`.
        """
        listed = read_parquet(manifest, PART_COLUMNS, made_by="build_manifest").set_index("utterance_id")
        in_order = utterances.sort_values("row")
        if len(unlisted := in_order.index.difference(listed.index)):
            raise UserError(
                f"it does not list {len(unlisted)} of the {len(in_order)} recordings; the first is {unlisted[0]}",
                manifest,
                "give the manifest of the corpus that the latents are of",
            )
        files = listed.loc[in_order.index]
        recordings = [
            _Recording(audio / str(path), str(sha256), int(n))
            for path, sha256, n in zip(files["path"], files["sha256"], in_order["n"], strict=True)
        ]
        listening = in_processes(self, recordings, processes)
        heard = list(progress(listening, total=len(recordings), desc="recordings", unit="recording"))
        rows = [row + np.arange(n) for row, n in zip(in_order["row"], in_order["n"], strict=True)]
        return np.concatenate(rows), dict(zip(self.sounds, np.concatenate(heard, axis=2), strict=True))

    def __call__(self, recording: "_Recording") -> np.ndarray:
        """Changes (sounds, delays, n) at the n frames of a recording."""
        check_unchanged(recording.path, recording.sha256)
        audio = read_audio(recording.path, RATE_HZ)
        heard = Heard(mel_contour(audio), pitch_contour(audio, *self.pitch_hz) if "pitch" in self.sounds else None)
        return np.array(
            [
                [heard.changes(sound, recording.n, self.frame_rate_hz, delay / 1000) for delay in self.delays_ms]
                for sound in self.sounds
            ]
        )


@dataclass(frozen=True)
class _Recording:
    """Where it lies, its digest, and how many frames the representation has of it."""

    path: Path
    sha256: str
    n: int
