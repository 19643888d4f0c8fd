"""Innovation rate: what frames of a representation cost to send, in kbit/s, at equal damage to the reference's frames.

White noise is added to whitened frames, and its size is such that the reference's frames, mapped back from what was
sent, lose a set share of their variance by it. The rate of the noisy frames given the noisy frames before them follows
(see diagnostics.rate). At noise of equal size in a representation's own units a filter would buy bits: it makes frames
large and smooth, and noise on them comes back larger. At equal damage it does not.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from latentdyn.diagnostics.learned.decoding import WayBack
from latentdyn.diagnostics.learned.pair import Pair
from latentdyn.diagnostics.rate import channel_rates, noise_entropy, shuffled_rows
from latentdyn.diagnostics.records import Record, record
from latentdyn.metrics import RATE_KBIT_PER_S
from latentdyn.seeds import numpy_generator

_FIRST, _ROUNDS = 0.1, 4  # deviations of noise to begin with; where the way back is linear, one round is exact
_UTTERANCES = 20  # of training speakers, on which the size of the noise is found
_WHERE = {"mode": "noisy"}


def innovation_rate(
    pair: Pair, back: WayBack, *, damage: float, frame_rate_hz: float, window_frames: int, ridges: Sequence[float],
    max_frames: int, resamples: int, seed_names: tuple[object, ...],
) -> tuple[list[Record], pd.DataFrame]:  # fmt: skip
    """Rates on held-out speakers, as of `channel_rates`; undefined where noise does not reach the reference's frames.

    Args:
        damage: share of the variance of the reference's frames that the noise costs.

    Raises:
        UserError: as of `channel_rates`.
    """
    sigma = _deviation(pair, back, damage, seed_names)
    white, names = pair.own.white, (*seed_names, "noise")
    if not np.isfinite(sigma):
        return [record(RATE_KBIT_PER_S, np.nan, len(pair.rows("eval")), split="eval", **_WHERE)], pd.DataFrame()
    noisy = white + sigma * numpy_generator(*names).standard_normal(white.shape)
    return channel_rates(
        {"window_frames": window_frames, "ridges": list(ridges)},
        torch.from_numpy(noisy.astype(np.float32)), shuffled_rows(pair.frames.finite(), len(white), names), pair.frames,
        entropy=noise_entropy(np.full(white.shape[1], sigma)), frame_rate_hz=frame_rate_hz, split="eval",
        max_frames=max_frames, resamples=resamples, seed_names=seed_names, **_WHERE,
    )  # fmt: skip


def _deviation(pair: Pair, back: WayBack, damage: float, names: tuple[object, ...]) -> float:
    """Deviation of noise on whitened frames that costs so much; NaN where no noise does."""
    frames = pair.frames.of_splits("train").finite()
    drawn = numpy_generator(*names, "heard").permutation(frames.n_utterances)[:_UTTERANCES]
    heard = [mine.rows() for _, mine in frames.by_utterance(drawn)]
    clean = [back(pair.own.frames[rows], "") for rows in heard]
    spread = np.square(pair.reference.frames[np.concatenate(heard)] - pair.reference.space.mean).sum(axis=1).mean()
    sigma = _FIRST
    for _ in range(_ROUNDS):
        lost = n = 0.0
        for i, (rows, before) in enumerate(zip(heard, clean, strict=True)):
            noise = numpy_generator(*names, "heard", i).standard_normal((len(rows), pair.own.white.shape[1]))
            sent = pair.own.space.undone(pair.own.white[rows] + sigma * noise).astype(np.float32)
            change = np.square(back(sent, "") - before)
            lost, n = lost + float(change[np.isfinite(change)].sum()), n + len(rows)
        if not lost > 0:
            return float("nan")
        sigma *= float(np.sqrt(damage * spread * n / lost))
    return sigma
