"""Predictors that read the past: however the frames come, the context is the same."""

import math

import pytest
import torch

from latentdyn.diagnostics.rollout import by_draws, free_run, rollout, rollout_gap
from latentdyn.predictors.base import build_predictor
from latentdyn.stores.windows import Windows

DIM, W = 2, 3
NETWORKS = {
    "gru": {"kind": "gru", "width": 6, "layers": 2, "dropout": 0.2},
    "transformer": {"kind": "transformer", "width": 8, "layers": 2, "heads": 2, "dropout": 0.2},
}
HEAD = {
    "kind": "mdn", "window_frames": W, "context_normalisation": "standard", "context_clip": None, "lookup": None,
    "target": "level",
    "linear_skip": "none", "target_axes": "natural", "components": "gaussian", "n_components": 2,
    "log_sigma_min": -5.0, "log_sigma_max": 3.0,
}  # fmt: skip
LENGTHS = (12, 9, 5)  # frames of utterances that lie one after another in the store


@pytest.fixture(params=NETWORKS)
def predictor(request):
    torch.manual_seed(0)
    return build_predictor(HEAD | {"network": NETWORKS[request.param], "reads": "past"}, DIM).double().eval()


@pytest.fixture
def latents():
    return torch.randn(sum(LENGTHS), DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def targets(latents, k=1, first=W - 1):
    """All frames whose context has W frames, of all utterances."""
    start = [sum(LENGTHS[:i]) for i in range(len(LENGTHS))]
    t = torch.cat([torch.arange(first + k, n) for n in LENGTHS])
    begins = torch.cat([torch.full((n - first - k,), s) for n, s in zip(LENGTHS, start, strict=True)])
    return Windows(latents, begins + t, W, t=t)


def outputs(predictor, latents, row, t, k=1):
    """The outputs given the frames from the utterance's first to k before a target, and no others."""
    return predictor.outputs(latents[None, row - t : row - k + 1])


@pytest.mark.parametrize("k", [1, 3])
def test_every_way_of_reading_gives_the_same_context(predictor, latents, k):
    windows = targets(latents, k)
    places = zip(windows.rows.tolist(), windows.t.tolist(), strict=True)
    expected = torch.cat([outputs(predictor, latents, row, t, k) for row, t in places])
    context, delta = predictor.batches(windows, k)(slice(None))
    torch.testing.assert_close(predictor.outputs(context), expected)
    torch.testing.assert_close(context.recent, windows.batch(slice(None), k)[0])
    torch.testing.assert_close(delta, latents[windows.rows] - latents[windows.rows - 1])
    few = torch.tensor([4, 0, 9])
    torch.testing.assert_close(predictor.outputs(predictor.batches(windows, k)(few)[0]), expected[few])

    history = predictor.history(windows, slice(None), W, -k)  # missing frames first
    assert history.isnan().any() and history.shape[1] == max(LENGTHS) - k
    torch.testing.assert_close(predictor.outputs(history), expected)
    reading = predictor.reading()
    for n in (2, 1, 0):  # the first time, some frame of each is known
        stepwise = reading.context(history[:, : history.shape[1] - n])
    torch.testing.assert_close(predictor.outputs(stepwise), expected)

    contexts, at = predictor.every_context(history, history)
    known = (~history.isnan().any(dim=2)).cumsum(dim=1)
    assert torch.equal(at, known >= W)
    ends = at.nonzero()[:, 1] == history.shape[1] - 1
    torch.testing.assert_close(predictor.outputs(contexts)[ends], expected)
    of_longest = at.nonzero()[:, 0] == 9 - k  # whose target is the last of the first utterance
    torch.testing.assert_close(predictor.outputs(contexts)[of_longest], expected[: 10 - k])


def test_it_reads_back_to_the_start_of_the_utterance_and_not_beyond(predictor, latents):
    windows = targets(latents)
    before = predictor.outputs(predictor.batches(windows, 1)(slice(None))[0])
    for row in (0, 12):  # far before the newest W frames of the last targets of their utterances
        moved = latents.clone()
        moved[row] += 1
        after = predictor.outputs(predictor.batches(targets(moved), 1)(slice(None))[0])
        changed = (after != before).any(dim=1)
        mine = windows.rows - windows.t == row
        assert torch.equal(changed, mine)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_past_begins_after_the_last_frame_that_is_not_finite(predictor, latents, bad):
    holed = latents.clone()
    holed[4, 1] = bad
    rows = torch.tensor([9, 10])
    windows = Windows(holed, rows, W, t=rows)
    expected = torch.cat([predictor.outputs(latents[None, 5:row]) for row in (9, 10)])
    torch.testing.assert_close(predictor.outputs(predictor.batches(windows, 1)(slice(None))[0]), expected)
    torch.testing.assert_close(predictor.outputs(predictor.history(windows, slice(None), W, -1)), expected)


def test_the_first_outputs_are_those_of_all(predictor, latents):
    torch.testing.assert_close(predictor.outputs(latents[None], 3), predictor.outputs(latents[None])[:, :3])


@pytest.mark.parametrize("k", [1, 2])
def test_runs_and_forecasts_read_what_they_have_made_and_what_was_injected(predictor, latents, k):
    windows = Windows(latents, torch.tensor([5, 17]), W, t=torch.tensor([5, 5]))
    steps, inject = 3, torch.tensor([False, True, False])
    truth = predictor.history(windows, slice(None), W + k - 1 + steps, steps)
    assert truth.shape[1] == 9  # whole pasts, and the steps

    def one_by_one(inject):
        states, taken = truth.clone(), []
        for s, now in enumerate(range(6, 9)):
            if inject[s]:
                states[:, now - 1] = truth[:, now - 1]
            taken.append(predictor.density(states[:, : now - k + 1]).mean())
            states[:, now] = states[:, now - 1] + taken[-1]
        return states, torch.stack(taken, dim=1)

    never = torch.zeros(steps, dtype=torch.bool)
    states, taken = one_by_one(never)
    torch.testing.assert_close(free_run(predictor, truth[:, :6], steps, k), states)
    found = rollout(predictor, truth, steps, never, k=k)
    torch.testing.assert_close((found.states, found.steps), (states[:, 5:], taken))
    mixed = rollout(predictor, truth, steps, inject, k=k)
    torch.testing.assert_close(mixed.steps, one_by_one(inject)[1])
    assert not torch.allclose(mixed.steps, taken)
    if k == 1:
        forced = rollout(predictor, truth, steps, ~never)
        teacher = [predictor.nll(truth[:, :now], truth[:, now] - truth[:, now - 1]) for now in range(6, 9)]
        torch.testing.assert_close(forced.nll, torch.stack(teacher, dim=1))
    draws = [free_run(predictor, truth[:, :6], steps, k, by_draws(torch.Generator().manual_seed(2))) for _ in range(2)]
    assert torch.equal(*draws) and not torch.allclose(draws[0], states)


def test_the_rollout_gap_is_of_the_whole_past(predictor, latents):
    windows = Windows(latents, torch.tensor([10, 19]), W, t=torch.tensor([10, 7]))
    gaps = rollout_gap(predictor.requires_grad_(False), windows, 1)
    for gap, row, t in zip(gaps, windows.rows.tolist(), windows.t.tolist(), strict=True):
        past, delta = latents[None, row - t : row], latents[None, row] - latents[None, row - 1]
        own = free_run(predictor, past[:, :-W], W, 1)
        assert own.shape == past.shape
        expected = predictor.nll(own, delta) - predictor.nll(past, delta)
        assert float(gap) == pytest.approx(float(expected), rel=1e-9)
