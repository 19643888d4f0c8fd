"""The noise that a decoder's sensitivity shapes."""

import numpy as np
import pytest

from latentdyn.perception.sensitivity import noise_shape

D = 3
STD = np.array([1.0, 4.0, 0.5])


def test_shaped_noise_goes_where_it_is_not_heard_and_costs_as_many_bits():
    root = np.random.default_rng(4).normal(size=(D, D))
    matrix = root @ root.T
    shape = noise_shape(matrix, STD, ridge=1e-9)
    covariance = shape @ shape.T
    np.testing.assert_allclose(matrix @ covariance, np.eye(D) * (matrix @ covariance)[0, 0], atol=1e-5)
    assert np.linalg.slogdet(covariance)[1] == pytest.approx(np.log(STD**2).sum())
    assert np.trace(matrix @ covariance) < np.trace(matrix @ np.diag(STD**2))


def test_noise_is_white_where_all_is_heard_alike_and_where_the_ridge_is_all_that_counts():
    np.testing.assert_allclose(noise_shape(np.diag(STD**-2.0), STD, ridge=0.1), np.diag(STD), atol=1e-12)
    np.testing.assert_allclose(noise_shape(np.diag([1.0, 0, 0]), STD, ridge=1e6), np.diag(STD), rtol=1e-5, atol=1e-4)
    deaf = noise_shape(np.diag([1.0, 0, 0]), STD, ridge=0.01)  # nothing of two dimensions is heard
    assert (np.diag(deaf) / STD)[0] < 1 < (np.diag(deaf) / STD)[1] < np.inf
