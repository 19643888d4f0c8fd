"""What a predictor's density cannot give, said once in the log and, as records of status `missing`, beside the rest.

Every density draws; its likelihood, its mean and the mean of its log-length may be missing (see `Density.gives`). A
quantity that needs what is missing has a record that says so. What would follow from the quantity (medians, skill) is
left out, and so is a mode of forecasts or free runs that cannot be made.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from latentdyn.diagnostics.records import Record, record
from latentdyn.metrics import Metric
from latentdyn.predictors.base import Predictor

log = logging.getLogger(__name__)

_WORDS = {"log_prob": "likelihood", "mean": "mean", "mean_log_norm": "mean log-length"}


@torch.inference_mode()
def find_missing(predictor: Predictor, latents: Tensor, needed_for: Mapping[str, str]) -> set[str]:
    """The methods among the keys of `needed_for` that the predictor's densities lack, by one density of any frames.

    Each is a warning in the log, with its value: the quantities that it is needed for.
    """
    density = predictor.density(latents[None, : predictor.window_frames])
    lacks = {name for name in needed_for if not density.gives(name)}
    for name in sorted(lacks):
        log.warning("the predictor's density has no %s: %s cannot be measured", _WORDS[name], needed_for[name])
    return lacks


def missing(metric: Metric, n: int, **where: Any) -> Record:
    """The record of a metric that this predictor cannot have."""
    return replace(record(metric, math.nan, n, **where), status="missing")
