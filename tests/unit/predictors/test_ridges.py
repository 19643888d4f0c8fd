"""The grid of ridges goes on where held-out speakers ask for more, and stops where they do not."""

import math

import pytest

from latentdyn.errors import UserError
from latentdyn.predictors.ridges import choose_ridge


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
