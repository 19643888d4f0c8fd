"""State information by a mixture density network: exact where a line is all there is, and where a line sees nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest

from latentdyn.diagnostics.learned.information import state_information
from latentdyn.diagnostics.learned.information_mdn import MDNSettings, state_information_mdn
from latentdyn.diagnostics.learned.pair import Pair
from latentdyn.errors import UserError
from latentdyn.processes.state_space import StateSpace
from latentdyn.processes.switching import Switching

W, RIDGES = 4, [1e-6, 1e-3]
SETTINGS = MDNSettings(
    n_components=4, network={"kind": "mlp", "width": 64, "layers": 1, "dropout": 0.0}, context_clip=10.0,
    log_sigma_min=-3.0, log_sigma_max=3.0, steps=1500, batch_size=256, learning_rate=3e-3, weight_decay=1e-4,
    gradient_clip_norm=1.0, validate_every_steps=100, patience_validations=4,
)  # fmt: skip
LINEAR = StateSpace(4, 0, state_dim=2, radius=0.9, noise=0.3, window_frames=W)


def signs():
    """x_{t+1} = A x_t + e or -A x_t + e, as a coin says: the mean given x_t is 0 whatever x_t is."""
    process = Switching(3, 0, n_regimes=2, radius=0.9, noise=0.3)
    process.transitions[1] = -process.transitions[0]
    return process


def sizes(n_frames, generator):
    """x_t = exp(s_t) e_t with s_t = .9 s_{t-1} + ..: a frame tells of the size of the next one, and of nothing else."""
    pushes, s = generator.standard_normal(n_frames + 1), np.empty(n_frames)
    s[0] = pushes[-1]
    for t in range(1, n_frames):
        s[t] = 0.9 * s[t - 1] + math.sqrt(1 - 0.9**2) * pushes[t]
    return np.exp(s)[:, None] * generator.standard_normal((n_frames, 2))


def information_of_sizes():
    """I(x_t; x_{t+1}) by quadrature over both s and both ln ‖x‖: directions are uniform and tell nothing."""
    s, lengths = np.linspace(-6, 6, 241), np.linspace(-12, 8, 401)
    prior = np.exp(-(s[:, None] ** 2 - 1.8 * np.outer(s, s) + s**2) / (2 * (1 - 0.81)))
    given = np.exp(2 * (lengths[:, None] - s) - np.exp(2 * (lengths[:, None] - s)) / 2)  # ρ² exp(-ρ²/2), ρ = ‖e‖
    joint = given @ prior @ given.T
    joint /= joint.sum()
    alone = joint.sum(axis=1)
    ratio = np.divide(joint, np.outer(alone, alone), out=np.ones_like(joint), where=joint > 0)
    return float((joint * np.log(ratio)).sum())


@pytest.fixture
def pair_of(make_store):
    """Frames that `draw(n_frames, generator)` makes, as their own reference."""

    def pair(draw, n_speakers=60, n_frames=200, kept=lambda frames: frames):
        names = [(f"u{i}", f"{'tttvttteet'[i % 10]}{i}") for i in range(n_speakers)]
        data = {name: draw(n_frames, np.random.default_rng(i)) for i, name in enumerate(names)}
        store, frames = make_store(data)
        return Pair.of(store.load(), store.load(), kept(frames), W, 2)

    return pair


def told(pair, settings=SETTINGS, horizons=(1,), **changes):
    given = {"window": True, "ridges": RIDGES, "max_frames": 4000, "resamples": 50, "seed_names": ("t",)} | changes
    return state_information_mdn(pair, list(horizons), settings, **given)


def values(found):
    return {(r.metric.removeprefix("state_information_"), r.mode): r.value for r in found.records}


def by_line(pair):
    found = state_information(pair, [1], ridges=RIDGES, max_frames=4000, resamples=50, seed_names=("t",))
    return {r.mode: r.value for r in found.records if r.metric == "state_information"}


def test_of_a_linear_gaussian_process_it_is_the_exact_information_and_that_of_the_line(pair_of):
    """The eval frames alone put the estimate off by up to .07 nats; beside the line's, of the same frames, by .01."""
    pair = pair_of(LINEAR.utterance)
    found, line = values(told(pair)), by_line(pair)
    for mode, frames in (("frame", 1), ("window", W)):
        exact = LINEAR.information(LINEAR.given_window(1, frames))
        assert found["mdn", mode] == pytest.approx(exact, abs=0.07)
        assert found["mdn_whole", mode] == pytest.approx(exact, abs=0.07)
        assert found["mdn", mode] == pytest.approx(line[mode], abs=0.01)
        assert abs(found["mdn_over_line", mode]) < 0.01


def test_it_sees_a_sign_that_no_line_sees(pair_of):
    """Exact: the entropy of N(0, v I) less the NLL of the process, which is a mean over its density."""
    process = signs()
    (nll,) = (a.value for a in process.answers([1]) if a.metric == "nll")
    exact = 1.5 * math.log(2 * math.pi * math.e * process.frame_std**2) - nll
    pair = pair_of(process.utterance)
    found, line = values(told(pair)), by_line(pair)
    assert exact > 1 and abs(line["frame"]) < 0.05
    for mode in ("frame", "window"):
        assert found["mdn", mode] == pytest.approx(exact, rel=0.1)
        assert found["mdn_whole", mode] == pytest.approx(exact, rel=0.1)
        assert found["mdn_over_line", mode] == pytest.approx(found["mdn", mode] - line[mode], abs=0.02)


def test_it_sees_a_size_that_no_line_sees(pair_of):
    exact = information_of_sizes()
    pair = pair_of(sizes)
    found, line = values(told(pair)), by_line(pair)
    assert exact > 0.15 and line["frame"] < 0.02
    assert found["mdn", "frame"] == pytest.approx(exact, rel=0.15)
    # the constant mixture of four is not quite the density of these frames, which the other cannot show
    assert found["mdn_whole", "frame"] == pytest.approx(exact, abs=0.1)


def test_frames_that_tell_nothing_tell_nothing(pair_of):
    found = values(told(pair_of(lambda n, rng: rng.standard_normal((n, 3))), window=False))
    assert {mode for _, mode in found} == {"frame"}
    assert all(abs(value) < 0.02 for value in found.values())


def test_horizons_and_their_intervals_are_of_the_frames_that_the_line_is_scored_on(pair_of):
    pair = pair_of(LINEAR.utterance, n_speakers=20)
    found = told(pair, replace(SETTINGS, steps=1), horizons=(1, 2), max_frames=300)
    assert {(r.horizon, r.n) for r in found.records} == {(1, 300), (2, 300)}
    assert all(r.ci_low < r.value < r.ci_high for r in found.records if r.metric == "state_information_mdn_whole")
    assert values(found) == values(told(pair, replace(SETTINGS, steps=1), horizons=(1, 2), max_frames=300))


def test_without_validation_speakers_or_with_a_loss_that_overflows_it_is_refused(pair_of):
    pair = pair_of(LINEAR.utterance, 10, kept=lambda frames: frames.of_splits("train", "eval"))
    with pytest.raises(UserError, match="held-out training speakers choose the weights of the mixture"):
        told(pair)
    pair = pair_of(LINEAR.utterance, 20)
    with pytest.raises(UserError, match=r"not finite after 1 updates.*lower learning_rate"):
        told(pair, replace(SETTINGS, learning_rate=1e30, validate_every_steps=1))
