"""The closed form of the line from moments of contexts and steps."""

import pytest
import torch

from latentdyn.predictors.linear_gaussian import Moments


def moments_of(n: int) -> tuple[torch.Tensor, torch.Tensor, Moments]:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, dim, dtype=torch.float64, generator=generator) for dim in (8, 3))
    return x, y, Moments(x.T @ x, x.T @ y, y.T @ y, torch.zeros(8), torch.zeros(3))


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_a_ridge_is_a_share_of_the_mean_variance(ridge):
    x, y, moments = moments_of(40)
    weight, residual = moments.solution(ridge)
    penalty = ridge * (x.T @ x).diagonal().mean() * torch.eye(8, dtype=torch.float64)
    torch.testing.assert_close(weight, torch.linalg.inv(x.T @ x + penalty) @ x.T @ y)
    torch.testing.assert_close(residual, (y - x @ weight).T @ (y - x @ weight))


def test_contexts_that_do_not_span_have_the_shortest_solution():
    x, y, moments = moments_of(5)
    weight, residual = moments.solution(0.0)
    torch.testing.assert_close(weight, torch.linalg.pinv(x) @ y)
    torch.testing.assert_close(residual, torch.zeros(3, 3, dtype=torch.float64), atol=1e-12, rtol=0)
