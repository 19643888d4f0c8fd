"""Networks as wide as it takes to have as many parameters as another predictor: what a comparison is fair with."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from latentdyn.errors import UserError

_MOST_APART = 0.02  # of the number of parameters that is to be matched

Build = Callable[[dict[str, Any], int], nn.Module]  # a fresh predictor of settings, in some dimensions


def n_parameters(settings: dict[str, Any], dim: int, build: Build) -> int:
    """Trained parameters of a predictor at one horizon; no random number of torch's is drawn."""
    with torch.random.fork_rng(devices=[]):
        return sum(parameter.numel() for parameter in build(settings, dim).parameters())


def with_matched_width(settings: dict[str, Any], dim: int, build: Build) -> dict[str, Any]:
    """Settings with the width for which there are as many parameters as those of `match_parameters_of`, another
    predictor's settings; and with nothing left to match.

    Raises:
        UserError: no width gives that number within 2 %.
    """
    target = n_parameters(settings["match_parameters_of"], dim, build)
    unit = settings["network"].get("heads", 1)  # a transformer's width is a multiple of its heads

    def widened(units: int) -> dict[str, Any]:
        network = settings["network"] | {"width": unit * units}
        return settings | {"network": network, "match_parameters_of": None}

    def excess(units: int) -> int:
        return n_parameters(widened(units), dim, build) - target

    low, high = 1, 2
    while excess(high) < 0:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    best = min((low, high), key=lambda units: abs(excess(units)))
    if abs(excess(best)) > _MOST_APART * target:
        raise UserError(
            f"no width of the network gives {target} parameters: with {unit * best} there are {target + excess(best)}",
            "match_parameters_of of the predictor, in its own section or of the widened control of a lookup",
            "give it another number of layers, or make the other predictor larger",
        )
    return widened(best)


def matched_facts(settings: dict[str, Any], dim: int, build: Build) -> dict[str, int]:
    """The width that was chosen, and both numbers of parameters; nothing where nothing is matched."""
    if not settings.get("match_parameters_of"):
        return {}
    chosen = with_matched_width(settings, dim, build)
    return {
        "matched_width": chosen["network"]["width"],
        "parameters": n_parameters(chosen, dim, build),
        "parameters_to_match": n_parameters(settings["match_parameters_of"], dim, build),
    }
