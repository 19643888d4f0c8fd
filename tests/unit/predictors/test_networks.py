"""Networks: what of the context reaches the answer, one row at a time."""

import pytest
import torch

from latentdyn.predictors.network_predictor import NetworkPredictor
from latentdyn.predictors.networks import build_network

DIM, WINDOW, OUTPUTS = 3, 5, 7
NETWORKS = {
    "none": {"kind": "none"},
    "linear": {"kind": "linear"},
    "mlp": {"kind": "mlp", "width": 16, "layers": 2, "dropout": 0.3},
    "transformer": {"kind": "transformer", "width": 16, "layers": 2, "heads": 2, "dropout": 0.3},
    "gru": {"kind": "gru", "width": 16, "layers": 2, "dropout": 0.3},
}


def network_and_context(kind, window=WINDOW):
    torch.manual_seed(0)
    return build_network(NETWORKS[kind], DIM, window, OUTPUTS).eval(), torch.randn(6, window, DIM)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_row_is_answered_by_itself(kind):
    network, context = network_and_context(kind)
    answers = network(context)
    assert answers.shape == (6, OUTPUTS)
    alone = torch.cat([network(row[None]) for row in context])
    torch.testing.assert_close(answers, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [0, 3, OUTPUTS])
@pytest.mark.parametrize("kind", NETWORKS)
def test_its_first_outputs_are_those_of_the_whole_answer(kind, n):
    network, context = network_and_context(kind)
    torch.testing.assert_close(network(context, n), network(context)[:, :n], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("frame", range(WINDOW))
def test_every_frame_of_the_window_reaches_the_answer(kind, frame):
    network, context = network_and_context(kind)
    moved = context.clone()
    moved[:, frame] += 0.5
    unchanged = torch.equal(network(moved), network(context))
    assert unchanged == (kind == "none")


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_window_of_one_frame_is_enough(kind):
    network, context = network_and_context(kind, window=1)
    assert network(context).shape == (6, OUTPUTS)


def test_the_linear_network_is_affine_and_the_mlp_is_not():
    for kind, is_affine in (("linear", True), ("mlp", False)):
        network, context = network_and_context(kind)
        middle = network(context[:3] / 2 + context[3:] / 2)
        mean = network(context[:3]) / 2 + network(context[3:]) / 2
        assert torch.allclose(middle, mean, atol=1e-6) == is_affine


def test_a_frame_of_the_transformer_sees_no_later_one():
    network, context = network_and_context("transformer")
    tokens = []
    network.layers.register_forward_hook(lambda module, inputs, output: tokens.append(output))
    moved = context.clone()
    moved[:, 3] += 0.5
    network(context), network(moved)
    changed = (tokens[0] != tokens[1]).any(dim=2).all(dim=0)
    assert changed.tolist() == [False, False, False, True, True]


def test_the_transformer_tells_frames_apart_by_their_place():
    network, context = network_and_context("transformer")
    swapped = context[:, [1, 0, 2, 3, 4]]
    assert not torch.allclose(network(swapped), network(context), atol=1e-4)


def test_the_gru_reads_the_newest_frame_last():
    network, context = network_and_context("gru")
    _, state = network.recurrence(context[:, :-1])
    states, _ = network.recurrence(context[:, -1:], state)
    torch.testing.assert_close(network(context), network.answer(states[:, -1]))


def test_equal_options_and_seed_give_equal_networks_and_a_state_dict_is_all_there_is():
    for kind in NETWORKS:
        network, context = network_and_context(kind)
        other = build_network(NETWORKS[kind], DIM, WINDOW, OUTPUTS).eval()
        assert not torch.equal(other(context), network(context))
        other.load_state_dict(network.state_dict())
        assert torch.equal(other(context), network(context))


@pytest.mark.parametrize("normalisation", ["standard", "none"])
def test_the_context_is_normalised_then_clipped(normalisation, scaling):
    torch.manual_seed(0)
    options = {"context_normalisation": normalisation, "context_clip": 2.0, "lookup": None, "reads": "window"}
    predictor = NetworkPredictor(4, 2, OUTPUTS, network=NETWORKS["linear"], **options)
    predictor.set_scaling(scaling)
    deviations = torch.tensor([[[0.5, -1, 1.9, 0], [1e6, -3, 2.5, 0]]])
    if normalisation == "standard":
        context = (scaling.frame_mean + scaling.frame_std * deviations.double()).float()
    else:
        context = deviations
    expected = predictor.network(torch.tensor([[[0.5, -1, 1.9, 0], [2, -2, 2, 0]]]))
    torch.testing.assert_close(predictor.outputs(context), expected, rtol=1e-5, atol=1e-5)
