"""Widths that give as many parameters as another predictor has."""

import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.predictors.base import build_predictor
from latentdyn.predictors.widths import matched_facts, n_parameters, with_matched_width
from tests.settings import settings_of

DIM = 6
LOOKUP = {"kind": "engram", "codes": "fitted", "n_codes": 16, "ngrams": [1, 2], "rows": 300, "width": 640,
          "learning_rate": 0.01}  # fmt: skip
NETWORKS = {
    "mlp": {"kind": "mlp", "width": 5, "layers": 2},
    "transformer": {"kind": "transformer", "width": 8, "layers": 1, "heads": 2},
    "gru": {"kind": "gru", "width": 3},
}


def settings(network, **changes):
    return settings_of("predictors", "mdn", window_frames=3, n_components=2, network=network) | changes


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_parameters_agree_within_two_percent_and_no_random_number_is_drawn(kind):
    large = settings(NETWORKS[kind], lookup=LOOKUP)
    control = settings(NETWORKS[kind], match_parameters_of=large)
    state = torch.random.get_rng_state()
    facts = matched_facts(control, DIM, build_predictor)
    assert torch.equal(torch.random.get_rng_state(), state)
    counted = {name: sum(p.numel() for p in build_predictor(s, DIM).parameters())
               for name, s in (("parameters", control), ("parameters_to_match", large))}  # fmt: skip
    assert {name: facts[name] for name in counted} == counted
    assert abs(counted["parameters"] / counted["parameters_to_match"] - 1) <= 0.02
    assert facts["matched_width"] > NETWORKS[kind]["width"]
    assert build_predictor(control, DIM).lookup is None
    if kind == "transformer":
        assert facts["matched_width"] % 2 == 0


def test_the_nearest_width_is_chosen_by_hand():
    """One hidden layer of width w on 3 x 6 numbers, 26 outputs: 19 w + 27 w... + 26 parameters."""
    network = {"kind": "mlp", "width": 40, "layers": 1}
    large = settings(network)
    assert n_parameters(large, DIM, build_predictor) == 19 * 40 + 26 * 41
    chosen = with_matched_width(settings(network | {"width": 1}, match_parameters_of=large), DIM, build_predictor)
    assert chosen["network"]["width"] == 40 and chosen["match_parameters_of"] is None


def test_nothing_is_said_where_nothing_is_matched():
    assert matched_facts(settings(NETWORKS["mlp"]), DIM, build_predictor) == {}


def test_a_number_that_no_width_gives_is_told():
    small = settings({"kind": "mlp", "width": 1, "layers": 1})
    control = settings({"kind": "mlp", "width": 9, "layers": 6}, match_parameters_of=small)
    with pytest.raises(UserError, match=r"no width of the network gives 71 parameters: with 1 .*match_parameters_of"):
        build_predictor(control, DIM)
