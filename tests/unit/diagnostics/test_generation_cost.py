"""Costs of a generated frame: operations beside counts by hand, whatever the stream's length where nothing depends on
it, and times of frames."""

import pytest
import torch

from latentdyn.diagnostics.generation_cost import measure_generation_cost, milliseconds, operations
from tests.settings import predictor_of

D, W, H, K = 3, 2, 5, 2
STREAM = torch.randn(1, 9, D, generator=torch.Generator().manual_seed(0))
FEATURES, HIDDEN = 4, 6
DRAWING = {"features": FEATURES, "hidden_width": HIDDEN}
GRU = 2 * 3 * H * (D + H)  # three gates, of a frame and of the state
ROTATION, LINE = 2 * D * D, 2 * W * D * D


def velocity(conditions):
    """Of one evaluation of a map of D numbers and so many conditions."""
    return 2 * (D * HIDDEN + conditions * HIDDEN + HIDDEN * HIDDEN + HIDDEN * D)


def attention(width, seen):
    """Of a new frame: queries, keys and values, logits and their mean, the mixture, two layers of 4 widths."""
    return 2 * (3 * width * width + 2 * seen * width + width * width + 8 * width * width)


mlp = {"kind": "mlp", "width": H, "layers": 2}
gru = {"kind": "gru", "width": H}
ARMS = {
    "linear_gaussian": ({}, LINE + ROTATION),  # its noise is turned, too
    "mdn": ({"network": mlp, "n_components": K}, 2 * (W * D * H + H * H + H * K * (1 + 2 * D))),
    "mdn of a past": (
        {"network": gru, "reads": "past", "n_components": K, "linear_skip": "fixed"},
        GRU + 2 * H * K * (1 + 2 * D) + LINE,
    ),
    "flow_matching": (
        {"network": gru, "reads": "past", "nfe": 4, **DRAWING},
        GRU + 2 * H * FEATURES + 4 * velocity(FEATURES + 5),
    ),
    "energy": (
        {"network": gru, "reads": "past", "target_axes": "principal", **DRAWING},
        GRU + 2 * H * FEATURES + velocity(FEATURES) + ROTATION,
    ),
}


def arm(name, **changes):
    torch.manual_seed(0)
    settings, _ = ARMS[name]
    return predictor_of(name.split()[0], D, window_frames=W, **{**settings, **changes}).eval()


@pytest.mark.parametrize("name", ARMS)
def test_operations_are_those_counted_by_hand(name):
    assert operations(arm(name), STREAM) == ARMS[name][1]


@pytest.mark.parametrize("evaluations", [2, 8])
def test_each_evaluation_of_a_flow_costs_the_same(evaluations):
    per_evaluation = operations(arm("flow_matching", nfe=evaluations), STREAM) - GRU - 2 * H * FEATURES
    assert per_evaluation == evaluations * velocity(FEATURES + 5)


@pytest.mark.parametrize("reads", ["window", "past"])
def test_attention_is_counted_and_grows_with_what_it_looks_back_at(reads):
    width, outputs = 4, K * (1 + 2 * D)
    transformer = {"kind": "transformer", "width": width, "layers": 1, "heads": 2}
    predictor = arm("mdn", network=transformer, reads=reads)
    for length in (5, 9):
        # the second draw of a past sees the stream and the first draw; a window is read anew, frame by frame
        frame, seen = (1, length + 1) if reads == "past" else (W, W)
        expected = frame * (2 * D * width + attention(width, seen)) + 2 * width * outputs
        assert operations(predictor, STREAM[:, :length]) == expected


def test_a_recurrent_stream_costs_as_much_however_long_it_is():
    assert operations(arm("energy"), STREAM[:, :3]) == operations(arm("energy"), STREAM)


def test_frames_are_timed_one_by_one_and_threads_are_as_before():
    torch.set_num_threads(threads := torch.get_num_threads())
    ms = milliseconds(arm("mdn"), STREAM)
    assert len(ms) == 128 and (ms > 0).all() and torch.get_num_threads() == threads


def test_records_say_how_many_frames_were_timed():
    flops, ms = measure_generation_cost(arm("mdn"), STREAM[0], "eval")
    assert (flops.metric, flops.value) == ("flops_per_frame", ARMS["mdn"][1])
    assert (ms.metric, ms.n, ms.unit) == ("generation_ms", 128, "ms/frame") and ms.value > 0
