"""Predictors that give less than a likelihood are measured as far as they go, by every diagnostic.

The process is x_t = x_{t-1} / 2 + e_t with e_t ~ N(0, I), so that every law is N(m, s² I), known exactly, and has the
energy score s Γ((D+1)/2) / Γ(D/2) at its own draws.
"""

import logging
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from latentdyn.correction.forecasts import evaluate_corrections
from latentdyn.correction.variants import KINDS, SamplingSettings
from latentdyn.diagnostics.free_runs import FreeRunSettings, measure_free_runs
from latentdyn.diagnostics.injection import InjectionSettings, evaluate_injection
from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.diagnostics.records import Identity, write_metrics, write_sums
from latentdyn.distributions.density import Density
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.models.score.network import ScoreModel
from latentdyn.predictors.base import Predictor

DIM = 3
UNIT = math.gamma((DIM + 1) / 2) / math.gamma(DIM / 2)  # the score of N(m, I) at its own draws
SPREAD = math.sqrt(1 / (1 - 0.25))  # deviation of x
EVALUATION = EvaluationSettings(
    max_frames=5000,
    rollout_frames=5000,
    energy_draws=16,
    bootstrap_resamples=200,
    worst_frames=3,
    own_frames=True,
    principal_dims=(2,),
)
INJECTION = InjectionSettings(splits=("eval",), utterances=30, segments=12, steps=3, injected_steps_b=(2,), draws=8,
                              temperature=1.0, bootstrap_resamples=200)  # fmt: skip
IDENTITY = Identity("kind", "corpus", "representation", "predictor", "teacher_forced", 0)


@dataclass(frozen=True)
class Draws(Density):
    """N(means, scale² I), which does no more than draw."""

    means: torch.Tensor
    scale: float

    def sample(self, generator, temperature=1.0):
        noise = torch.empty_like(self.means).normal_(std=math.sqrt(temperature), generator=generator)
        return self.means + self.scale * noise


class DrawsWithMean(Draws):
    def mean(self):
        return self.means


class Sampler(Predictor):
    """The exact law of Δx given a context that is h frames stale."""

    law = Draws

    def __init__(self, h=1):
        super().__init__(DIM, 1)
        self.gain = 0.5**h - 0.5 ** (h - 1)
        self.scale = math.sqrt(1 + 0.25 * sum(0.25**i for i in range(h - 1)))

    def density(self, context):
        return self.law(self.gain * context[:, -1], self.scale)


class SamplerWithMean(Sampler):
    law = DrawsWithMean


class Gaussian(Sampler):
    @staticmethod
    def law(means, scale):
        return diagonal_gaussian(means, torch.full_like(means, math.log(scale)))


@pytest.fixture
def data(make_store, var_process):
    names = [f"{'tte'[i % 3]}{i:02}" for i in range(90)]
    utterances = var_process(0.5 * np.eye(DIM), len(names), 60).values()
    store, frames = make_store({(name, name): x for name, x in zip(names, utterances, strict=True)})
    return torch.from_numpy(store.load()), frames


def lagged(data, kind, tmp_path):
    latents, frames = data
    evaluation = evaluate_lagged({k: kind(k) for k in (1, 2)}, latents, frames, 12.5, EVALUATION, ("test",))
    write_metrics(tmp_path / "metrics.json", IDENTITY, evaluation.records, evaluation.worst_frames)
    write_sums(tmp_path / "sums.parquet", IDENTITY, evaluation.speakers)
    found = {(r.metric, r.horizon): r for r in evaluation.records if r.split == "eval" and r.slice == "all"}
    return found, evaluation


def test_a_density_says_what_it_gives():
    means = torch.zeros(2, DIM)
    given = {
        law: {name for name in ("log_prob", "mean", "mean_log_norm", "median") if law(means, 1.0).gives(name)}
        for law in (Draws, DrawsWithMean, Gaussian.law)
    }
    assert list(given.values()) == [set(), {"mean"}, {"log_prob", "mean", "mean_log_norm"}]
    with pytest.raises(NotImplementedError, match="DrawsWithMean has no log-density"):
        DrawsWithMean(means, 1.0).log_prob(means)


@pytest.mark.parametrize("kind", [Sampler, SamplerWithMean, Gaussian])
def test_the_energy_of_lagged_laws_is_exact_for_all(data, kind, tmp_path):
    found, evaluation = lagged(data, kind, tmp_path)
    for k in (1, 2):
        score, baseline = found["energy_score", k], found["energy_score_baseline", k]
        assert score.n == 30 * (60 - 4) and (score.unit, score.status) == ("1", "ok")
        width = score.ci_high - score.ci_low
        exact = kind(k).scale * UNIT / SPREAD
        assert score.ci_low - width / 2 < exact < score.ci_high + width / 2 and width < 0.06
        assert baseline.value == pytest.approx(UNIT, abs=0.02)  # deltas have the deviation of x in this process
        assert found["energy_score_nonfinite", k].value == 0
        sums = evaluation.speakers.query("metric == 'energy_score' and split == 'eval' and horizon == @k")
        assert sums.total.sum() / sums.n.sum() == pytest.approx(score.value) and len(sums) == 30


@pytest.mark.parametrize(("kind", "lacks"), [(Sampler, {"mean", "likelihood"}), (SamplerWithMean, {"likelihood"})])
def test_a_lagged_evaluation_says_what_is_missing(data, kind, lacks, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        found, evaluation = lagged(data, kind, tmp_path)
    for word in ("mean", "likelihood", "mean log-length"):
        said = caplog.text.count(f"the predictor's density has no {word}:")
        assert said == (1 if word in lacks | {"mean log-length"} else 0)
    expected = {"nll", "dnll", "r2_head", "rollout_gap"}
    if "mean" in lacks:
        expected |= {"cosine", "r2_delta", "r2_mean", "spectral_radius", "unbounded"}
    missing = {r.metric for r in found.values() if r.status == "missing"}
    assert missing == expected
    assert all(r.value is None and r.ci_low is None and r.n > 0 for r in found.values() if r.status == "missing")
    assert evaluation.worst_frames == [] and not {"nll", "dnll"} & set(evaluation.speakers.metric)
    assert not {"dnll_median", "dnll_per_dim", "dnll_full", "level_gain", "path_difference"} & {m for m, _ in found}
    assert found["nll_baseline", 1].status == found["speakers", 1].status == "ok"
    if "mean" not in lacks:
        assert found["cosine", 1].ci_low > 0.3 and found["r2_delta", 1].value == pytest.approx(0.25, abs=0.03)
        assert found["spectral_radius", 1].value == pytest.approx(0.5, rel=1e-3)


def forecast(data, kind, **changes):
    settings = InjectionSettings(**(vars(INJECTION) | changes))
    ceilings = {h: kind(h) for h in (1, 2)}
    records, sums = evaluate_injection(kind(), ceilings, *data, 12.5, settings, ("test",))
    found = {(r.metric, r.mode, r.step): r for r in records}
    assert len(found) == len(records)
    return found, sums


@pytest.mark.parametrize("kind", [Sampler, SamplerWithMean, Gaussian])
def test_the_energy_of_forecasts_and_of_the_ceiling_is_exact_for_all(data, kind):
    found, sums = forecast(data, kind)
    for h in (1, 2, 3):
        laws = {"energy_score": kind(h).scale, "energy_score_state": math.sqrt(sum(0.25**i for i in range(h)))}
        for metric, scale in laws.items():
            score = found[metric, "D_sampled", h]
            assert score.n == 360 and score.value == pytest.approx(scale * UNIT / SPREAD, abs=0.05)
            assert score.ci_low < score.value < score.ci_high
            assert found[f"{metric}_baseline", "D_sampled", h].value == pytest.approx(UNIT, abs=0.05)
        if h < 3:
            ceiling = found["energy_score", "ceiling", h]
            assert ceiling.value == pytest.approx(found["energy_score", "D_sampled", h].value, abs=0.06)
            baselines = (found["energy_score_baseline", mode, h].value for mode in ("ceiling", "D_sampled"))
            assert len(set(baselines)) == 1
        assert ("energy_score_state", "ceiling", h) not in found
    assert ("energy_score", "ceiling", 3) not in found  # nobody was fitted at that staleness
    step, state = (found[metric, "D_sampled", 1].value for metric in ("energy_score", "energy_score_state"))
    assert step == pytest.approx(state, abs=1e-5)  # x_0 is known
    pooled = found["energy_score", "D_sampled", None]
    assert pooled.n == 3 * 360
    own = sums[(sums["mode"] == "D_sampled") & (sums["metric"] == "energy_score") & sums["step"].isna()]
    assert own.total.sum() / own.n.sum() == pytest.approx(pooled.value)
    assert ("energy_score", "A", None) not in found


@pytest.mark.parametrize("draws", [0, 1])
def test_fewer_than_two_draws_have_no_energy(data, draws):
    found, _ = forecast(data, Gaussian, draws=draws)
    assert not any(metric.startswith("energy") for metric, _, _ in found)
    assert ("cosine", "D_sampled", 1) in found if draws else ("cosine", "D_sampled", 1) not in found


def test_forecasts_by_draws_alone_are_scored_as_far_as_they_go(data, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        found, sums = forecast(data, Sampler)
    assert caplog.text.count("no likelihood: dnll cannot be measured") == 1
    assert caplog.text.count("no mean: forecasts by the mean (modes A, B, C and D) cannot be measured") == 1
    assert {mode for _, mode, _ in found} == {"D_sampled", "ceiling", None}
    for mode, steps in (("D_sampled", (None, 1, 2, 3)), ("ceiling", (None, 1, 2))):
        assert {step for metric, m, step in found if metric == "dnll" and m == mode} == {*steps}
        assert all(found["dnll", mode, step].status == "missing" and found["dnll", mode, step].n > 0 for step in steps)
    assert found["cosine", "ceiling", 2].status == found["magnitude_ratio", "ceiling", 2].status == "missing"
    assert found["cosine", "D_sampled", 1].status == found["state_error", "D_sampled", 3].status == "ok"
    assert ("divergence_horizon", "D_sampled", None) in found
    assert not any(metric.startswith(("skill", "reset")) for metric, _, _ in found)
    write_metrics(tmp_path / "injection.json", IDENTITY, list(found.values()))
    write_sums(tmp_path / "sums.parquet", IDENTITY, sums)


def test_a_mean_without_a_likelihood_has_skill_in_direction_only(data):
    found, _ = forecast(data, SamplerWithMean)
    assert found["skill", "D", 1].value == 1 and ("skill_nats", "D", 1) not in found
    assert found["dnll", "A", 2].status == "missing" and found["cosine", "A", 2].status == "ok"
    # of what needs no likelihood nothing changes
    whole, _ = forecast(data, Gaussian)
    for key in (("cosine", "B", 3), ("skill", "D", None), ("divergence_horizon", "D", None), ("nonfinite", "C", 2)):
        assert found[key].value == pytest.approx(whole[key].value, abs=1e-6) and found[key].n == whole[key].n


def test_with_nothing_to_measure_there_is_nothing_and_no_crash(data, tmp_path):
    settings = InjectionSettings(**(vars(INJECTION) | {"draws": 0}))
    records, sums = evaluate_injection(Sampler(), {}, *data, 12.5, settings, ("test",))
    assert {r.mode for r in records} == {None} and sums.empty
    write_sums(tmp_path / "sums.parquet", IDENTITY, sums)


def test_corrections_of_a_sampler_are_those_of_its_draws(data):
    latents, frames = data
    torch.manual_seed(0)
    model = ScoreModel(DIM, width=8, blocks=1, sigma_min=0.1, sigma_max=1.0).eval()
    model.set_moments(latents, torch.from_numpy(frames.of_splits("train").rows()))
    sampling = SamplingSettings(sigmas=[1.0], step_size=0.5, n_steps=[8])
    arguments = (model, latents, frames, 12.5, sampling, INJECTION, ("test",))
    records, _ = evaluate_corrections(Sampler(), {h: Sampler(h) for h in (1, 2)}, *arguments)
    scored = [r for r in records if r.metric == "energy_score_state" and r.step == 3]
    assert {r.mode for r in records} == {"D_sampled", "ceiling", None}
    assert {r.correction for r in scored} == {*KINDS}
    value = {r.correction: r.value for r in scored}
    assert value["none"] == forecast(data, Sampler)[0]["energy_score_state", "D_sampled", 3].value
    assert min(value[kind] for kind in ("langevin", "noise_only", "score_only")) > value["none"] + 0.03  # the true law


@pytest.mark.parametrize("kind", [Sampler, SamplerWithMean])
def test_a_sampler_runs_freely_by_draws(data, kind, caplog):
    settings = FreeRunSettings(
        split="eval", runs=100, steps=40, at_steps=(40,), temperature=1.0, max_frames=2000, bootstrap_resamples=100
    )
    records = measure_free_runs(kind(), *data, settings, ("test",))
    stand_ins = {"half", "phase_randomised", "marginal"}
    modes = {"sampled", "data", *stand_ins} | ({"mean"} if kind is SamplerWithMean else set())
    assert {r.mode for r in records} == modes
    assert ("no mean: runs by the mean cannot be measured" in caplog.text) == (kind is Sampler)
    energy = next(r for r in records if (r.metric, r.mode, r.step) == ("energy", "sampled", None))
    assert energy.value == pytest.approx(1, abs=0.1)
