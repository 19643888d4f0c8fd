"""Training on sequences: every frame's loss from one pass, and what only a long memory can learn."""

import math

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.scores import score_frames
from latentdyn.errors import UserError
from latentdyn.models.fit import fit_model
from latentdyn.predictors.base import build_predictor
from latentdyn.predictors.reading import ReadPast
from latentdyn.stores.windows import Scaling, Sequences, Windows, common_runs
from latentdyn.training.likelihood import Likelihood
from latentdyn.training.loop import Training
from latentdyn.training.regimes import build_regime
from latentdyn.training.sequences import SequenceLikelihood
from tests.settings import settings_of

from .test_regimes import ALL

W, LENGTH, LAG = 2, 24, 3
CLEAN = ALL[1] | {"clean_frames": W}
GRU = {"kind": "gru", "width": 16, "layers": 1}
TRAINING = settings_of("predictors", "mdn")["training"] | {
    "steps": 100, "batch_size": 192, "learning_rate": 2e-2, "sequence_frames": LENGTH, "validate_every_steps": 50,
}  # fmt: skip


def settings(**changes):
    arm = {"window_frames": W, "horizons": [1], "n_components": 1, "reads": "past", "network": GRU, "target": "level"}
    return settings_of("predictors", "mdn", **(arm | {"training": TRAINING} | changes))


@pytest.fixture
def seasonal(make_store):
    """x_t = .9 x_{t-LAG} + e_t, e ~ N(0, I): frames less than LAG ago say nothing of the next."""
    rng = np.random.default_rng(0)

    def utterance(n=40):
        x = rng.normal(size=(n, 2)) / math.sqrt(1 - 0.9**2)
        for t in range(LAG, n):
            x[t] = 0.9 * x[t - LAG] + rng.normal(size=2)
        return x

    return make_store({(f"u{i}", f"{'ttttve'[i % 6]}{i}"): utterance() for i in range(60)})


def objective(made, regime, k=1, **changes):
    store, frames = made
    usable = common_runs(frames, W, [1, 2])
    latents = torch.from_numpy(store.load())
    train, held_out = (
        Sequences.of(latents, usable.of_splits(split), W, length=LENGTH) for split in ("train", "validation")
    )
    torch.manual_seed(0)
    predictor = build_predictor(settings(**changes), 2)
    predictor.set_start(Scaling.fit(train), train, held_out, k)
    return SequenceLikelihood(predictor.eval(), train, held_out, k, build_regime(regime), 5 * LENGTH, ("test",))


@pytest.mark.parametrize("regime", [*ALL[:2], CLEAN], ids=["true", "noisy", "newest clean"])
@pytest.mark.parametrize("k", [1, 2])
def test_the_loss_of_a_sequence_is_the_mean_over_its_frames(seasonal, regime, k):
    made = objective(seasonal, regime, k, target="step", linear_skip="fixed")
    index = made._drawn(3)[:5]
    truth = made.windows.stretch(index, k, 1)
    assert truth.shape == (5, LENGTH + k, 2)
    loss = made.loss(3)
    generator = torch.Generator().manual_seed(made._draws.initial_seed())
    seen = made.regime.seen(made.predictor, truth, generator)
    assert torch.equal(seen.nan_to_num(), truth.nan_to_num()) == (regime["kind"] == "teacher_forced")
    newest = truth if regime == CLEAN else seen
    each = []
    for row, read in zip(range(5), seen, strict=True):
        first = int(truth[row].isnan().any(dim=1).sum())
        for end in range(first + W, LENGTH + 1):
            delta = truth[row, end + k - 1] - newest[row, end + k - 2]
            summary = made.predictor.reading().context(read[None, first:end]).summary
            each.append(made.predictor.nll(ReadPast(newest[row, None, end - W : end], summary), delta[None]))
    torch.testing.assert_close(loss, torch.cat(each).mean())


def test_the_held_out_loss_is_what_the_evaluation_scores(seasonal):
    made = objective(seasonal, {"kind": "teacher_forced"})
    scores = score_frames(made.predictor, made._held_out_windows, 1, Scaling.fit(made.windows))
    assert made.held_out_loss() == pytest.approx(scores.nll.mean(), rel=1e-6)
    assert made._held_out_windows.t[:].max() > LENGTH  # pasts longer than training sequences


@pytest.mark.parametrize("regime", ALL[2:], ids=lambda regime: regime["kind"])
def test_a_regime_of_runs_reads_each_frame_once_and_loses_nothing(seasonal, regime):
    made = objective(seasonal, regime)
    longest = made.regime.longest
    usable = made.windows.t[:] + longest - 1 < 40
    windows = made.windows.only(usable.nonzero().flatten()[:6])
    truth = windows.stretch(slice(None), 1, longest)
    runs = Likelihood(made.predictor, windows, None, 1, made.regime, 6, ("test",))
    assert runs.loss(0).isfinite()
    steps = made.regime.unroll(made.predictor, truth, longest, lambda density: density.mean())
    states = truth[:, :-longest]
    for s in range(longest):
        density = made.predictor.density(states)
        start = states[:, -1] if regime["target"] == "state" else truth[:, LENGTH + s - 1]
        expected = made.predictor.nll_under(density, truth[:, LENGTH + s] - start)
        torch.testing.assert_close(steps[:, s], expected, rtol=1e-4, atol=1e-4)
        states = torch.cat([states, states[:, -1:] + density.mean()[:, None]], dim=1)


def fitted(made, tmp_path, name, **options):
    store, frames = made
    return fit_model(
        "predictor", options.pop("settings", settings()), store, frames, seed=0, state=tmp_path / name,
        device=torch.device("cpu"), **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reads", "network"), [("window", GRU), ("past", GRU), ("past", {"kind": "transformer", "width": 16, "heads": 2})]
)
def test_only_a_long_memory_learns_a_long_season_on_the_very_same_frames(seasonal, tmp_path, reads, network):
    chosen = settings(reads=reads, network=network | {"layers": 1})
    predictor = build_predictor(chosen, 2).eval()
    predictor.load_state_dict(fitted(seasonal, tmp_path, reads, settings=chosen).weights["k1"])
    store, frames = seasonal
    held_out = common_runs(frames, W, [1]).of_splits("eval").late(LAG)
    windows = Windows.of(torch.from_numpy(store.load()), held_out, W)
    scores = score_frames(predictor, windows, 1, Scaling.fit(windows))
    gain = float((scores.nll - scores.nll_level).mean())
    exact = 2 * 0.5 * math.log(1 - 0.9**2)  # nats: what the frame a season ago is worth
    assert gain > -0.1 if reads == "window" else gain < 0.4 * exact


def test_a_killed_training_on_sequences_equals_an_uninterrupted_one_bit_for_bit(seasonal, tmp_path, monkeypatch):
    short = settings(training=TRAINING | {"steps": 12, "validate_every_steps": 6, "regime": ALL[1]})
    expected = fitted(seasonal, tmp_path, "whole", settings=short)
    save = Training._save

    def killed(training):
        save(training)
        if training.step == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(Training, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted(seasonal, tmp_path, "killed", settings=short, checkpoint_interval_s=-1)
    monkeypatch.undo()
    again = fitted(seasonal, tmp_path, "killed", settings=short)
    assert again.curve.equals(expected.curve)
    assert all(torch.equal(value, expected.weights["k1"][name]) for name, value in again.weights["k1"].items())


def test_sequences_longer_than_any_utterance_are_told(seasonal, tmp_path):
    long = settings(training=TRAINING | {"sequence_frames": 40})
    with pytest.raises(UserError, match="longer than any utterance: the longest has 40") as error:
        fitted(seasonal, tmp_path, "long", settings=long)
    assert "at most 39" in str(error.value)
