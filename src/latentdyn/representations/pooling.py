"""Mean-pooling in time to a lower frame rate (science: matched rates, variant (a))."""

from pathlib import Path

import numpy as np

from latentdyn.errors import UserError
from latentdyn.progress import progress
from latentdyn.stores.latents import LatentsStore, LatentsWriter


def pooling_factor(source_rate_hz: float, target_rate_hz: float) -> int:
    """How many source frames make one pooled frame.

    Raises:
        UserError: the rates' ratio is not a whole number of at least 1.
    """
    factor = round(source_rate_hz / target_rate_hz)
    if factor < 1 or abs(factor * target_rate_hz - source_rate_hz) > 1e-6 * source_rate_hz:
        raise UserError(
            f"mean-pooling from {source_rate_hz:g} Hz to {target_rate_hz:g} Hz is not by a whole number of frames",
            "frame_rate_hz of the pooled representation",
            f"choose {source_rate_hz:g} divided by a whole number",
        )
    return factor


def mean_pool(latents: np.ndarray, energy_db: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over `factor` consecutive frames; levels are averaged as powers.

    Args:
        latents: (T, D). energy_db: (T,) in dB. factor: frames a mean.

    Returns:
        (T // factor, D) float32 and (T // factor,) float32. A last, incomplete group is dropped: its mean would vary
        more than the others'.
    """
    n = len(latents) // factor
    groups = latents[: n * factor].reshape(n, factor, latents.shape[1])
    power = np.power(10.0, energy_db[: n * factor].astype(np.float64).reshape(n, factor) / 10).mean(axis=1)
    return groups.mean(axis=1, dtype=np.float64).astype(np.float32), (10 * np.log10(power)).astype(np.float32)


def pool_store(source: LatentsStore, handle: Path, frame_rate_hz: float, dtype: str) -> None:
    """Write the mean-pooled representation of a whole store.

    Raises:
        UserError: the rates do not divide.
    """
    factor = pooling_factor(source.frame_rate_hz, frame_rate_hz)
    causal = source.handle["causal"]  # a pooled frame sees no audio after its own end
    writer = LatentsWriter(handle, source.dim, frame_rate_hz, dtype, kind=source.handle["kind"], causal=causal)
    for row, latents, energy_db in progress(source.iterate(), total=len(source.utterances), unit="utterance"):
        writer.append(row.utterance_id, row.speaker_id, *mean_pool(latents, energy_db, factor))
    writer.close()
