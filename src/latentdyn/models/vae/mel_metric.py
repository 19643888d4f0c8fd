"""A metric of reconstructions by what is heard of them (seed 002, Challenge 1: a decoder-aware metric).

An error δ of what a latent stands for, all of its frames together and in deviations, moves the decoded log-mel by δᵀMδ,
M = E[JᵀJ] (codecs.sensitivity). M counts together what neighbouring frames do to the same log-mel frame. The metric is

    G = (1 - share) · n M / tr M  +  share · I        so that tr G = n, as of the plain squared error

The share of I keeps a price on what nobody hears: where G is 0, the model could leave a direction out for nothing, and
forecasts, which are judged in all directions, would suffer.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentdyn.codecs.base import Codec
from latentdyn.codecs.logmel import LogMel
from latentdyn.codecs.sensitivity import Hear, MelOfDecoded, sensitivity
from latentdyn.errors import UserError

log = logging.getLogger(__name__)

Frames = Callable[[Tensor], Tensor]  # numbers of latents (1, n, T) in deviations to a codec's frames (1, D, T stack)

_WHERE = "objective.reconstruction of the representation"


def what_is_heard(codec: Codec, settings: Mapping[str, Any], device: torch.device) -> Hear:
    """The log-mel of a codec's decoded frames (B, D, T), by the settings of the reconstruction.

    Raises:
        UserError: the window is too short for so many bands.
    """
    hop, window = settings["hop_samples"], settings["window_samples"]
    mel = LogMel(codec.sample_rate_hz, hop, window, settings["n_mels"], settings["floor_db"])
    return MelOfDecoded(codec.decoder_module().requires_grad_(False), mel).to(device)


def mel_metric(
    hear: Hear, stacked: Iterable[tuple[str, np.ndarray]], settings: Mapping[str, Any], device: torch.device
) -> Tensor:
    """G (n, n) float64.

    Args:
        hear: what is heard of numbers (1, n, T) in deviations. stacked: training speakers and sequences (T, n) of each.
        settings: of the reconstruction: identity_share and probes.

    Raises:
        UserError: the sequences are of one speaker, or nothing is heard of them.
    """
    given = list(stacked)
    if len({speaker for speaker, _ in given}) < 2:
        raise UserError(
            f"the {len(given)} training sequences that the decoder is heard at are of one speaker, who tells no error "
            "of the metric",
            f"{_WHERE} (sequences)",
            "give it more sequences, or splits.train of the corpus more speakers",
        )
    found = sensitivity(hear, given, settings["probes"], device)
    n, trace = len(found.matrix), float(np.trace(found.matrix))
    if not (np.isfinite(trace) and trace > 0):
        raise UserError(
            f"the decoder's log-mel does not follow its frames (the mean square of its derivative is {trace / n:.3g})",
            f"{_WHERE} (floor_db {settings['floor_db']:g})",
            "lower floor_db, so that quiet frames count too, or take reconstruction of kind frames",
        )
    share = settings["identity_share"]
    metric = (1 - share) * n / trace * found.matrix + share * np.eye(n)
    variances = np.linalg.eigvalsh(metric)
    log.info(
        "metric of what is heard: %d latents of %d numbers, relative standard error %.2g; eigenvalues %.2g to %.3g, "
        "half of the trace in %d directions", found.n_frames, n, found.relative_error, variances[0], variances[-1],
        1 + int(np.searchsorted(np.cumsum(variances[::-1]), n / 2)),
    )  # fmt: skip
    return torch.from_numpy(metric).to(device)


def metric_of_codec(
    codec: Codec, frames_of: Frames, stacked: Iterable[tuple[str, np.ndarray]], settings: Mapping[str, Any],
    device: torch.device,
) -> Tensor:  # fmt: skip
    """G (n, n) float64, of what a codec's decoder makes of frames.

    Args:
        stacked, settings: as of `mel_metric`.

    Raises:
        UserError: as of `what_is_heard` and `mel_metric`.
    """
    of_frames = what_is_heard(codec, settings, device)
    return mel_metric(lambda numbers: of_frames(frames_of(numbers)), stacked, settings, device)


METRIC = metric_of_codec
