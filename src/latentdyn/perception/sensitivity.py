"""Noise that is shaped by what a codec's decoder lets be heard.

M = E[JᵀJ] is the decoder's sensitivity (codecs.sensitivity). Noise of covariance Σ moves what is heard by tr(MΣ). At a
given log-determinant, hence at a given entropy of the noise, this is least for Σ proportional to M⁻¹.
"""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.linalg
import torch

from latentdyn.codecs.sensitivity import MelOfDecoded, Sensitivity, sensitivity
from latentdyn.errors import UserError
from latentdyn.perception.mel import MelSettings, mel_codec
from latentdyn.perception.source import Source, draw_utterances
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.lineage import handle_lineage_name

log = logging.getLogger(__name__)


def decoder_sensitivity(
    source: Source, frames: FrameIndex, settings: Mapping[str, Any], mel: MelSettings, device: torch.device
) -> Sensitivity:
    """M of a codec's decoder at the frames of training speakers.

    Args:
        source: of the codec's own frames. frames: their index. settings: utterances, max_duration_s and probes.

    Raises:
        UserError: the frames are not the codec's own, its decoder is no network of torch, or there are too few
            utterances of two speakers.
    """
    if source.transforms:
        raise UserError(
            f"noise is shaped by the decoder for the codec's own frames only, and these are "
            f"{handle_lineage_name(source.store.handle)}",
            "noises of the section rate_quality",
            "leave out `shaped`, or ask for the codec's own representation",
        )
    where = "shaping of the section rate_quality"
    drawn = draw_utterances(frames, "train", settings["utterances"], 2, ("sensitivity",), where)
    if drawn["speaker_id"].nunique() < 2:
        raise UserError("the utterances are of one speaker, which tells no error", where, "ask for more utterances")
    most, array = int(settings["max_duration_s"] * source.store.frame_rate_hz), source.store.array()
    utterances = (
        (str(one.speaker_id), np.asarray(array[one.row : one.row + min(one.n, most)], np.float32))
        for one in drawn.itertuples()
    )
    hear = MelOfDecoded(source.decoder.module(), mel_codec(mel, source.decoder.sample_rate_hz)).to(device)
    found = sensitivity(hear, utterances, settings["probes"], device)
    told = found.n_frames, found.relative_error
    log.info("sensitivity of the decoder: %d frames, relative standard error %.2g", *told)
    return found


def noise_shape(matrix: np.ndarray, std: np.ndarray, ridge: float) -> np.ndarray:
    """L (D, D) of noise L ε whose covariance L Lᵀ is proportional to M⁻¹, with the entropy of white noise.

    Args:
        matrix: M. std: (D,) deviations of the white noise; log det L Lᵀ = Σ ln std². ridge: added to the eigenvalues of
            M in units of `std`, as a share of their mean. It bounds the noise where M says that nothing is heard.
    """
    scaled = std[:, None] * matrix * std
    scaled += ridge * np.trace(scaled) / len(std) * np.eye(len(std))
    lower = scipy.linalg.cholesky(scaled, lower=True)
    inverse = scipy.linalg.solve_triangular(lower, np.eye(len(std)), lower=True, trans="T")
    return std[:, None] * inverse * np.exp(np.log(np.diag(lower)).mean())
