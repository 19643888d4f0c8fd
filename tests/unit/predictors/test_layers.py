"""Layers that are quick on a CPU: the same as torch's but for rounding, and dropout that drops what it says."""

import pytest
import torch
from torch.nn import functional as F

from latentdyn.predictors.layers import Dense, Dropout

SHAPES = [(1, 24), (64, 24), (2048, 24), (5, 512, 24)]  # with few products and with many


def dense_and_input(shape, bias):
    torch.manual_seed(0)
    return Dense(24, 64, bias=bias), torch.randn(*shape, requires_grad=True)


@pytest.mark.parametrize("n", [None, 0, 1, 64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_an_affine_map(shape, bias, n):
    layer, x = dense_and_input(shape, bias)
    exact = [t.detach().double().requires_grad_() for t in (x, *layer.parameters())]
    expected = F.linear(*exact)[..., :n]
    gradient = torch.randn(expected.shape)
    found = layer(x, n)
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-5)
    found.backward(gradient)
    expected.backward(gradient.double())
    for own, of_exact in zip((x, *layer.parameters()), exact, strict=True):
        torch.testing.assert_close(own.grad, of_exact.grad.float(), rtol=1e-5, atol=1e-4)


def test_a_gradient_that_is_one_number_for_all_rows():
    layer, x = dense_and_input((2048, 24), bias=True)
    layer(x).sum().backward()
    sums = x.detach().double().sum(0).float()
    torch.testing.assert_close(layer.weight.grad, sums.expand(64, -1), rtol=1e-5, atol=1e-4)  # of 2048 numbers
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0).expand(2048, -1), rtol=1e-5, atol=1e-5)


def test_values_are_the_same_with_and_without_gradients():
    layer, x = dense_and_input((2048, 24), bias=True)
    with torch.inference_mode():
        without = layer(x)
    assert torch.equal(layer(x), without)


def test_other_precisions_are_kept():
    layer, x = dense_and_input((2048, 24), bias=True)
    assert torch.equal(layer.double()(x.double()), F.linear(x.double(), layer.weight, layer.bias))


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5])
def test_so_many_units_are_dropped_and_the_mean_stays(p):
    torch.manual_seed(0)
    x = torch.full((1001, 1001), 3.0)
    y = Dropout(p)(x)
    dropped = float((y == 0).double().mean())
    assert abs(dropped - p) < 5 * (p * (1 - p) / x.numel()) ** 0.5
    kept = y[y != 0]
    assert torch.equal(kept, kept[0].expand_as(kept)) and float(kept[0]) == pytest.approx(3 / (1 - p), rel=2e-5)


def test_units_are_dropped_independently():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(4000, 40)) != 0).double()
    correlations = torch.corrcoef(kept.T) - torch.eye(40)
    assert float(correlations.abs().max()) < 5.5 / 4000**0.5
    assert float(torch.corrcoef(torch.stack([kept[1:].flatten(), kept[:-1].flatten()]))[0, 1].abs()) < 5.5 / 4e2


def test_dropout_is_a_function_of_the_seed_and_its_gradient_of_what_was_kept():
    x = torch.ones(7, 9, requires_grad=True)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(Dropout(0.5)(x))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    drawn[0].sum().backward()
    assert torch.equal(x.grad, drawn[0].detach())


def test_dropout_in_place_is_the_same_and_so_is_its_gradient():
    found = []
    for inplace in (False, True):
        x = torch.randn(40, 9, generator=torch.Generator().manual_seed(1)).requires_grad_()
        torch.manual_seed(0)
        taken = F.gelu(x)
        y = Dropout(0.4, inplace=inplace)(taken)
        assert (y.data_ptr() == taken.data_ptr()) == inplace
        y.square().sum().backward()
        found.append((y.detach(), x.grad))
    assert all(torch.equal(apart, in_place) for apart, in_place in zip(*found, strict=True))


def test_nothing_is_dropped_or_drawn_where_nothing_is_to_be():
    x = torch.randn(5, 6)
    state = torch.get_rng_state()
    assert torch.equal(Dropout(0.5).eval()(x), x) and torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(torch.get_rng_state(), state)
