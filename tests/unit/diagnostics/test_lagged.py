"""The lagged-context diagnostic against the exact answers of a VAR(1), and against the definition written as loops."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from latentdyn.diagnostics.bootstrap import mean_intervals
from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.diagnostics.rollout import rollout_gap, rollout_reach
from latentdyn.diagnostics.scores import score_frames
from latentdyn.models.fit import fit_model
from latentdyn.predictors.base import Predictor, build_predictor
from latentdyn.seeds import numpy_generator
from latentdyn.stores.windows import Scaling, Windows, common_runs
from tests.settings import settings_of

HORIZONS = [1, 2, 4]
LINEAR = {"kind": "linear_gaussian", "window_frames": 1, "horizons": HORIZONS, "covariance": "full", "ridges": [1e-8]}
SETTINGS = EvaluationSettings(
    max_frames=200_000,
    rollout_frames=2000,
    energy_draws=4,
    bootstrap_resamples=300,
    worst_frames=5,
    own_frames=True,
    principal_dims=(2, 99),
)


def rotation(dim: int, scale: float, seed: int = 0) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))
    return scale * q


def exact_dnll(transition: np.ndarray, k: int) -> float:
    """ΔNLL(k) of a stationary VAR(1) with unit noise against the diagonal Gaussian (science §4)."""
    dim = len(transition)
    power, stationary, lost = np.linalg.matrix_power, np.eye(dim), np.zeros((dim, dim))
    for _ in range(3000):
        stationary = transition @ stationary @ transition.T + np.eye(dim)
    for i in range(k - 1):
        lost += power(transition, i) @ power(transition, i).T
    step = transition - np.eye(dim)
    conditional = step @ lost @ step.T + np.eye(dim)
    marginal = step @ stationary @ step.T + np.eye(dim)
    return 0.5 * (np.linalg.slogdet(conditional)[1] - np.log(np.diag(marginal)).sum())


def fitted(make_store, utterances, settings, tmp_path):
    store, frames = make_store(utterances)
    (tmp_path / "state").mkdir(exist_ok=True)
    result = fit_model(
        "predictor", settings, store, frames, seed=0, state=tmp_path / "state", device=torch.device("cpu")
    )
    predictors = {}
    for k in settings["horizons"]:
        predictors[k] = build_predictor(settings, store.dim)
        predictors[k].load_state_dict(result.weights[f"k{k}"])
        predictors[k].eval()
    return store, frames, predictors


def test_a_var_gives_its_exact_values(make_store, var_process, tmp_path):
    transition = rotation(6, 0.9)
    store, frames, predictors = fitted(make_store, var_process(transition, 100, 400), LINEAR, tmp_path)
    records = evaluate_lagged(predictors, torch.from_numpy(store.load()), frames, 12.5, SETTINGS, ("test",)).records
    found = {(r.split, r.horizon, r.metric): r for r in records if r.slice == "all"}
    for k in HORIZONS:
        exact, measured = exact_dnll(transition, k), found["eval", k, "dnll"]
        width = measured.ci_high - measured.ci_low
        assert measured.ci_low - 0.5 * width < exact < measured.ci_high + 0.5 * width
        assert measured.value == pytest.approx(exact, rel=0.05)
        assert found["eval", k, "bits_per_frame"].value == pytest.approx(measured.value / np.log(2))
        assert found["eval", k, "kbit_per_s"].value == pytest.approx(measured.value / np.log(2) * 12.5 / 1000)
        # train and eval go through one path, on data of one law
        assert found["train", k, "dnll"].value == pytest.approx(measured.value, abs=0.25)
        # against the full covariance, to which the diagonal is blind; and a mean explains tr(M S Mᵀ) / tr G of Δx
        step, s = transition - np.eye(6), 1 / (1 - 0.81)
        marginal = s * step @ step.T + np.eye(6)
        against_full = exact + 0.5 * (np.log(np.diag(marginal)).sum() - np.linalg.slogdet(marginal)[1])
        assert found["eval", k, "dnll_full"].value == pytest.approx(against_full, rel=0.05)
        explained = s * np.trace(step @ step.T) * 0.81 ** (k - 1) / np.trace(marginal)
        r2 = found["eval", k, "r2_delta"]
        assert r2.value == pytest.approx(explained, abs=0.01) and r2.ci_low < r2.value < r2.ci_high
        energy, baseline = found["eval", k, "energy_score"], found["eval", k, "energy_score_baseline"]
        assert energy.value < baseline.value and baseline == replace(found["eval", 1, baseline.metric], horizon=k)
    assert ("eval", 1, "r2_delta_top2") in found and ("eval", 1, "r2_delta_top99") not in found  # D = 6
    # the level: NLL[x|c] - NLL[x] = ½ ln det(I) - ½ Σ ln S_ii, with S = I / (1 - .81) for a scaled rotation
    assert found["eval", 1, "level_gain"].value == pytest.approx(3 * np.log(1 - 0.81), rel=0.05)
    assert ("eval", 2, "level_gain") not in found
    assert {r.n for r in records if r.split == "eval" and r.slice == "all" and r.metric == "dnll"} == {20 * (400 - 4)}


def test_without_own_frames_all_else_is_the_same(make_store, var_process, tmp_path):
    store, frames, predictors = fitted(make_store, var_process(rotation(3, 0.9), 20, 60), LINEAR, tmp_path)
    latents, limited = torch.from_numpy(store.load()), replace(SETTINGS, bootstrap_resamples=40)
    whole, scored = (
        evaluate_lagged(predictors, latents, frames, 12.5, replace(limited, own_frames=own), ("test",)).records
        for own in (True, False)
    )
    of_own = ("energy_score", "rollout", "spectral_radius", "unbounded")
    assert scored == [r for r in whole if not r.metric.startswith(of_own)] and len(scored) < len(whole)


def test_white_noise_is_predictable_by_the_rules_of_deltas_and_not_by_the_level(make_store, tmp_path):
    rng = np.random.default_rng(0)
    names = ["t", "t", "t", "v", "e"]
    noise = {(f"u{i}", f"{names[i % 5]}{i}"): rng.normal(size=(400, 6)) for i in range(40)}
    store, frames, predictors = fitted(make_store, noise, LINEAR, tmp_path)
    records = evaluate_lagged(predictors, torch.from_numpy(store.load()), frames, 12.5, SETTINGS, ("test",)).records
    found = {(r.horizon, r.metric): r.value for r in records if r.slice == "all" and r.split == "eval"}
    assert found[1, "dnll_per_dim"] == pytest.approx(-0.3466, abs=0.01)  # -½ ln 2
    whole, per_dim, bits = (
        next(r for r in records if (r.metric, r.horizon, r.split, r.slice) == (metric, 1, "eval", "all"))
        for metric in ("dnll", "dnll_per_dim", "bits_per_frame")
    )
    for part, factor in ((per_dim, 1 / 6), (bits, 1 / np.log(2))):  # the same interval in other units
        assert [part.ci_low, part.ci_high] == pytest.approx([whole.ci_low * factor, whole.ci_high * factor])
    assert found[1, "cosine"] == pytest.approx(0.68, abs=0.02)  # .707 in many dimensions; D = 6 is a little below
    assert found[1, "cosine_white_noise"] == pytest.approx(found[1, "cosine"], abs=0.01)
    assert found[2, "cosine_white_noise"] == found[4, "cosine_white_noise"] == 0
    assert found[1, "level_gain"] == pytest.approx(0, abs=0.05)
    assert found[2, "dnll"] == pytest.approx(0, abs=0.05)


class ByLoops(Predictor):
    """A predictor whose mean depends on every frame of its context, to tell any misplaced frame."""

    def __init__(self, dim, window_frames):
        super().__init__(dim, window_frames)
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weight", 0.3 * torch.randn(window_frames * dim, dim, generator=generator))

    def density(self, context):
        from latentdyn.distributions.gaussian_mixture import diagonal_gaussian

        mean = torch.tanh(context.flatten(1) @ self.weight)
        return diagonal_gaussian(mean, 0.1 * mean)


@pytest.mark.parametrize("k", [1, 3])
def test_scores_and_rollout_gap_equal_a_loop_over_frames(make_store, k):
    rng = np.random.default_rng(0)
    window, dim = 2, 3
    store, frames = make_store({("u0", "t0"): rng.normal(size=(16, dim)), ("u1", "t1"): rng.normal(size=(13, dim))})
    latents, predictor = torch.from_numpy(store.load()), ByLoops(dim, window)
    usable = common_runs(frames, window, [k])
    windows = Windows.of(latents, usable, window)
    scaling = Scaling.fit(windows)
    scores = score_frames(predictor, windows, k, scaling)
    nll, cosine = [], []
    for _, x, _ in store.iterate():
        for t in range(window - 1 + k, len(x)):
            density = predictor.density(torch.from_numpy(x[None, t - k - window + 1 : t - k + 1]))
            delta, mean = x[t] - x[t - 1], density.mean()[0].numpy()
            nll.append(-float(density.log_prob(torch.from_numpy(delta[None]))))
            cosine.append(delta @ mean / np.linalg.norm(delta) / np.linalg.norm(mean))
    np.testing.assert_allclose(scores.nll, nll, rtol=1e-5)
    np.testing.assert_allclose(scores.cosine, cosine, rtol=1e-4, atol=1e-6)
    baseline = torch.distributions.Normal(scaling.delta_mean, scaling.delta_std)
    delta = windows.batch(slice(None), k)[1].double()
    np.testing.assert_allclose(scores.nll_baseline, -baseline.log_prob(delta).sum(1), rtol=1e-5)

    late = usable.late(rollout_reach(window, k))
    gaps = rollout_gap(predictor, Windows.of(latents, late, window), k)
    expected = []
    for _, x, _ in store.iterate():
        for t in range(rollout_reach(window, k), len(x)):
            own = x.copy()
            for now in range(t - k - window + 1, t - k + 1):  # the whole context is the model's own
                context = torch.from_numpy(own[None, now - k - window + 1 : now - k + 1])
                own[now] = own[now - 1] + predictor.density(context).mean()[0].numpy()
            delta = torch.from_numpy((x[t] - x[t - 1])[None])
            scored = [
                -float(predictor.density(torch.from_numpy(s[None, t - k - window + 1 : t - k + 1])).log_prob(delta))
                for s in (own, x)
            ]
            expected.append(scored[0] - scored[1])
    np.testing.assert_allclose(gaps, expected, rtol=1e-4, atol=1e-5)


class Exploding(ByLoops):
    def density(self, context):
        from latentdyn.distributions.gaussian_mixture import diagonal_gaussian

        mean = 1e20 * context[:, -1]
        return diagonal_gaussian(mean, torch.zeros_like(mean))


def test_an_exploding_rollout_is_an_explicit_overflow(make_store):
    rng = np.random.default_rng(0)
    store, frames = make_store({(f"u{i}", f"{s}{i}"): rng.normal(size=(30, 3)) for i, s in enumerate("ttee")})
    latents = torch.from_numpy(store.load())
    records = evaluate_lagged({1: Exploding(3, 4)}, latents, frames, 12.5, SETTINGS, ("test",)).records
    found = {r.metric: r for r in records if r.split == "eval" and r.slice == "all"}
    assert found["rollout_gap"].status == "overflow" and found["rollout_gap"].value is None
    assert found["rollout_overflow"].value == found["rollout_overflow"].n > 0


class Undefined(ByLoops):
    above: float  # of a newest frame's first dimension: the prediction is NaN

    def density(self, context):
        from latentdyn.distributions.gaussian_mixture import diagonal_gaussian

        mean = torch.where(context[:, -1, :1] > self.above, torch.nan, -0.5 * context[:, -1])
        return diagonal_gaussian(mean, torch.zeros_like(mean))


@pytest.mark.parametrize("above", [0.5, -np.inf])
def test_a_prediction_that_is_nan_explains_nothing(make_store, above):
    rng = np.random.default_rng(0)
    store, frames = make_store({(f"u{i}", f"{s}{i}"): rng.normal(size=(30, 3)) for i, s in enumerate("ttee")})
    latents, predictor = torch.from_numpy(store.load()), Undefined(3, 4)
    predictor.above = above
    records = evaluate_lagged({1: predictor}, latents, frames, 12.5, SETTINGS, ("test",)).records
    found = {r.metric: r for r in records if r.split == "eval" and r.slice == "all"}
    usable = common_runs(frames, 4, [1])
    rows = torch.from_numpy(usable.of_splits("eval").rows())
    rows = rows[latents[rows - 1, 0] <= above]
    steps = latents[rows] - latents[rows - 1]
    train = Scaling.fit(Windows.of(latents, usable.of_splits("train"), 4))
    for metric, n in (("r2_delta", 3), ("r2_delta_top2", 2)):
        axes = train.delta_axes()[1][:, :n].to(latents)
        error, spread = ((steps - mean) @ axes for mean in (-0.5 * latents[rows - 1], train.delta_mean.to(latents)))
        if len(rows):
            assert found[metric].value == pytest.approx(
                float(1 - error.square().sum() / spread.square().sum()), abs=1e-5
            )
        else:
            assert found[metric].status == "undefined" and found[metric].value is None


def test_the_worst_frames_are_named(make_store, var_process, tmp_path):
    utterances = var_process(rotation(3, 0.5), 10, 50)
    utterances["u4", "e4"][20] += 40
    store, frames, predictors = fitted(make_store, utterances, LINEAR, tmp_path)
    evaluation = evaluate_lagged(predictors, torch.from_numpy(store.load()), frames, 12.5, SETTINGS, ("test",))
    records, worst = evaluation.records, evaluation.worst_frames
    mine = [w for w in worst if w["split"] == "eval" and w["horizon"] == 1]
    assert len(mine) == 5
    assert {(w["utterance_id"], w["t"]) for w in mine[:2]} == {("u4", 20), ("u4", 21)}
    assert mine[0]["time_s"] in (1.6, 1.68) and mine[0]["delta_norm"] > 30
    found = {r.metric: r.value for r in records if r.split == "eval" and r.slice == "all" and r.horizon == 1}
    assert found["nll"] > found["nll_trimmed"] + 1 and abs(found["nll_median"] - found["nll_trimmed"]) < 1


def test_a_step_of_length_zero_is_counted_not_hidden(make_store, var_process, tmp_path):
    utterances = var_process(rotation(3, 0.5), 10, 50)
    utterances["u4", "e4"][30] = utterances["u4", "e4"][29]
    store, frames, predictors = fitted(make_store, utterances, LINEAR, tmp_path)
    records = evaluate_lagged(predictors, torch.from_numpy(store.load()), frames, 12.5, SETTINGS, ("test",)).records
    found = {r.metric: r for r in records if r.split == "eval" and r.slice == "all" and r.horizon == 1}
    assert found["cosine_nonfinite"].value == 1 and found["cosine"].status == "ok" and found["r2_head"].status == "ok"
    assert found["still_frames"].value == 1


class Towards(Predictor):
    """Direction and length apart: back to the origin, at one concentration and one law of the length."""

    def density(self, context):
        from latentdyn.distributions.von_mises_fisher import VonMisesFisherLogNormal

        ones = torch.ones(len(context))
        direction = -torch.nn.functional.normalize(context[:, -1], dim=1)
        return VonMisesFisherLogNormal(direction, 2 * ones, 0.5 * ones, -0.5 * ones, flags={"kappa_at_clamp": 0 * ones})


def test_direction_and_length_are_scored_apart_where_a_density_says_them(make_store, var_process):
    dim = 3
    utterances = var_process(rotation(dim, 0.5), 10, 50)
    utterances["u4", "e4"][30] = utterances["u4", "e4"][29]
    store, frames = make_store(utterances)
    latents = torch.from_numpy(store.load())
    evaluation = evaluate_lagged({1: Towards(dim, 1)}, latents, frames, 12.5, SETTINGS, ("test",))
    found = {(r.split, r.metric): r for r in evaluation.records if r.slice == "all"}
    for split, still in (("train", 0), ("eval", 1)):
        factored, direction, length = (found[split, f"dnll_{name}"] for name in ("factored", "direction", "length"))
        assert factored.value == pytest.approx(direction.value + length.value)
        assert factored.unit == "nats/frame" and factored.ci_low < factored.value < factored.ci_high
        assert direction.value < -0.1 and direction.ci_high < 0  # a VAR(1) does step towards the origin
        assert found[split, "dnll_factored_nonfinite"].value == found[split, "nll_nonfinite"].value == still
    # nll = NLL(d) + NLL(m) + (D-1) E[ln m]; and on the frames that it was fitted to, a log-normal has the NLL
    # E[ln m] + ln b + ½ ln 2πe
    usable = common_runs(frames, 1, [1])
    rows = torch.from_numpy(usable.of_splits("train").rows())
    log_m = (latents[rows] - latents[rows - 1]).double().norm(dim=1).log()
    baseline = float(log_m.mean() + log_m.std(correction=0).log()) + 0.5 * np.log(2 * np.pi * np.e)
    nll = found["train", "dnll_factored"].value + np.log(4 * np.pi) + baseline + (dim - 1) * float(log_m.mean())
    assert found["train", "nll"].value == pytest.approx(nll, abs=1e-5)
    # what else the density tells, and the sums from which intervals of differences follow
    assert found["eval", "kappa"].value == 2 and found["eval", "kappa_at_clamp"].value == 0
    assert {"dnll_direction", "dnll_length", "dnll_factored"} <= set(evaluation.speakers.metric)


def test_a_density_without_factors_has_no_such_scores(make_store, var_process, tmp_path):
    store, frames, predictors = fitted(make_store, var_process(rotation(3, 0.5), 10, 50), LINEAR, tmp_path)
    records = evaluate_lagged(predictors, torch.from_numpy(store.load()), frames, 12.5, SETTINGS, ("test",)).records
    assert not any("factored" in r.metric or "direction" in r.metric or "length" in r.metric for r in records)


def test_the_sums_of_speakers_give_the_means_and_their_intervals(make_store, var_process, tmp_path):
    store, frames, predictors = fitted(make_store, var_process(rotation(3, 0.5), 30, 50), LINEAR, tmp_path)
    latents = torch.from_numpy(store.load())
    evaluation = evaluate_lagged(predictors, latents, frames, 12.5, SETTINGS, ("test",))
    found = {(r.split, r.slice, r.horizon, r.metric): r for r in evaluation.records}
    groups = evaluation.speakers.groupby(["split", "slice", "horizon", "metric"], observed=True)
    assert {"nll", "dnll", "dnll_full", "cosine", "level_gain"} <= set(evaluation.speakers.metric)
    for keys, group in groups:
        if not keys[-1].startswith("r2_delta_"):
            assert group.total.sum() / group.n.sum() == pytest.approx(found[keys].value)
    totals = evaluation.speakers.groupby(["metric", "split", "slice", "horizon"], observed=True).total.sum()
    r2 = 1 - totals["r2_delta_error"] / totals["r2_delta_spread"]
    assert len(r2) > 3 and all(found[*keys, "r2_delta"].value == pytest.approx(value) for keys, value in r2.items())
    # and the interval is the bootstrap of the frames themselves
    usable = common_runs(frames, 1, HORIZONS)
    train, chosen = (usable.of_splits(split) for split in ("train", "eval"))
    scaling = Scaling.fit(Windows.of(latents, train, 1))
    scores = score_frames(predictors[2], Windows.of(latents, chosen, 1), 2, scaling)
    speakers = chosen.speaker_ids().codes
    generator = numpy_generator("test", "eval", "bootstrap")
    expected = mean_intervals((scores.nll - scores.nll_baseline).to_numpy()[:, None], speakers, 300, generator)[0]
    mine = found["eval", "all", 2, "dnll"]
    np.testing.assert_allclose([mine.ci_low, mine.ci_high], expected)


def test_training_and_evaluation_score_the_same_frames_alike(make_store, var_process, tmp_path):
    training = {"steps": 5, "batch_size": 64, "learning_rate": 1e-2, "weight_decay": 0.0, "gradient_clip_norm": 1.0,
                "validate_every_steps": 5, "select": "last", "patience_validations": None,
                "max_frames": None, "regime": {"kind": "teacher_forced"}}  # fmt: skip
    network = {"kind": "mlp", "width": 8, "layers": 1, "dropout": 0.5}  # dropout must be off in both
    small = {"window_frames": 2, "horizons": [1], "n_components": 2, "network": network}
    mdn = settings_of("predictors", "mdn", **small, training=training)
    store, frames, predictors = fitted(make_store, var_process(rotation(3, 0.5), 10, 50), mdn, tmp_path)
    evaluation = evaluate_lagged(predictors, torch.from_numpy(store.load()), frames, 12.5, SETTINGS, ("test",))
    differences = [r.value for r in evaluation.records if r.metric == "path_difference"]
    assert len(differences) == 3 and max(differences) < 1e-5
    # relabelled, the eval speakers' frames score as training frames what they scored as eval frames
    exchanged = frames.utterances["split"].cat.rename_categories({"train": "eval", "eval": "train"})
    swapped = replace(frames, utterances=frames.utterances.assign(split=exchanged))
    latents = torch.from_numpy(store.load())
    again = evaluate_lagged(predictors, latents, swapped, 12.5, SETTINGS, ("test",)).records
    nll = [{(r.split, r.horizon): r.value for r in rs if r.metric == "nll" and r.slice == "all"}
           for rs in (evaluation.records, again)]  # fmt: skip
    assert nll[0]["eval", 1] == nll[1]["train", 1] and nll[0]["train", 1] == nll[1]["eval", 1]


def test_what_another_corpus_was_fitted_to_is_measured_as_if_its_training_speakers_were_of_this_one(
    make_store, var_process, tmp_path
):
    matrices = (np.array([[0.9, 0.2], [0, 0.5]]), np.array([[0.3, 0.0], [0.4, 0.7]]))
    first, second = (var_process(matrix, 20, 60, seed) for seed, matrix in enumerate(matrices))
    theirs = {(f"a{u}", f"t{s}"): 3 * x for (u, s), x in first.items() if s[0] == "t"}
    mine = {(u, s): x for (u, s), x in second.items() if s[0] == "e"}
    own_training = {(f"b{u}", f"t-own-{s}"): x for (u, s), x in second.items() if s[0] == "t"}
    fitted_to, training, predictors = fitted(make_store, theirs, LINEAR, tmp_path)
    fitted_to = torch.from_numpy(fitted_to.load())
    together, frames = make_store({**theirs, **mine}, "together")
    expected = evaluate_lagged(
        predictors, torch.from_numpy(together.load()), frames, 12.5, SETTINGS, ("test",), splits=["eval"]
    )
    apart, frames = make_store({**own_training, **mine}, "apart")
    found = evaluate_lagged(
        predictors, torch.from_numpy(apart.load()), frames, 12.5, SETTINGS, ("test",), splits=["eval"],
        fitted_to=(fitted_to, training),
    )  # fmt: skip
    assert found.records == expected.records and found.worst_frames == expected.worst_frames
    pd.testing.assert_frame_equal(
        *(e.speakers.astype({"speaker_id": str}) for e in (found, expected)), check_exact=True
    )
    own = evaluate_lagged(predictors, torch.from_numpy(apart.load()), frames, 12.5, SETTINGS, ("test",), ["eval"])
    baseline = [{r.horizon: r.value for r in e.records if r.metric == "nll_baseline"} for e in (found, own)]
    assert all(baseline[0][k] > baseline[1][k] + 0.5 for k in HORIZONS), "baselines are not this corpus's"
