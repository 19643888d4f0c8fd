"""Units of the step: there and back, and uncorrelated in the principal axes."""

import pytest
import torch

from latentdyn.predictors.target_axes import TargetAxes


@pytest.mark.parametrize("kind", ["natural", "principal"])
def test_a_step_comes_back_from_its_units(kind, scaling):
    target = TargetAxes(4, kind).double()
    target.set_scaling(scaling)
    delta = torch.randn(7, 4, dtype=torch.float64)
    torch.testing.assert_close(target.natural(target.standardized(delta)), delta, rtol=1e-10, atol=1e-10)
    jacobian = torch.autograd.functional.jacobian(target.standardized, delta[0])
    torch.testing.assert_close(-torch.linalg.slogdet(jacobian)[1], target.log_volume(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["natural", "principal"])
def test_training_deltas_have_mean_0_and_deviation_1(kind, scaling):
    target = TargetAxes(4, kind).double()
    target.set_scaling(scaling)
    torch.testing.assert_close(target.standardized(scaling.delta_mean), torch.zeros(4).double(), rtol=0, atol=1e-10)
    jacobian = torch.autograd.functional.jacobian(target.standardized, scaling.delta_mean)
    covariance = jacobian @ scaling.delta_covariance @ jacobian.T
    torch.testing.assert_close(covariance.diagonal(), torch.ones(4).double(), rtol=1e-10, atol=1e-10)
    is_diagonal = torch.allclose(covariance, torch.eye(4).double(), atol=1e-9)
    assert is_diagonal == (kind == "principal")
