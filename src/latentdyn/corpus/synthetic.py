"""A corpus without recordings: speakers and utterances by number, for representations drawn from a known process."""

from typing import Any

import pandas as pd

from latentdyn.parquet import table_sha256


def synthetic_manifest(
    n_speakers: int, utterances_per_speaker: int, frames_per_utterance: int, frame_rate_hz: float
) -> pd.DataFrame:
    """One row for each utterance: utterance_id, speaker_id, sex (unknown), split (not said), duration_s, n_frames."""
    rows = [
        (f"s{speaker:04d}-u{utterance:04d}", f"s{speaker:04d}", None, None, frames_per_utterance)
        for speaker in range(n_speakers)
        for utterance in range(utterances_per_speaker)
    ]
    table = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "sex", "split", "n_frames"])
    table = table.astype({"sex": "string", "split": "string"})
    return table.assign(duration_s=table.n_frames / frame_rate_hz)


def synthetic_handle(manifest: pd.DataFrame) -> dict[str, Any]:
    """The small description that later steps depend on."""
    return {
        "schema_version": 1,
        "n_utterances": len(manifest),
        "n_speakers": int(manifest.speaker_id.nunique()),
        "hours": float(manifest.duration_s.sum()) / 3600,
        "digest": table_sha256(manifest),
    }
