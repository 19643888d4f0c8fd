"""Regimes: the contexts and targets of each, and gradients through what it generated."""

import math

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.rollout import rollout
from latentdyn.errors import UserError
from latentdyn.predictors.base import build_predictor
from latentdyn.stores.windows import Scaling, Windows, common_runs
from latentdyn.training.likelihood import Likelihood
from latentdyn.training.loop import TrainingSettings, train
from latentdyn.training.regimes import REGIMES, TeacherForced, build_regime
from tests.settings import settings_of

DIM, WINDOW, STEPS = 2, 3, 5
NETWORK = {"kind": "mlp", "width": 16, "layers": 1}
MDN = settings_of("predictors", "mdn", window_frames=WINDOW, horizons=[1], n_components=3, network=NETWORK)
VMF = settings_of("predictors", "vmf_lognormal", window_frames=WINDOW, horizons=[1], network=NETWORK)
GENERATED = {"unroll_steps": STEPS, "target": "step", "backpropagate": True}
SCHEDULED = {"kind": "scheduled_sampling", **GENERATED, "p_teacher_start": 0.0, "p_teacher_end": 0.0, "decay_steps": 1}
UNROLLED = {"kind": "unrolled", **GENERATED, "first_unroll_steps": 2, "grow_steps": 100}
SAMPLED = {"kind": "sampled_unroll", **GENERATED, "draws": 2}
MULTI = {"kind": "multi_horizon", "target": "step", "backpropagate": True, "at_steps": [1, 2, 5]}
NOISY = {"kind": "noisy_context", "max_noise": 0.5, "clean_frames": 0, "target": "state"}
ALL = [{"kind": "teacher_forced"}, NOISY, SCHEDULED, UNROLLED, MULTI, SAMPLED]
TRAINING = {"steps": 20, "batch_size": 8, "learning_rate": 1e-2, "weight_decay": 0.0, "gradient_clip_norm": 1.0,
            "validate_every_steps": 10, "select": "last", "patience_validations": None}  # fmt: skip


@pytest.fixture
def made(make_store, var_process):
    return make_store(var_process(np.array([[0.9, 0.2], [0, 0.5]]), 10, 40))


@pytest.fixture
def windows(made):
    store, frames = made
    usable = common_runs(frames, WINDOW, [1], ahead=STEPS - 1)
    latents = torch.from_numpy(store.load())
    return [Windows.of(latents, usable.of_splits(split), WINDOW) for split in ("train", "validation")]


def fresh(windows, settings=MDN):
    torch.manual_seed(0)
    predictor = build_predictor(settings, DIM)
    predictor.set_scaling(Scaling.fit(windows[0]))
    return predictor


ARMS = [MDN | {"target": "level"}, MDN | {"linear_skip": "learned"}, VMF | {"linear_skip": "learned"},
        MDN | {"linear_skip": "fixed", "target_axes": "principal"}]  # fmt: skip


@pytest.mark.parametrize("regime", ALL, ids=lambda regime: regime["kind"])
@pytest.mark.parametrize("arm", ARMS, ids=lambda s: f"{s['kind']}-{s['target']}-{s['linear_skip']}")
def test_every_regime_trains_what_starts_from_a_line_or_describes_the_next_frame(windows, arm, regime):
    predictor = build_predictor(arm, DIM)
    predictor.set_start(Scaling.fit(windows[0]), *windows, 1)
    objective = Likelihood(predictor, *windows, 1, build_regime(regime), 32, ("arm",))
    before = {name: value.detach().clone() for name, value in predictor.named_parameters()}
    objective.loss(0).backward()
    torch.optim.SGD(predictor.parameters(), lr=1e-2).step()
    changed = {name for name, value in predictor.named_parameters() if not torch.equal(value, before[name])}
    assert changed == set(before)
    assert math.isfinite(objective.held_out_loss())


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_all_regimes_are_tried_here():
    assert {settings["kind"] for settings in ALL} == set(REGIMES)


def test_a_stretch_holds_the_context_and_every_target_of_one_utterance(made):
    store, frames = made
    usable = common_runs(frames, WINDOW, [2], ahead=STEPS - 1)
    table = usable.table()
    assert table["t"].min() == WINDOW - 1 + 2
    assert (table.groupby("utterance_id", observed=True)["t"].max() == 39 - (STEPS - 1)).all()
    windows = Windows.of(torch.from_numpy(store.load()), usable, WINDOW)
    truth = windows.stretch(slice(0, 7), 2, STEPS)
    context, delta = windows.batch(slice(0, 7), 2)
    assert truth.shape == (7, WINDOW + 1 + STEPS, DIM)
    torch.testing.assert_close(truth[:, :WINDOW], context, rtol=0, atol=0)
    torch.testing.assert_close(truth[:, WINDOW + 1] - truth[:, WINDOW], delta, rtol=0, atol=0)


def test_no_start_where_a_later_frame_is_not_finite(make_store, var_process):
    utterances = var_process(np.array([[0.9, 0.2], [0, 0.5]]), 5, 40)
    next(iter(utterances.values()))[20] = np.nan
    _, frames = make_store(utterances)
    usable = common_runs(frames, WINDOW, [1], ahead=4).table()
    kept = set(usable.loc[usable["utterance_id"] == "u0", "t"])
    assert kept == {t for t in range(3, 36) if t + 4 < 20 or t - 3 > 20}


def test_utterances_too_short_to_unroll_are_told(made):
    _, frames = made
    with pytest.raises(
        UserError, match=r"with 60 frames to follow need 64 frames, the longest utterance has 40.*regime"
    ):
        common_runs(frames, WINDOW, [1], ahead=60)


def test_teacher_forcing_is_the_plain_likelihood(windows):
    predictor = fresh(windows)
    index = torch.arange(20)
    truth = windows[0].stretch(index, 1, 1)
    nll = TeacherForced().nll(predictor, truth, 0, generator())
    torch.testing.assert_close(nll, predictor.nll(*windows[0].batch(index, 1)))


@pytest.mark.parametrize("settings", [MDN, VMF], ids=lambda s: s["kind"])
@pytest.mark.parametrize("k", [1, 2])
def test_an_unrolled_step_has_the_loss_that_the_rollout_diagnostics_score(windows, settings, k):
    predictor = fresh(windows, settings).eval()
    truth = windows[0].stretch(torch.arange(50, 60), k, STEPS)
    forecast = rollout(predictor, truth, STEPS, torch.zeros(STEPS, dtype=torch.bool), k=k)
    nll = build_regime(SCHEDULED).nll(predictor, truth, 0, generator())
    torch.testing.assert_close(nll, forecast.nll.mean(dim=1))
    nll = build_regime(UNROLLED).nll(predictor, truth, math.inf, generator())
    torch.testing.assert_close(nll, forecast.nll.mean(dim=1))
    nll = build_regime(MULTI).nll(predictor, truth, 0, generator())
    torch.testing.assert_close(nll, forecast.nll[:, [0, 1, 4]].mean(dim=1))


def test_the_way_to_the_true_state_is_from_where_the_rollout_is(windows):
    predictor = fresh(windows).eval()
    truth = windows[0].stretch(torch.arange(10), 1, STEPS)
    states = rollout(predictor, truth, STEPS, torch.zeros(STEPS, dtype=torch.bool)).states
    context = torch.cat([truth[:, : WINDOW - 1], states], dim=1)
    expected = [
        -predictor.density(context[:, s : s + WINDOW]).log_prob(truth[:, WINDOW + s] - states[:, s])
        for s in range(STEPS)
    ]
    nll = build_regime({**SCHEDULED, "target": "state"}).nll(predictor, truth, 0, generator())
    torch.testing.assert_close(nll, torch.stack(expected).mean(dim=0))


def test_with_truth_at_every_step_a_rollout_is_teacher_forcing(windows):
    predictor = fresh(windows)
    truth = windows[0].stretch(torch.arange(10), 1, STEPS)
    nll = build_regime({**SCHEDULED, "p_teacher_start": 1.0}).nll(predictor, truth, 0, generator())
    forced = [TeacherForced().nll(predictor, truth[:, s : s + WINDOW + 1], 0, generator()) for s in range(STEPS)]
    torch.testing.assert_close(nll, torch.stack(forced).mean(dim=0))


def test_true_states_return_less_and_less_often(windows, monkeypatch):
    seen = []
    regime = build_regime({**SCHEDULED, "p_teacher_start": 0.8, "p_teacher_end": 0.2, "decay_steps": 100})
    monkeypatch.setattr(type(regime), "unroll", lambda *a: seen.append(a[-1].float().mean()) or torch.zeros(1, 1))
    for done in (0, 50, 100, math.inf):
        regime.nll(None, torch.zeros(4000, 8, DIM), done, generator(1))
    np.testing.assert_allclose(seen, [0.8, 0.5, 0.2, 0.2], atol=4 * 0.5 / math.sqrt(4000 * STEPS))


def test_rollouts_grow_while_training():
    regime = build_regime({**UNROLLED, "unroll_steps": 16, "first_unroll_steps": 2, "grow_steps": 1400})
    assert [regime.steps(done) for done in (0, 99, 100, 700, 1399, 1400, math.inf)] == [2, 2, 3, 9, 15, 16, 16]
    assert regime.longest == 16


@pytest.mark.parametrize("settings", [SCHEDULED, SAMPLED], ids=lambda s: s["kind"])
@pytest.mark.parametrize("kind", [MDN, VMF], ids=lambda s: s["kind"])
def test_gradients_go_through_the_states_only_if_backpropagate_is_set(windows, settings, kind):
    predictor = fresh(windows, kind).double()
    truth = windows[0].stretch(torch.arange(4), 1, 2).double()
    weight = next(predictor.network.parameters())

    def second_step(backpropagate: bool) -> torch.Tensor:
        regime = build_regime({**settings, "unroll_steps": 2, "backpropagate": backpropagate})
        advance = (lambda density: density.sample(draws)) if settings is SAMPLED else (lambda density: density.mean())
        draws = generator(3)
        nll = regime.unroll(predictor, truth, 2, advance)[:, 1].mean()
        return torch.autograd.grad(nll, weight)[0]

    direct, whole = second_step(False), second_step(True)
    assert torch.isfinite(whole).all()
    assert not torch.allclose(direct, whole, rtol=1e-3)


def test_the_gradient_through_the_states_is_that_of_finite_differences(windows):
    predictor = fresh(windows).double().eval()
    truth = windows[0].stretch(torch.arange(4), 1, STEPS).double()
    regime = build_regime({**SCHEDULED, "target": "state"})
    weight = next(predictor.network.parameters())
    loss = lambda: regime.nll(predictor, truth, 0, generator()).mean()  # noqa: E731
    (gradient,) = torch.autograd.grad(loss(), weight)
    direction = torch.randn(weight.shape, generator=generator(5), dtype=weight.dtype)
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight += sign * 1e-6 * direction
            values.append(float(loss()))
            weight -= sign * 1e-6 * direction
    assert (values[0] - values[1]) / 2e-6 == pytest.approx(float((gradient * direction).sum()), rel=1e-5)


def test_noise_preserves_the_variance_of_a_context_and_is_undone_on_request(windows):
    predictor = fresh(windows)
    truth = windows[0].stretch(torch.arange(len(windows[0])), 1, 1)
    seen = []
    predictor.nll = lambda context, delta: seen.append((context, delta)) or torch.zeros(len(delta))
    for target in ("step", "state"):
        build_regime({**NOISY, "max_noise": 1.0, "target": target}).nll(predictor, truth, 0, generator())
    (noisy, step), (again, to_state) = seen
    torch.testing.assert_close(noisy, again, rtol=0, atol=0)  # the same draws
    spread = ((noisy - predictor.frame_mean) / predictor.frame_std).square().mean()
    assert float(spread) == pytest.approx(1, abs=0.1)
    correlation = float(torch.corrcoef(torch.stack([noisy.flatten(), truth[:, :WINDOW].flatten()]))[0, 1])
    assert correlation == pytest.approx(2 / 3, abs=0.08)  # E sqrt(1 - u), u uniform on (0, 1)
    torch.testing.assert_close(step, truth[:, -1] - truth[:, -2])
    torch.testing.assert_close(noisy[:, -1] + to_state, truth[:, -1])


def test_the_newest_frames_of_a_context_can_be_left_clean(windows):
    predictor = fresh(windows)
    truth = windows[0].stretch(torch.arange(len(windows[0])), 1, 1)
    seen = []
    predictor.nll = lambda context, delta: seen.append((context, delta)) or torch.zeros(len(delta))
    for clean in (0, 2):
        build_regime({**NOISY, "clean_frames": clean}).nll(predictor, truth, 0, generator())
    (noisy, _), (partly, delta) = seen
    torch.testing.assert_close(partly[:, :1], noisy[:, :1], rtol=0, atol=0)
    torch.testing.assert_close(partly[:, 1:], truth[:, 1:WINDOW], rtol=0, atol=0)
    assert (noisy[:, 1:] != truth[:, 1:WINDOW]).all()
    torch.testing.assert_close(delta, truth[:, -1] - truth[:, -2])  # from a clean frame, state and step are one


def test_draws_without_spread_are_the_mean(windows):
    predictor = fresh(windows, {**MDN, "n_components": 1, "log_sigma_min": -30.0, "log_sigma_max": -20.0})
    truth = windows[0].stretch(torch.arange(6), 1, STEPS).double()
    by_draws = build_regime(SAMPLED).unroll(predictor.double(), truth, STEPS, lambda d: d.sample(generator()))
    by_mean = build_regime(SAMPLED).unroll(predictor, truth, STEPS, lambda d: d.mean())
    torch.testing.assert_close(by_draws, by_mean, rtol=1e-4, atol=1e-4)


def test_draws_differ_and_are_averaged(windows):
    predictor = fresh(windows)
    truth = windows[0].stretch(torch.arange(6), 1, STEPS)
    one, two = (build_regime({**SAMPLED, "draws": n}).nll(predictor, truth, 0, generator(7)) for n in (1, 2))
    assert one.shape == two.shape == (6,) and not torch.allclose(one, two)
    repeated = build_regime({**SAMPLED, "draws": 1}).nll(predictor, truth.repeat_interleave(2, 0), 0, generator(7))
    torch.testing.assert_close(two, repeated.view(6, 2).mean(1))


# ------------------------------------------------------------------------------------------------------ training


def run(windows, state_file, regime, interval=1e9, predictor=None):
    predictor = predictor or fresh(windows)
    settings = TrainingSettings(**TRAINING)
    objective = Likelihood(predictor, *windows, 1, build_regime(regime), settings.batch_size, ("test",))
    curve = train(predictor, objective, settings, state_file=state_file, checkpoint_interval_s=interval)
    return predictor.state_dict(), curve


class Killed(Exception):
    pass


@pytest.mark.parametrize("regime", ALL, ids=lambda r: r["kind"])
def test_a_killed_run_equals_an_uninterrupted_one_bit_for_bit(windows, tmp_path, monkeypatch, regime):
    expected, expected_curve = run(windows, tmp_path / "whole.pt", regime)
    kind, count = REGIMES[regime["kind"]], [0]
    nll = kind.nll

    def killing(self, predictor, truth, done, generator):
        if done == 13 and not count[0]:
            count[0] = 1
            raise Killed
        return nll(self, predictor, truth, done, generator)

    monkeypatch.setattr(kind, "nll", killing)
    with pytest.raises(Killed):
        run(windows, tmp_path / "killed.pt", regime, interval=0.0)
    resumed, curve = run(windows, tmp_path / "killed.pt", regime)
    np.testing.assert_equal(curve, expected_curve)  # NaN of step 0 included
    for name in expected:
        assert torch.equal(resumed[name], expected[name]), name


def test_the_final_loss_gets_better(windows, tmp_path):
    for regime in ({**UNROLLED, "target": "state"}, {**SCHEDULED, "target": "state"}, NOISY, MULTI, SAMPLED):
        _, curve = run(windows, tmp_path / f"{regime['kind']}.pt", regime)
        assert curve[-1]["validation_nll"] < curve[0]["validation_nll"], regime


class Overflowing:
    """The MDN's NLL, but infinite at the calls `at`."""

    def __init__(self, predictor, at):
        self.at, self.calls, self.nll_under = at, 0, predictor.nll_under

    def __call__(self, density, delta):
        self.calls += torch.is_grad_enabled()
        return self.nll_under(density, delta) + (math.inf if self.calls in self.at and torch.is_grad_enabled() else 0)


def test_an_update_that_overflowed_is_left_out_and_counted(windows, tmp_path):
    predictor = fresh(windows)
    predictor.nll_under = Overflowing(predictor, at={3 * STEPS + 1})  # the first step of the fourth rollout
    state, curve = run(windows, tmp_path / "s.pt", SCHEDULED, predictor=predictor)
    assert [point["skipped"] for point in curve] == [0, 1, 0]
    assert all(math.isfinite(point["train_nll"]) for point in curve[1:])
    assert all(torch.isfinite(value).all() for value in state.values())


def test_too_many_of_them_stop_the_training(windows, tmp_path):
    predictor = fresh(windows)
    predictor.nll_under = Overflowing(predictor, at=set(range(3 * STEPS, 10**6)))
    with pytest.raises(UserError, match=r"loss or its gradient is not finite at step \d+ .*shorten its rollouts"):
        run(windows, tmp_path / "s.pt", SCHEDULED, predictor=predictor)
