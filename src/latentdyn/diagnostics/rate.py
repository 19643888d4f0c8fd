"""What frames with noise cost to send: the rate of y = x + σ ε under a prior that knows the past of y, or nothing.

R = NLL of y - h(noise), in nats a frame. If the prior is the law of y, R is the information that y carries about x
(Cover & Thomas 2006, §9.1). Any other prior costs more, by its divergence from that law. So a held-out rate is an upper
bound of the best rate, but for the error of the estimate. The prior that knows the past is the ridge regression of
`predictive_information` at k = 1. The memoryless one is one full Gaussian.

- White Gaussian frames of deviation 1: ½ ln(1 + 1/σ²) a dimension, for both.
- Rates are bits. No invertible linear map of x that takes the noise along changes them: neither units nor roughness buy
  anything.
- Frames in random order within their utterance have lost all motion. What the past still saves of them is what is
  constant in an utterance.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, speaker_totals
from latentdyn.diagnostics.predictive_information import frame_nlls
from latentdyn.diagnostics.records import Record, record
from latentdyn.metrics import RATE_KBIT_PER_S, RATE_MEMORYLESS, RATE_SAVED, RATE_SAVED_SHUFFLED, RATE_SHUFFLED
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex

_RATES = (RATE_KBIT_PER_S, RATE_MEMORYLESS, RATE_SHUFFLED)


def noise_entropy(std: np.ndarray) -> float:
    """Differential entropy, in nats, of independent Gaussian noise of these deviations (D,)."""
    return float(np.log(std).sum() + 0.5 * len(std) * math.log(2 * math.pi * math.e))


def kbit_per_s(nats: Any, frame_rate_hz: float) -> Any:
    """Nats a frame, a number or an array, as kbit/s."""
    return nats * frame_rate_hz / math.log(2) / 1000


def shuffled_rows(frames: FrameIndex, n_rows: int, names: tuple[object, ...]) -> Tensor:
    """Where each row's frame comes from, (n_rows,), if these frames of each utterance are put in random order.

    Args:
        names: of the random orders, beside the utterance's own.
    """
    order = np.arange(n_rows)
    for utterance_id, mine in frames.by_utterance():
        rows = mine.rows()
        order[rows] = numpy_generator(*names, utterance_id).permutation(rows)
    return torch.from_numpy(order)


def channel_rates(
    settings: dict[str, Any],
    noisy: Tensor,
    order: Tensor,
    frames: FrameIndex,
    *,
    entropy: float,
    frame_rate_hz: float,
    split: str,
    max_frames: int,
    resamples: int,
    seed_names: tuple[object, ...],
    **where: Any,
) -> tuple[list[Record], pd.DataFrame]:
    """Rates of noisy frames on a split, and what the past saves.

    Args:
        settings: window_frames and ridges. noisy: (n_rows, D) resident. order: as of `shuffled_rows`.
        entropy: of the noise, nats a frame. max_frames, resamples, seed_names: as of `predictive_information`.
        where: places of the records, beside the split.

    Returns:
        A record for each rate and share, and sums of the rates over each speaker's frames.

    Raises:
        UserError: as of `predictive_information`.
    """
    given = {name: settings[name] for name in ("window_frames", "ridges")} | {"horizons": [1]}
    same: dict[str, Any] = {"split": split, "max_frames": max_frames, "seed_names": seed_names}
    truth = frame_nlls(given, noisy, frames, **same)
    still = frame_nlls(given, noisy[order.to(noisy.device)], frames, **same)
    nll = np.stack([truth.conditional[1], truth.marginal, still.conditional[1], still.marginal], axis=1)
    codes, speakers = pd.factorize(truth.frames["speaker_id"], sort=True)
    totals, counts = speaker_totals(kbit_per_s(nll - entropy, frame_rate_hz), codes, len(speakers))
    bootstrap = SpeakerBootstrap.draw(len(speakers), resamples, numpy_generator(*seed_names, split, "bootstrap"))
    rates, drawn = totals.sum(axis=0) / counts.sum(axis=0), bootstrap.ratios(totals, counts)
    found = [
        *((metric, rates[i], drawn[:, i]) for i, metric in enumerate(_RATES)),
        *(
            (metric, *(1 - of[..., with_past] / of[..., without] for of in (rates, drawn)))
            for metric, with_past, without in ((RATE_SAVED, 0, 1), (RATE_SAVED_SHUFFLED, 2, 3))
        ),
    ]
    where = {"split": split, "slice": "all", **where}
    records = []
    for metric, value, resampled in found:
        low, high = interval(resampled)
        records.append(record(metric, value, len(nll), ci_low=low, ci_high=high, **where))
    sums = [
        pd.DataFrame({"speaker_id": speakers, "total": totals[:, i], "n": counts[:, i]}).assign(metric=metric.name)
        for i, metric in enumerate(_RATES)
    ]
    return records, pd.concat(sums, ignore_index=True).assign(**where)
