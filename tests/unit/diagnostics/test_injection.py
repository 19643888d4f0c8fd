"""The injection diagnostic: the exact ceiling of a VAR(1), and what a handful of frames gives by hand."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch

from latentdyn.diagnostics.injection import (
    InjectionSettings,
    Mode,
    draw_segments,
    evaluate_injection,
    score_forecasts,
)
from latentdyn.diagnostics.records import Identity, Record, write_metrics
from latentdyn.diagnostics.rollout import Rollout
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.distributions.von_mises_fisher import VonMisesFisherLogNormal
from latentdyn.errors import UserError
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import numpy_generator
from latentdyn.stores.windows import Scaling, Windows, common_runs
from tests.settings import predictor_of, process_of

SETTINGS = {"splits": ("eval",), "utterances": 2, "segments": 2, "steps": 4, "injected_steps_b": (3,), "draws": 0,
            "temperature": 1.0, "bootstrap_resamples": 200}  # fmt: skip


def settings(**changes) -> InjectionSettings:
    return InjectionSettings(**(SETTINGS | changes))


def by_key(records: list[Record]) -> dict[tuple[str, str | None, int | None], Record]:
    found = {(r.metric, r.mode, r.step): r for r in records}
    assert len(found) == len(records)  # one split, each value once
    return found


def fitted(latents, frames, horizons):
    usable = common_runs(frames, 1, horizons)
    train = Windows.of(latents, usable.of_splits("train"), 1)
    predictors = {}
    for k in horizons:
        predictors[k] = predictor_of("linear_gaussian", latents.shape[1], window_frames=1, ridges=[1e-8])
        predictors[k].set_scaling(Scaling.fit(train))
        predictors[k].solve(train, None, k)
    return predictors


HORIZONS = [1, 2, 3, 4, 6]


@pytest.fixture(scope="module")
def answers():
    process = process_of("var", dim=8, radius=0.8)
    return process, {(a.metric, a.horizon): a.value for a in process.answers(HORIZONS)}


def test_the_true_model_of_a_var_reaches_the_exact_ceiling(make_store, answers):
    process, exact = answers
    speakers = [f"{'tte'[i % 3]}{i:03}" for i in range(180)]
    store, frames = make_store({(s, s): process.utterance(150, numpy_generator("var", s)) for s in speakers})
    latents = torch.from_numpy(store.load())
    predictors = fitted(latents, frames, HORIZONS)
    chosen = settings(utterances=60, segments=8, steps=6, injected_steps_b=(4,), draws=16)
    records, _ = evaluate_injection(predictors[1], predictors, latents, frames, 12.5, chosen, ("test",))
    found = by_key(records)
    assert found["segments", None, None].value == 480 and found["speakers", None, None].value == 60
    for h in HORIZONS:
        for mode in ("D", "ceiling"):
            cosine = found["cosine", mode, h]
            assert cosine.n == 480 and cosine.ci_low < exact["cosine", h] < cosine.ci_high, (mode, h)
        # of a linear model the mean of the mean's context is the mean
        assert found["skill", "D", h].value == pytest.approx(1, abs=0.02)
        assert found["cosine", "A", h].value == pytest.approx(exact["cosine", 1], abs=0.03)
        assert found["dnll", "ceiling", h].value == pytest.approx(exact["dnll", h], abs=0.35)
    # the one-step density is sure of a mean that is not: it loses to the diagonal Gaussian (science §3.2)
    assert found["dnll", "D", 6].value > 0.5 > 0 > found["dnll", "A", 6].value
    assert found["skill", "D", None].value == pytest.approx(1, abs=0.02)
    assert found["skill", "D", 1].value == 1
    # the mean shrinks to the process's own, and the state error saturates at its spread
    assert found["magnitude_ratio", "D", 6].value < 0.5 * found["magnitude_ratio", "D", 1].value
    assert found["state_error_normalised", "D", 1].value == 0
    assert 0.8 < found["state_error_normalised", "D", 6].value < 1
    assert found["state_error_normalised", "D_sampled", 6].value > 1.1  # a draw of its own, towards √2
    # truth at step 4 brings back what one step knows
    reset = found["reset_cosine", "B", 4]
    assert reset.ci_low > 0.2 and reset.value == pytest.approx(exact["cosine", 1] - exact["cosine", 3], abs=0.05)
    assert found["reset_dnll", "B", 4].ci_high < 0
    assert found["divergence_horizon", "A", None].value == 7  # never, of 6
    assert found["nonfinite", "D", None].value == 0
    assert found["cosine", "C", 5] == dataclasses.replace(found["cosine", "D", 5], mode="C")


class Fixed(Predictor):
    """Always the same step, of unit deviation; heavy, if its mean is further than its median."""

    def __init__(self, step, heavy=False):
        super().__init__(len(step), 2)
        self.step, self.heavy = torch.tensor(step), heavy

    def density(self, context):
        steps = self.step.to(context).expand(len(context), -1)
        if self.heavy:
            length, ones = steps.norm(dim=1), torch.ones_like(steps[:, 0])
            return VonMisesFisherLogNormal(steps / length[:, None], 1e6 * ones, length.log(), 0 * ones)
        return diagonal_gaussian(steps, torch.zeros_like(steps))


@pytest.fixture
def line(make_store):
    """x_t = (t, 0) in eval, so that every step is (1, 0); training frames move in both dimensions."""
    walk = np.random.default_rng(0).normal(size=(50, 2)).cumsum(0)
    straight = np.stack([np.arange(12.0), np.zeros(12)], 1)
    store, frames = make_store({("a", "t0"): walk, ("b", "e0"): straight, ("c", "e1"): straight + np.array([5, 0])})
    return torch.from_numpy(store.load()), frames


def test_scores_by_hand(line, tmp_path):
    latents, frames = line
    predictor = Fixed([0.6, 0.8])
    records, speakers = evaluate_injection(predictor, {2: predictor}, latents, frames, 12.5, settings(), ("test",))
    found = by_key(records)
    identity = Identity("injection", "c", "r", "p", "teacher_forced", 0)
    write_metrics(tmp_path / "metrics.json", identity, records)  # every number is one that JSON knows
    train = frames.of_splits("train").late(3).rows()
    x = latents.numpy().astype(float)
    deltas = x[train] - x[train - 1]
    baseline = -torch.distributions.Normal(*(torch.tensor(f(deltas, axis=0)) for f in (np.mean, np.std))).log_prob(
        torch.tensor([1.0, 0.0])
    )
    dnll = 0.5 * (0.4**2 + 0.8**2) + math.log(2 * math.pi) - float(baseline.sum())
    spread = math.sqrt(x[train].var(axis=0).sum())
    drift = math.hypot(0.4, 0.8)  # a step
    for mode, since_truth in (("A", [0, 0, 0, 0]), ("B", [0, 1, 0, 1]), ("C", [0, 1, 2, 3]), ("D", [0, 1, 2, 3])):
        for step, n in enumerate(since_truth, 1):
            assert found["state_error", mode, step].value == pytest.approx(n * drift, abs=1e-5)
            assert found["state_error_normalised", mode, step].value == pytest.approx(n * drift / spread, abs=1e-5)
            assert found["cosine", mode, step].value == pytest.approx(0.6)
            assert found["magnitude_ratio", mode, step].value == pytest.approx(1)
            assert found["dnll", mode, step].value == pytest.approx(dnll, abs=1e-4)
        pooled = found["state_error", mode, None]
        assert pooled.value == pytest.approx(np.mean(since_truth) * drift, abs=1e-5) and pooled.n == 4 * 4
    assert found["skill", "D", 2].value == 1 and ("skill", "D", 3) not in found
    assert ("state_error", "ceiling", 2) not in found and ("cosine", "ceiling", 1) not in found
    assert found["reset_cosine", "B", 3].value == pytest.approx(0) and ("reset_cosine", "B", 4) not in found
    assert ("cosine", "D_median", 1) not in found and ("cosine", "D_sampled", 1) not in found
    # what each speaker's frames add up to gives the means
    for keys, group in speakers.groupby(["metric", "mode", "step"], dropna=False):
        metric, mode, step = keys
        mine = found[metric, mode, None if pd.isna(step) else int(step)]
        assert group["total"].sum() / group["n"].sum() == pytest.approx(mine.value) and group["n"].sum() == mine.n


def test_the_divergence_horizon_is_the_first_step_lost(line):
    latents, frames = line
    wide = settings(steps=6, segments=1)
    horizon = {}
    for name, step in {"right": [1.0, 0.0], "wrong": [-1.0, 0.0], "far": [40.0, 0.0]}.items():
        found = by_key(evaluate_injection(Fixed(step), {}, latents, frames, 12.5, wide, ("test",))[0])
        horizon[name] = found["divergence_horizon", "D", None]
    assert horizon["right"].value == 7 and (horizon["right"].ci_low, horizon["right"].ci_high) == (7, 7)
    assert horizon["wrong"].value == 1
    assert horizon["far"].value == 2  # right by direction at step 1, left behind after it


class Planned:
    """Forecasts of three steps whose cosine and state error at step 2 are set for each of 2 speakers; D = 8.

    Everything else is right. There are 2 segments a speaker, so chance is 1 / sqrt(4 x 8) at each step.
    """

    def __init__(self, make_store):
        rng = np.random.default_rng(0)
        straight = np.zeros((12, 8))
        straight[:, 0] = np.arange(12)
        walk = rng.normal(size=(60, 8)).cumsum(0)
        store, self.frames = make_store({("a", "t0"): walk, ("b", "e0"): straight, ("c", "e1"): straight})
        self.latents = torch.from_numpy(store.load())
        train = self.frames.of_splits("train").late(1)
        self.spread = float(Scaling.fit(Windows.of(self.latents, train, 1)).frame_std.square().sum().sqrt())

    def horizon(self, cosines=(1.0, 1.0), error=0.0):
        def forecasts(truth, names):
            speakers = np.array([0, 0, 1, 1])
            states, steps = truth[:, -4:].clone(), truth[:, -4:].diff(dim=1)
            states[:, 1, 1] += error * self.spread
            for row, speaker in enumerate(speakers):
                cosine = cosines[speaker]
                steps[row, 1, :2] = torch.tensor([cosine, math.sqrt(1 - cosine**2)])
            yield Mode("D"), 1, Rollout(states, steps, torch.zeros(4, 3))

        chosen = settings(steps=3, bootstrap_resamples=4000)
        records, _ = score_forecasts(forecasts, Predictor(8, 1), {}, self.latents, self.frames, 12.5, chosen, ("test",))
        found = by_key(records)
        assert found["cosine", "D", 2].value == pytest.approx(np.mean(cosines))
        assert found["state_error_normalised", "D", 2].value == pytest.approx(error, rel=1e-4)
        return found["divergence_horizon", "D", None].value


@pytest.mark.parametrize(
    ("cosines", "lost"),
    [
        # 2 / sqrt(32) = .354 is above what the speakers' standard error asks for
        ((0.37, 0.37), False),
        ((0.34, 0.34), True),
        ((0.47, 0.27), False),
        ((0.44, 0.24), True),
        # a mean over 2 speakers that are d apart has the standard error d / (2 sqrt 2): twice that is .424 and .636
        ((0.80, 0.20), False),
        ((0.70, 0.10), True),
        ((0.95, 0.05), True),
    ],
)
def test_a_step_is_lost_within_two_standard_errors_of_chance(make_store, cosines, lost):
    assert Planned(make_store).horizon(cosines) == (2 if lost else 4)


@pytest.mark.parametrize(("error", "lost"), [(0.98, False), (1.02, True)])
def test_a_step_is_lost_beyond_the_spread_of_the_data(make_store, error, lost):
    assert Planned(make_store).horizon(error=error) == (2 if lost else 4)


class BySpeaker(Fixed):
    """Another step where the second coordinate is large, as it is in the frames of one speaker."""

    def __init__(self, step, other):
        super().__init__(step)
        self.other = torch.tensor(other)

    def density(self, context):
        steps = torch.where(context[:, -1, 1:] > 50, self.other, self.step)
        return diagonal_gaussian(steps, torch.zeros_like(steps))


@pytest.mark.parametrize(
    ("cosines", "defined"), [((1.0, -0.2), False), ((1.0, 0.2), True), ((-0.2, -0.8), True), ((-0.2, 0.8), False)]
)
def test_skill_is_undefined_where_the_interval_of_the_ceiling_holds_0(make_store, cosines, defined):
    walk = np.random.default_rng(0).normal(size=(50, 2)).cumsum(0)
    straight = np.stack([np.arange(12.0), np.zeros(12)], 1)
    store, frames = make_store({("a", "t0"): walk, ("b", "e0"): straight, ("c", "e1"): straight + np.array([0, 99])})
    ceiling = BySpeaker(*([c, math.sqrt(1 - c**2)] for c in cosines))
    arguments = (torch.from_numpy(store.load()), frames, 12.5, settings(), ("test",))
    found = by_key(evaluate_injection(Fixed([0.6, 0.8]), {2: ceiling}, *arguments)[0])
    low, high = (getattr(found["cosine", "ceiling", 2], bound) for bound in ("ci_low", "ci_high"))
    assert (low, high) == pytest.approx((min(cosines), max(cosines)))
    for step in (2, None):
        skill = found["skill", "D", step]
        assert skill.status == ("ok" if defined else "undefined")
        if defined:
            assert skill.value == pytest.approx(0.6 / np.mean(cosines))
            assert (skill.ci_low, skill.ci_high) == pytest.approx(sorted(0.6 / c for c in cosines))
        else:
            assert (skill.value, skill.ci_low, skill.ci_high) == (None, None, None)


def test_a_median_of_its_own_is_a_mode_of_its_own(line):
    latents, frames = line
    found = by_key(
        evaluate_injection(Fixed([1.0, 0.0], heavy=True), {}, latents, frames, 12.5, settings(draws=3), ("test",))[0]
    )
    assert found["magnitude_ratio", "D_median", 2].value == pytest.approx(1, abs=1e-4)
    assert found["magnitude_ratio", "D", 2].value == pytest.approx(math.exp(0.5), abs=1e-3)
    assert found["cosine", "D_sampled", 2].n == 3 * 4 and found["cosine", "D", 2].n == 4


class FailsLate(Fixed):
    """No number once its own steps have led it 2 from the line; the free runs of all modes but A get there."""

    def density(self, context):
        failed = torch.where(context[:, -1, 1:] < 1.9, 0.0, torch.nan)
        found = super().density(context)
        return diagonal_gaussian(found.means[:, 0] + failed, found.log_sigmas[:, 0])


def test_what_is_no_number_is_an_overflow_of_its_step_and_mode(line):
    latents, frames = line
    chosen = settings(utterances=1, draws=2)
    found = by_key(evaluate_injection(FailsLate([0.0, 1.0]), {}, latents, frames, 12.5, chosen, ("test",))[0])
    for mode, lost in (("A", []), ("B", []), ("C", [3, 4]), ("D", [3, 4])):
        for step in range(1, 5):
            status = "overflow" if step in lost else "ok"
            for metric in ("dnll", "cosine", "magnitude_ratio", "dnll_median"):
                assert found[metric, mode, step].status == status, (metric, mode, step)
            assert found["nonfinite", mode, step].value == (2 if step in lost else 0)
        assert found["nonfinite", mode, None].value == 2 * len(lost)
        assert found["dnll", mode, None].status == ("overflow" if lost else "ok")
    assert found["state_error", "D", 3].status == "ok" and found["state_error", "D", 4].status == "overflow"
    assert found["divergence_horizon", "D", None].value <= 3


def test_forecasts_are_apart_where_there_is_room(make_store):
    lengths = {"long": 40, "short": 12, "tiny": 7, "exact": 8, "gap": 40}
    utterances = {(name, f"e{i % 2}"): np.zeros((n, 2)) for i, (name, n) in enumerate(lengths.items())}
    utterances["gap", "e0"][20] = np.nan
    _, frames = make_store(utterances)
    chosen = settings(utterances=3, segments=3, steps=5)
    segments, skipped = draw_segments(frames, "eval", 3, chosen, ("test",))
    assert skipped == 2 and set(segments["utterance_id"]) == {"long", "short", "exact"}
    first = frames.utterance_table()["row"]
    start = segments["row"] - first[segments["utterance_id"].astype(str)].to_numpy()  # t of the last frame known
    by_name = {name: sorted(start[segments["utterance_id"] == name]) for name in ("long", "short", "exact")}
    assert all(t[0] >= 2 and t[-1] + 5 < lengths[name] for name, t in by_name.items())
    assert min(np.diff(by_name["long"])) >= 5 and len(by_name["long"]) == 3
    assert min(np.diff(by_name["short"])) >= 2 and len(by_name["short"]) == 3
    assert by_name["exact"] == [2]  # W + steps frames: one way to place it
    again, _ = draw_segments(frames, "eval", 3, chosen, ("test",))
    pd.testing.assert_frame_equal(segments, again)
    assert not draw_segments(frames, "eval", 3, chosen, ("other",))[0]["row"].equals(segments["row"])


def test_as_many_speakers_as_there_are(make_store):
    utterances = {(f"u{s}{i}", f"e{s}"): np.zeros((20, 2)) for s in range(4) for i in range(10 if s else 2)}
    _, frames = make_store(utterances)
    for seed in range(5):
        segments, _ = draw_segments(frames, "eval", 3, settings(utterances=4, segments=1), (seed,))
        assert segments["speaker_id"].nunique() == 4
    segments, _ = draw_segments(frames, "eval", 3, settings(utterances=12, segments=1), (0,))
    assert segments["utterance_id"].nunique() == 12 and segments["speaker_id"].value_counts()["e0"] == 2


def test_utterances_shorter_than_a_segment_are_refused(line):
    latents, frames = line
    with pytest.raises(UserError, match=r"0 of 2 utterances of split eval have at least 13 frames.*2 are asked for"):
        evaluate_injection(Fixed([1.0, 0.0]), {}, latents, frames, 12.5, settings(steps=11), ("test",))
