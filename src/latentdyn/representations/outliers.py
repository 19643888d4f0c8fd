"""A representation with a few frames blown up: what a mean makes of outliers and a median does not (seed 000 §3.3)."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from latentdyn.errors import UserError
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator
from latentdyn.stores.latents import LatentsStore, LatentsWriter

log = logging.getLogger(__name__)


def outlier_frames(utterance_id: str, n_frames: int, share: float) -> np.ndarray:
    """Frame numbers of an utterance's outliers, ascending: each frame is one with probability `share`, by name."""
    return np.flatnonzero(numpy_generator("outliers", utterance_id).random(n_frames) < share)


def outlier_store(
    source: LatentsStore,
    handle: Path,
    share: float,
    factor: float,
    dtype: str,
    splits: Mapping[str, str],
    affected: Sequence[str],
) -> None:
    """Write a store whose frames are those of `source`, a random share of them multiplied by `factor`.

    The handle says how many (`outlier_frames`). Levels stay: the audio is what it was.

    Args:
        share: of the frames of the affected splits, in expectation.
        splits: split of each speaker. affected: the splits whose speakers get outliers.

    Raises:
        UserError: a speaker has no split, no frame was hit, or the product overflows `dtype`.
    """
    table = source.utterances
    unknown = sorted(set(table.speaker_id) - set(splits))
    if unknown:
        raise UserError(
            f"{len(unknown)} speakers of the latents have no split (the first is {unknown[0]})",
            source.path,
            "rerun rule split_speakers for this corpus",
        )
    inside = table[table.speaker_id.map(splits).isin(affected)]
    hits = {u.utterance_id: outlier_frames(u.utterance_id, u.n_frames, share) for u in inside.itertuples()}
    n_hits = sum(map(len, hits.values()))
    if not n_hits:
        raise UserError(
            f"not one of {inside.n_frames.sum()} frames was hit at a share of {share:g}, so this would be a plain copy",
            f"share and splits of the outliers ({', '.join(affected)})",
            "raise the share, or use a larger corpus",
        )
    log.info("%d of %d frames are multiplied by %g", n_hits, inside.n_frames.sum(), factor)
    facts = {"kind": source.handle["kind"], "causal": source.handle["causal"], "outlier_frames": n_hits}
    writer = LatentsWriter(handle, source.dim, source.frame_rate_hz, dtype, **facts)
    for row, latents, energy_db in progress(source.iterate(), total=len(table), unit="utterance"):
        hit = hits.get(row.utterance_id, np.empty(0, int))
        latents = latents.copy()
        latents[hit] = _scaled(latents[hit], factor, dtype, row.utterance_id)
        writer.append(row.utterance_id, row.speaker_id, latents, energy_db)
    writer.close()


def _scaled(frames: np.ndarray, factor: float, dtype: str, utterance_id: str) -> np.ndarray:
    scaled = frames.astype(np.float64) * factor
    largest = np.abs(scaled[np.isfinite(frames)]).max(initial=0)
    if largest > np.finfo(dtype).max:
        raise UserError(
            f"an outlier of utterance {utterance_id} overflows {dtype}: {largest:g}",
            "factor and dtype of the outliers",
            "use float32, or a smaller factor",
        )
    return scaled
