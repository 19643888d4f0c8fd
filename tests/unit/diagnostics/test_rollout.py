"""Rollouts with injections against the definition written as a loop over segments."""

import pytest
import torch

from latentdyn.diagnostics.rollout import by_draws, by_mean, by_median, free_run, rollout, rollout_modes
from latentdyn.distributions.gaussian_mixture import DiagonalGaussianMixture
from latentdyn.distributions.von_mises_fisher import VonMisesFisherLogNormal
from latentdyn.predictors.base import Predictor

S, D, W = 6, 3, 2
MODES = {"A": [1, 2, 3, 4, 5, 6], "B": [2, 5], "C": [1], "D": []}


class Sensitive(Predictor):
    """The step depends on every frame of the context, to tell any misplaced one; mean and median differ."""

    def __init__(self):
        super().__init__(D, W)
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weight", 0.4 * torch.randn(W * D, D, generator=generator, dtype=torch.float64))
        self.calls = 0

    def density(self, context):
        self.calls += 1
        direction = torch.tanh(context.flatten(1) @ self.weight)
        length = direction.norm(dim=1)
        return VonMisesFisherLogNormal(direction / length[:, None], 5 + length, length.log(), -1 + 0 * length)


class Mixture(Sensitive):
    def density(self, context):
        mean = torch.tanh(context.flatten(1) @ self.weight)
        log_weights = torch.log_softmax(torch.stack([mean[:, 0], 0 * mean[:, 0]], 1), 1)
        return DiagonalGaussianMixture(log_weights, torch.stack([mean, -mean], 1), torch.stack([0.1 * mean, mean], 1))


@pytest.fixture
def truth():
    return torch.randn(4, 6 + S, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def mask(injected: list[int]) -> torch.Tensor:
    return torch.tensor([s in injected for s in range(1, S + 1)])


def by_loop(predictor, truth, injected, step, k):
    """One segment (H + S, D), from the definition: states x̂_0 .. x̂_S, steps and NLLs."""
    h = len(truth) - S
    x = list(truth[:h])
    states, steps, nll = [], [], []
    for s in range(1, S + 1):
        if s in injected:
            x[-1] = truth[h + s - 2]
        states.append(x[-1])
        newest = len(x) - k  # the context ends k frames before the frame that is predicted
        density = predictor.density(torch.stack(x[newest - W + 1 : newest + 1])[None])
        nll.append(-density.log_prob((truth[h + s - 1] - truth[h + s - 2])[None])[0])
        steps.append(step(density)[0])
        x.append(x[-1] + steps[-1])
    return torch.stack([*states, x[-1]]), torch.stack(steps), torch.stack(nll)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("kind", "step"), [(Sensitive, by_mean), (Sensitive, by_median), (Mixture, by_mean)])
def test_one_batch_of_modes_is_a_loop_over_its_segments(kind, step, k, truth):
    predictor = kind()
    masks = torch.stack([mask(injected) for injected in MODES.values()]).repeat_interleave(len(truth), dim=0)
    found = rollout(predictor, truth.repeat(len(MODES), 1, 1), S, masks, step, k)
    for i, injected in enumerate(MODES.values()):
        for b in range(len(truth)):
            row = i * len(truth) + b
            expected = by_loop(predictor, truth[b], injected, step, k)
            for mine, theirs in zip((found.states, found.steps, found.nll), expected, strict=True):
                torch.testing.assert_close(mine[row], theirs)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [Sensitive, Mixture])
def test_a_draw_is_that_of_the_loop(kind, mode, truth):
    predictor = kind()
    draws = [by_draws(torch.Generator().manual_seed(7), 0.5) for _ in range(2)]
    found = rollout(predictor, truth[:1], S, mask(MODES[mode]), draws[0])
    expected = by_loop(predictor, truth[0], MODES[mode], draws[1], 1)
    for mine, theirs in zip((found.states, found.steps, found.nll), expected, strict=True):
        torch.testing.assert_close(mine[0], theirs)
    other = rollout(predictor, truth[:1], S, mask(MODES[mode]), by_draws(torch.Generator().manual_seed(8)))
    assert not torch.allclose(other.steps, found.steps)


def test_a_corrected_state_is_what_the_next_step_starts_from(truth):
    predictor, seen = Sensitive(), []

    def correct(states):
        seen.append(states.clone())
        return 0.5 * states + 1

    found = rollout(predictor, truth, S, mask([4]), correct=correct)
    for b in range(len(truth)):
        x = list(truth[b, :6])
        for s in range(1, S + 1):
            if s == 4:
                x[-1] = truth[b, 8]
            density = predictor.density(torch.stack(x[-W:])[None])
            nll = -density.log_prob((truth[b, 5 + s] - truth[b, 4 + s])[None])[0]
            torch.testing.assert_close(found.nll[b, s - 1], nll)
            uncorrected = x[-1] + density.mean()[0]
            torch.testing.assert_close(seen[s - 1][b], uncorrected)
            torch.testing.assert_close(found.corrections[b, s - 1], 1 - 0.5 * uncorrected)
            torch.testing.assert_close(found.steps[b, s - 1], 0.5 * uncorrected + 1 - x[-1])
            x.append(0.5 * uncorrected + 1)
        torch.testing.assert_close(found.states[b, -1], x[-1])
    free = rollout(predictor, truth, S, mask([]), correct=correct)
    torch.testing.assert_close(free_run(predictor, truth[:, :6], S, 1, correct=correct)[:, 5:], free.states)
    assert rollout(predictor, truth, S, mask([])).corrections is None


@pytest.mark.parametrize("k", [1, 3])
def test_a_free_run_by_the_mean_makes_no_density_where_the_mean_is_had_without(k, truth):
    class MeanOnly(Mixture):
        def mean_step(self, context):
            return Mixture.density(self, context).mean()

        def density(self, context):
            raise AssertionError("not needed")

    found = free_run(MeanOnly(), truth, S, k)
    assert torch.equal(found, free_run(Mixture(), truth, S, k, lambda density: density.mean()))
    assert not torch.equal(found, free_run(Mixture(), truth, S, k, lambda density: -density.mean()))


@pytest.mark.parametrize("b", [[1], [2, 5], [4], [6], [1, 3]])
def test_modes_are_rollouts_with_their_injections(b, truth):
    predictor = Sensitive()
    found = rollout_modes(predictor, truth, S, b)
    assert list(found) == list(MODES)
    for mode, injected in (MODES | {"B": b}).items():
        expected = rollout(predictor, truth, S, mask(injected))
        for name in ("states", "steps", "nll"):
            torch.testing.assert_close(getattr(found[mode], name), getattr(expected, name), msg=f"{name} of {mode}")


def test_each_step_asks_for_one_density(truth):
    predictor = Sensitive()
    rollout(predictor, truth, S, mask([2]))
    assert predictor.calls == S


def test_truth_at_every_step_is_teacher_forcing_and_truth_at_the_first_changes_nothing(truth):
    predictor = Sensitive()
    a, c, d = (rollout(predictor, truth, S, mask(MODES[mode])) for mode in "ACD")
    torch.testing.assert_close(a.states[:, :S], truth[:, 5 : 5 + S])
    for s in range(1, S + 1):
        now = 6 + s - 1
        density = predictor.density(truth[:, now - W : now])
        torch.testing.assert_close(a.steps[:, s - 1], density.mean())
        torch.testing.assert_close(a.nll[:, s - 1], -density.log_prob(truth[:, now] - truth[:, now - 1]))
    assert torch.equal(c.states, d.states) and torch.equal(c.nll, d.nll)
    torch.testing.assert_close(d.states, free_run(predictor, truth[:, :6], S, 1)[:, 5:])
    torch.testing.assert_close(d.states[:, 0], truth[:, 5])  # step 1 starts from truth in every mode


def test_truth_is_read_only_and_the_future_is_not_seen(truth):
    predictor, before = Sensitive(), truth.clone()
    d = rollout(predictor, truth, S, mask([]))
    assert torch.equal(truth, before)
    changed = truth.clone()
    changed[:, 6:] += 1
    torch.testing.assert_close(rollout(predictor, changed, S, mask([])).states, d.states)
    late = rollout(predictor, changed, S, mask([4]))  # truth enters at step 4, not before
    torch.testing.assert_close(late.states[:, :3], d.states[:, :3])
    assert not torch.allclose(late.states[:, 3], d.states[:, 3])


def test_a_history_too_short_for_the_context_is_refused(truth):
    with pytest.raises(ValueError, match="no history of 4"):
        rollout(Sensitive(), truth[:, : 3 + S], S, mask([]), k=3)


class Failing(Mixture):
    """Says NaN of every context whose newest frame is large."""

    def density(self, context):
        found = super().density(context)
        failed = torch.where(context[:, -1:, :1].abs() > 100, torch.nan, 0.0)
        return DiagonalGaussianMixture(found.log_weights + failed[:, :, 0], found.means + failed, found.log_sigmas)


@pytest.mark.parametrize("step", [by_mean, by_draws(torch.Generator().manual_seed(0))], ids=["mean", "draws"])
def test_a_row_that_fails_leaves_the_others_alone(step, truth):
    truth[1] += 1000
    found = rollout(Failing(), truth, S, mask([]), step)
    finite = torch.isfinite(found.steps).all(dim=2).all(dim=1)
    assert finite.tolist() == [True, False, True, True]
    assert found.nll[1].isposinf().all()
