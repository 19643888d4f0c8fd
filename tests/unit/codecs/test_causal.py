import pytest
import torch
from torch import nn

from latentdyn.codecs.causal import Carry, CarryingConv1d, CarryingConvTranspose1d, CarryingLSTM, replace_layers


def run(layer, carry, x, *tiles):
    state = {}
    with carry.of(state):
        return torch.cat([layer(tile) for tile in x.split(tiles, dim=-1)], dim=-1)


@pytest.mark.parametrize("mode", ["constant", "replicate", "reflect"])
@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "dilation"),
    [
        (3, 7, 1, 1),
        (3, 3, 1, 4),
        (3, 8, 4, 1),
        (3, 1, 1, 1),
        (256, 8, 4, 1),
        (256, 3, 1, 1),
    ],  # 256: by a product
)
def test_convolution_in_tiles_is_the_padded_convolution(mode, channels, kernel, stride, dilation):
    torch.manual_seed(0)
    conv, carry = nn.Conv1d(2, channels, kernel, stride, dilation=dilation), Carry()
    layer, x = CarryingConv1d(conv, mode, carry), torch.randn(2, 2, 64)
    pad = (kernel - 1) * dilation + 1 - stride
    with torch.inference_mode():
        expected = conv(nn.functional.pad(x, (pad, 0), mode=mode))
    for tiles in [(64,), (32, 32), (12, 4, 4, 40, 4)]:
        torch.testing.assert_close(run(layer, carry, x, *tiles), expected, rtol=1e-5, atol=1e-5)


def test_hand_computed_differences():
    conv, carry = nn.Conv1d(1, 1, 2, bias=False), Carry()
    conv.weight.data = torch.tensor([[[-1.0, 1.0]]])
    x = torch.tensor([[[3.0, 5.0, 4.0, 9.0]]])
    assert run(CarryingConv1d(conv, "constant", carry), carry, x, 1, 3).tolist() == [[[3, 2, -1, 5]]]
    assert run(CarryingConv1d(conv, "replicate", carry), carry, x, 3, 1).tolist() == [[[0, 2, -1, 5]]]
    assert run(CarryingConv1d(conv, "reflect", carry), carry, x, 2, 2).tolist() == [[[-2, 2, -1, 5]]]
    # nothing to reflect: a zero takes the missing sample's place
    assert run(CarryingConv1d(conv, "reflect", carry), carry, x[..., :1], 1).tolist() == [[[3]]]


def test_weight_norm_is_folded_in():
    torch.manual_seed(0)
    conv, carry = nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 4, 3)), Carry()
    conv.parametrizations.weight.original0.data *= 3
    x = torch.randn(1, 2, 10)
    with torch.inference_mode():
        expected = conv(nn.functional.pad(x, (2, 0)))
    torch.testing.assert_close(run(CarryingConv1d(conv, "constant", carry), carry, x, 10), expected)


@pytest.mark.parametrize(
    ("kernel", "stride", "groups"), [(4, 2, 1), (4, 2, 4), (8, 4, 1), (3, 3, 1), (7, 2, 1), (16, 8, 2), (5, 1, 1)]
)
def test_transposed_convolution_in_tiles_is_the_whole_one_cut_at_its_right_end(kernel, stride, groups):
    torch.manual_seed(0)
    conv, carry = nn.ConvTranspose1d(4, 4, kernel, stride, groups=groups), Carry()
    layer, x = CarryingConvTranspose1d(conv, carry), torch.randn(2, 4, 20)
    with torch.inference_mode():
        expected = conv(x)[..., : 20 * stride]
    for tiles in [(20,), (10, 10), (7, 1, 1, 11)]:
        torch.testing.assert_close(run(layer, carry, x, *tiles), expected, rtol=1e-5, atol=1e-5)


def test_transposed_convolution_by_hand():
    conv, carry = nn.ConvTranspose1d(1, 1, 3, 2), Carry()
    conv.weight.data, conv.bias.data = torch.tensor([[[1.0, 2.0, 10.0]]]), torch.tensor([0.5])
    x = torch.tensor([[[3.0, 5.0, 4.0]]])  # 3 6 30 | 5 10 50 | 4 8, each two later than the last, and the bias
    assert run(CarryingConvTranspose1d(conv, carry), carry, x, 1, 2).tolist() == [[[3.5, 6.5, 35.5, 10.5, 54.5, 8.5]]]


def test_weight_norm_of_a_transposed_convolution_is_folded_in():
    torch.manual_seed(0)
    conv, carry = nn.utils.parametrizations.weight_norm(nn.ConvTranspose1d(2, 4, 4, 2)), Carry()
    conv.parametrizations.weight.original0.data *= 3
    x = torch.randn(1, 2, 10)
    with torch.inference_mode():
        expected = conv(x)[..., :20]
    torch.testing.assert_close(run(CarryingConvTranspose1d(conv, carry), carry, x, 10), expected)


def test_lstm_in_tiles_is_the_whole_residual_lstm():
    torch.manual_seed(0)
    lstm, carry, x = nn.LSTM(4, 4, 2), Carry(), torch.randn(3, 4, 20)
    with torch.inference_mode():
        expected = (lstm(x.permute(2, 0, 1))[0] + x.permute(2, 0, 1)).permute(1, 2, 0)
    torch.testing.assert_close(run(CarryingLSTM(lstm, carry), carry, x, 7, 1, 12), expected)


def test_state_does_not_hold_the_tile():
    conv, carry, state = nn.Conv1d(1, 1, 3), Carry(), {}
    layer = CarryingConv1d(conv, "constant", carry)
    with carry.of(state):
        layer(torch.randn(1, 1, 10_000))
    (kept,) = state.values()
    assert kept.untyped_storage().nbytes() == 2 * 4
    assert carry.state == {}


def test_replaces_layers_at_every_depth():
    carry = Carry()
    model = nn.ModuleList([nn.Conv1d(1, 1, 3), nn.Sequential(nn.ELU(), nn.Conv1d(1, 1, 1))])
    replace_layers(model, nn.Conv1d, lambda conv: CarryingConv1d(conv, "constant", carry))
    assert [type(layer).__name__ for layer in model] == ["CarryingConv1d", "Sequential"]
    assert isinstance(model[1][1], CarryingConv1d)
