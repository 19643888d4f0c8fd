"""Free runs of maps whose growth is known, and of processes whose law is."""

import numpy as np
import pytest
import scipy.linalg
import torch

from latentdyn.config.measurements.free_runs import FreeRuns
from latentdyn.diagnostics.free_runs import FreeRunSettings, comparison, free_run_growth, measure_free_runs
from latentdyn.diagnostics.free_runs.comparison import frechet_distance
from latentdyn.diagnostics.rollout import free_run
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.distributions.von_mises_fisher import VonMisesFisherLogNormal
from latentdyn.errors import UserError
from latentdyn.predictors.base import Predictor
from latentdyn.processes.base import Process
from latentdyn.seeds import numpy_generator
from latentdyn.stores.windows import Scaling, Windows, common_runs
from tests.settings import predictor_of, process_of


class LinearMap(Predictor):
    """x_t = A x_{t-k}: the step from x_{t-1} that leads there, known from the newest frame of the context."""

    def __init__(self, matrix: torch.Tensor, window_frames: int, k: int = 1) -> None:
        super().__init__(len(matrix), window_frames)
        self.register_buffer("step", matrix - torch.eye(len(matrix)))

    def density(self, context):
        mean = context[:, -1] @ self.step.T
        return diagonal_gaussian(mean, torch.zeros_like(mean))


def rotation(dim: int, radius: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return radius * torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q


def growth_of(matrix: torch.Tensor, window: int = 3, steps: int = 200):
    dim = len(matrix)
    history = torch.randn(8, window, dim, generator=torch.Generator().manual_seed(1))
    predictor = LinearMap(matrix, window)
    return free_run_growth(predictor, history, 1, mean=torch.zeros(dim), std=torch.ones(dim), farthest=4.0, steps=steps)


class Bent(LinearMap):
    """The same map, bent a little near 0 in a way that no linear map is."""

    def density(self, context):
        linear = super().density(context).mean()
        return diagonal_gaussian(linear + 0.01 * torch.sin(context[:, -1]), torch.zeros_like(linear))


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.0, 1.002, 1.05, 1.5, 8.0])
def test_the_growth_factor_of_a_linear_map_is_its_spectral_radius(radius):
    found = growth_of(rotation(6, radius))
    assert found.linear and found.growth == pytest.approx(radius, rel=1e-6)
    assert found.unbounded == (1.0 if radius > 1.002 else 0.0)


def test_the_largest_of_unequal_factors_counts():
    assert growth_of(torch.diag(torch.tensor([0.2, 0.97, 0.5]))).growth == pytest.approx(0.97, rel=1e-6)


@pytest.mark.parametrize("radius", [0.98, 1.002, 1.05])
def test_a_strongly_non_normal_map_has_the_radius_of_its_eigenvalues(radius):
    triangular = radius * torch.eye(5) + torch.diag(torch.full((4,), 5.0), 1)
    triangular[0, 0] = radius - 0.3  # else rounding alone moves a five-fold eigenvalue
    triangular[2, 2] = radius - 0.1
    triangular[3, 3], triangular[4, 4] = radius - 0.2, radius - 0.4
    assert growth_of(triangular).growth == pytest.approx(radius, abs=1e-4)


@pytest.mark.parametrize("radius", [0.9, 1.05, 1.2])
def test_what_is_not_linear_is_estimated_however_far_it_goes(radius):
    dim, matrix = 6, rotation(6, radius)
    history = torch.randn(8, 3, dim, generator=torch.Generator().manual_seed(1))
    options = {"mean": torch.zeros(dim), "std": torch.ones(dim), "farthest": 4.0, "steps": 256}
    found = free_run_growth(Bent(matrix, 3), history, 1, **options)
    assert not found.linear
    assert found.growth == pytest.approx(radius, abs=0.02 if radius < 1 else 0.005)


@pytest.mark.parametrize(("dim", "window", "k"), [(3, 4, 1), (3, 2, 5), (30, 18, 3)])
def test_the_radius_is_that_of_the_companion_matrix(dim, window, k):
    """Against the companion matrix written out by hand; the last is large enough for Arnoldi's method."""
    rng = np.random.default_rng(dim)
    model = predictor_of("linear_gaussian", dim, window_frames=window, ridges=[0.0])
    model.weight.copy_(torch.from_numpy(rng.normal(size=model.weight.shape) * 0.3 / np.sqrt(dim * window)))
    std = torch.from_numpy(rng.uniform(0.5, 2, dim)).float()
    model.frame_std.copy_(std)
    reach = window + k - 1
    companion = np.eye(reach * dim, k=-dim)
    companion[:dim, :dim] += np.eye(dim)
    for age in range(window):  # x_{s-k-age}
        rows = slice((window - 1 - age) * dim, (window - age) * dim)
        matrix = (model.weight[rows].double() / std.double()[:, None]).T.numpy()
        columns = slice((k - 1 + age) * dim, (k + age) * dim)
        companion[:dim, columns] += matrix
    history = torch.randn(4, reach, dim)
    found = free_run_growth(model, history, k, mean=torch.zeros(dim), std=std, farthest=10.0, steps=8)
    assert found.linear and found.growth == pytest.approx(np.abs(np.linalg.eigvals(companion)).max(), rel=1e-9)


def test_what_is_no_number_is_unbounded():
    found = growth_of(1e200 * torch.eye(3, dtype=torch.float64))
    assert found.unbounded == 1.0


@pytest.mark.parametrize("k", [1, 3])
def test_a_free_run_is_the_loop_of_its_definition(k):
    matrix, window = rotation(3, 0.9), 2
    predictor = LinearMap(matrix, window)
    history = torch.randn(4, window + k - 1, 3)
    states = free_run(predictor, history, 5, k)
    torch.testing.assert_close(states[:, : history.shape[1]], history)
    for b in range(4):
        x = list(history[b])
        for _ in range(5):
            x.append(x[-1] + predictor.step @ x[-k])
        torch.testing.assert_close(states[b], torch.stack(x))


GENERATION = FreeRunSettings(
    split="eval", runs=60, steps=80, at_steps=(1, 40, 80), temperature=1.0, max_frames=20_000, bootstrap_resamples=200
)


def var_and_its_model(make_store, process: Process, n_frames: int):
    """A store of the process, 30 speakers each for train and eval, and the linear model fitted to it."""
    speakers = [f"{'te'[i % 2]}{i}" for i in range(60)]
    store, frames = make_store({(s, s): process.utterance(n_frames, numpy_generator("var", s)) for s in speakers})
    latents = torch.from_numpy(store.load())
    usable = common_runs(frames, 2, [1])
    train = Windows.of(latents, usable.of_splits("train"), 2)
    model = predictor_of("linear_gaussian", store.dim, window_frames=2, ridges=[1e-8])
    model.set_scaling(Scaling.fit(train))
    model.solve(train, None, 1)
    return model, latents, frames


def generated(*arguments, **changes):
    settings = FreeRunSettings(**(vars(GENERATION) | changes))
    return {(r.metric, r.mode, r.step): r for r in measure_free_runs(*arguments, settings, ("test",))}


def test_draws_of_the_true_model_run_on_like_the_data_and_its_mean_comes_to_rest(make_store):
    process = process_of("var", dim=4, radius=0.8)
    found = generated(*var_and_its_model(make_store, process, 600), runs=400)
    for metric in ("energy", "step_length"):
        for step in (None, 40, 80):
            sampled = found[metric, "sampled", step]
            assert sampled.ci_low < sampled.value < sampled.ci_high
            assert sampled.value == pytest.approx(1, abs=0.12 if step else 0.05)
            assert step is None or found[metric, "mean", step].value < 0.02
    assert found["energy", "mean", 1].value > 0.2  # it has just left a true frame
    assert found["unbounded", "sampled", None].value == found["unbounded", "mean", None].value == 0
    # tr(A^l S) / tr S with S a multiple of I, and for deltas of (2 A^l - A^(l+1) - A^(l-1)) S
    trace = {power: np.trace(np.linalg.matrix_power(process.transition, power)) / 4 for power in range(10)}
    for lag in (1, 2, 4, 8):
        exact = {
            "latents": trace[lag],
            "deltas": (2 * trace[lag] - trace[lag + 1] - trace[lag - 1]) / (2 - 2 * trace[1]),
        }
        for kind, value in exact.items():
            for mode in ("sampled", "data"):
                mine = found[f"autocorrelation_{kind}", mode, lag]
                assert mine.value == pytest.approx(value, abs=0.06) and mine.ci_low < mine.value < mine.ci_high
    variance = 4 / (1 - 0.64)
    for kind in ("latents", "deltas"):
        floor, distance = (found[f"frechet_{kind}", mode, None] for mode in ("data", "sampled"))
        assert 0 < floor.value < 0.005 * variance and distance.value < 0.005 * variance
        assert distance.n == 400 * (80 - 8) and floor.n == 30 * (600 - 9)  # all there is


def test_colder_draws_move_less_and_are_another_law(make_store):
    model = var_and_its_model(make_store, process_of("var", dim=4, radius=0.8), 600)
    warm, cold = generated(*model), generated(*model, temperature=0.25)
    # the noise of a linear model is scaled by √T, so its states are too
    assert cold["energy", "sampled", None].value == pytest.approx(0.25 * warm["energy", "sampled", None].value, rel=0.1)
    assert cold["frechet_latents", "sampled", None].value > 20 * warm["frechet_latents", "sampled", None].value


def test_an_unstable_process_is_flagged_as_unbounded(make_store):
    model = var_and_its_model(make_store, process_of("var", dim=4, radius=1.05), 40)
    found = generated(*model, steps=256, at_steps=(16, 256))
    assert found["unbounded", "sampled", None].value == found["unbounded", "mean", None].value == 1
    energies = [found["energy", "sampled", step].value for step in (16, 256)]
    assert np.log(energies[1] / energies[0]) / (2 * 240) == pytest.approx(np.log(1.05), rel=0.05)


class Exploding(LinearMap):
    """Squares its state; and its median is not its mean."""

    def density(self, context):
        steps = context[:, -1] ** 3
        length = steps.norm(dim=1)
        return VonMisesFisherLogNormal(steps / length[:, None], 1e6 + 0 * length, length.log(), 0 * length)


def test_an_explosion_beyond_every_float_is_an_overflow(make_store):
    _, latents, frames = var_and_its_model(make_store, process_of("var", dim=4, radius=0.8), 40)
    found = generated(Exploding(torch.eye(4), 2), latents, frames, runs=8)
    for mode in ("sampled", "mean", "median"):
        assert found["unbounded", mode, None].value > 0
        assert found["energy", mode, 80].status == found["step_length", mode, None].status == "overflow"
    assert found["frechet_latents", "sampled", None].status == "overflow"
    assert found["frechet_latents", "data", None].status == "ok"


def test_utterances_too_short_for_the_lags_are_refused(make_store):
    rng = np.random.default_rng(0)
    _, frames = make_store({("a", "t0"): rng.normal(size=(30, 2)), ("b", "e0"): rng.normal(size=(9, 2))})
    with pytest.raises(UserError, match="no utterance of split eval has 10 finite frames in a row"):
        generated(LinearMap(torch.eye(2), 3), torch.zeros(39, 2), frames)


def test_the_shortest_run_that_the_config_allows_reaches_the_longest_lag(make_store):
    (least,) = (x.ge for x in FreeRuns.model_fields["steps"].metadata if hasattr(x, "ge"))
    assert least == max(comparison._LAGS) + 1
    model = var_and_its_model(make_store, process_of("var", dim=2, radius=0.8), 30)
    found = generated(*model, steps=least, at_steps=(1, least))
    assert found["autocorrelation_deltas", "sampled", 8].n == 60


def test_the_frechet_distance_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(500, 5)) @ rng.normal(size=(5, 5)) + 1
    b = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5))
    ca, cb = np.cov(a.T), np.cov(b.T)
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(ca + cb - 2 * scipy.linalg.sqrtm(ca @ cb).real)
    assert frechet_distance(torch.tensor(a), torch.tensor(b)) == pytest.approx(expected)
    assert frechet_distance(torch.tensor(a), torch.tensor(a)) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(torch.tensor(a), torch.tensor(a + np.array([3, 4, 0, 0, 0]))) == pytest.approx(25)
    flat = torch.tensor(a)
    flat[:, 2] = 0  # singular covariances have a root too
    assert frechet_distance(flat, 3 * flat) == pytest.approx(
        float(4 * flat.var(0).sum() + 4 * flat.mean(0).square().sum())
    )
    flat[0, 0] = torch.nan
    assert frechet_distance(flat, torch.tensor(a)) == float("inf")
