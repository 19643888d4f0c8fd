"""The linear map of one stale frame: least squares, and the explosion of a recursion that is exact for its process."""

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.free_runs.growth import free_run_growth
from latentdyn.diagnostics.linear_recursion import linear_predictor
from latentdyn.diagnostics.rollout import rollout_gap, rollout_reach
from latentdyn.distributions.gaussian import FullGaussian
from latentdyn.predictors.base import Predictor
from latentdyn.stores.windows import Scaling, Windows, common_runs

TRANSITION = np.diag([-0.95, 0.6, 0.9])
WINDOW = 8


class Exact(Predictor):
    """Δx_t | x_{t-k} of the VAR(1) with A = TRANSITION and unit noise: N((A - I) A^{k-1} x, C_k)."""

    def __init__(self, k: int) -> None:
        super().__init__(3, WINDOW)
        step, spread = TRANSITION - np.eye(3), np.zeros((3, 3))
        for power in range(k - 1):
            spread += np.linalg.matrix_power(TRANSITION @ TRANSITION.T, power)
        self.map = torch.from_numpy(step @ np.linalg.matrix_power(TRANSITION, k - 1))
        self.factor = torch.linalg.cholesky(torch.from_numpy(step @ spread @ step.T + np.eye(3)))

    def density(self, context):
        return FullGaussian(context[:, -1] @ self.map.T.to(context), self.factor.to(context))


@pytest.fixture
def data(make_store, var_process):
    store, frames = make_store(var_process(TRANSITION, 10, 1000))
    latents = torch.from_numpy(store.load())
    usable = common_runs(frames, WINDOW, [1, 4])
    train = usable.of_splits("train")
    return latents, train, usable.of_splits("eval"), Scaling.fit(Windows.of(latents, train, WINDOW))


@pytest.mark.parametrize(("k", "radius"), [(1, 0.95), (2, 1.95), (4, None)])
def test_the_exact_predictor_of_a_stable_process_explodes_and_so_does_the_linear_map(data, k, radius):
    latents, train, held_out, scaling = data
    linear, exact = linear_predictor(latents, train, WINDOW, k, scaling, ("test",)), Exact(k)
    late = held_out.late(rollout_reach(WINDOW, 4))
    targets = Windows.of(latents, late.table(range(500)), WINDOW)
    context, _ = targets.batch(slice(None), k)
    means = (p.density(context).mean() for p in (linear, exact))
    torch.testing.assert_close(*means, atol=0.25, rtol=0.05)
    gaps = [rollout_gap(p, targets, k).median() for p in (linear, exact)]
    assert float(gaps[0]) == pytest.approx(float(gaps[1]), rel=0.25, abs=0.1)
    assert (float(gaps[1]) > 100) == (k == 2)
    if radius is not None:
        history = latents[targets.rows[:8, None] + torch.arange(-WINDOW - k + 1, 0)]
        options = {"mean": scaling.frame_mean, "std": scaling.frame_std, "farthest": 10.0, "steps": 8}
        assert free_run_growth(exact, history, k, **options).growth == pytest.approx(radius, rel=1e-6)


def test_it_is_least_squares(data):
    latents, train, _, scaling = data
    predictor = linear_predictor(latents, train, WINDOW, 3, scaling, ("test",))
    context, delta = Windows.of(latents, train, 1).batch(slice(None), 3)
    design = np.column_stack([context[:, 0].double().numpy(), np.ones(len(context))])
    target = delta.double().numpy()
    fitted = design @ np.linalg.lstsq(design, target, rcond=None)[0]
    wide = Windows.of(latents, train, WINDOW).batch(slice(None), 3)[0]
    density = predictor.density(wide)
    np.testing.assert_allclose(density.mean().numpy(), fitted, atol=2e-5)
    residual = (target - fitted).T @ (target - fitted) / len(target)
    np.testing.assert_allclose((density.factor @ density.factor.T).numpy(), residual, atol=1e-4)
