"""The grid of ridges goes on where held-out speakers ask for more, and stops where they do not."""

import math

import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.predictors.ridges import choose_ridge, choose_ridge_of_most


def bowl(at: float):
    """A loss that is least at one ridge, a tenth more a decade away, and the list of ridges that were tried."""
    tried = []

    def loss(ridge: float) -> float:
        tried.append(ridge)
        return 0.1 * math.log10(ridge / at) ** 2

    return loss, tried


@pytest.mark.parametrize("at", [1e-7, 1e-2, 1.0, 1e5])
def test_it_goes_as_far_as_the_loss_falls(at):
    loss, tried = bowl(at)
    assert choose_ridge([1e-3, 1e-2, 1e-1], loss, 1e-4) == pytest.approx(at)
    assert len(tried) == (
        3 if at == 1e-2 else 3 + abs(round(math.log10(at / (1e-1 if at > 1 or at == 1 else 1e-3)))) + 1
    )


def test_a_gain_that_is_too_small_changes_nothing():
    assert choose_ridge([0.1, 1.0], lambda ridge: 1 / ridge, 0.95) == 1.0


def test_a_ridge_without_an_alternative_is_taken_and_zero_has_no_lower_one():
    assert choose_ridge([0.3], lambda ridge: math.nan, 1e-4) == 0.3
    assert choose_ridge([0.0, 1.0], lambda ridge: ridge, 1e-4) == 0.0


def test_it_does_not_run_away():
    assert choose_ridge([1.0, 10.0], lambda ridge: -ridge, 1e-4) == pytest.approx(1e12)


def test_a_loss_that_is_not_finite_is_never_chosen():
    assert choose_ridge([0.1, 1.0, 2.0], lambda ridge: math.nan if ridge == 0.1 else 1.0, 1e-4) == 1.0
    with pytest.raises(UserError, match="loss of held-out training speakers is not finite"):
        choose_ridge([0.1, 1.0], lambda ridge: math.inf, 1e-4)


def of_most(far, ridges=(1e-3, 1e-2, 1e-1), material=0.01, few=2):
    """The bowl of each of 100 frames, but for some that ask for a large ridge."""

    def loss(ridge):
        losses = torch.full((100,), 0.1 * math.log10(ridge / 1e-2) ** 2, dtype=torch.float64)
        losses[list(far)] = -1e3 * math.log10(ridge)
        return losses

    return choose_ridge_of_most(ridges, loss, 1e-4, few=few, material=material)


def test_few_frames_do_not_decide_the_ridge():
    ridge, left_out = of_most([30, 70])
    assert ridge == 1e-2 and sorted(left_out.tolist()) == [30, 70]


def test_all_frames_choose_where_few_do_not_decide():
    ridge, left_out = of_most([])
    assert ridge == 1e-2 and len(left_out) == 0
    ridge, left_out = of_most([30, 50, 70])  # these are more than few
    assert ridge > 1e10 and len(left_out) == 0
    ridge, left_out = of_most([30], material=1e3)  # it costs the others less than what counts
    assert ridge > 1e10 and len(left_out) == 0


def test_one_ridge_is_taken_as_it_is_without_held_out_frames():
    nothing = torch.tensor([torch.nan])
    ridge, left_out = choose_ridge_of_most([0.3], lambda _: nothing, 1e-4, few=1, material=0.01)
    assert ridge == 0.3 and len(left_out) == 0
