"""What directions are worth on held-out frames: values by hand, and on a VAR what the transforms find."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latentdyn.diagnostics import readouts as module
from latentdyn.diagnostics.readouts import held_out
from latentdyn.errors import UserError
from latentdyn.measurements.readouts import measure
from latentdyn.representations.base import Source, build_transform
from latentdyn.representations.base import Utterances as Training
from tests.indexed import whole_index
from tests.settings import process_of


def worth(x, frames, slow, predicted, predictions, resamples=40):
    maps = {"slow": slow, "predicted": predicted, "predictions": predictions}
    found = held_out(torch.from_numpy(x).float(), frames, **maps, resamples=resamples, seed_names=("test",))
    return {r.metric: r for r in found}


def test_by_hand_on_the_frames_that_have_a_whole_past():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(6, 2)), rng.normal(size=(4, 2))]).round(2) + 100
    frames = whole_index([6, 4])
    slow, predicted = np.array([[1.0, 2], [0, -1]]), np.array([[1.0, 0], [1, 1]])
    predictions = rng.normal(size=(2, 2, 2))
    found = worth(x, frames, slow, predicted, predictions)
    t = np.array([2, 3, 4, 5, 8, 9])
    y, step = x[t] @ slow, (x[t] - x[t - 1]) @ slow
    target, told = x[t] @ predicted, x[t - 1] @ predictions[0] + x[t - 2] @ predictions[1]
    for i in range(2):
        assert found[f"slowness_c{i + 1}"].value == pytest.approx((step[:, i] ** 2).mean() / y[:, i].var(), rel=1e-5)
        correlation = np.corrcoef(target[:, i], told[:, i])[0, 1]
        assert found[f"canonical_correlation_c{i + 1}"].value == pytest.approx(correlation, rel=1e-5)
    assert {(r.n, r.split) for r in found.values()} == {(6, "eval")}


def test_blocks_change_nothing_and_one_speaker_has_no_interval(monkeypatch):
    x, maps = np.random.default_rng(1).normal(size=(40, 3)), [np.eye(3), np.eye(3), np.ones((1, 3, 3))]
    one = worth(x, whole_index([20, 20], ["b", "a"]), *maps)
    monkeypatch.setattr(module, "_BLOCK", 7)
    assert {m: (r.value, r.ci_low) for m, r in worth(x, whole_index([20, 20], ["b", "a"]), *maps).items()} == {
        m: (pytest.approx(r.value), pytest.approx(r.ci_low)) for m, r in one.items()
    }
    assert all(r.ci_low <= r.value <= r.ci_high for r in one.values())
    assert all(r.ci_low is None for r in worth(x, whole_index([20, 20], ["a", "a"]), *maps).values())


def test_utterances_that_are_too_short_are_told():
    maps = [np.eye(2), np.eye(2), np.ones((4, 2, 2))]
    with pytest.raises(UserError, match="no utterance is long enough"):
        worth(np.zeros((8, 2)), whole_index([4, 4]), *maps)
    with pytest.raises(UserError, match="no eval utterance has 5 finite frames in a row"):
        worth(np.zeros((10, 2)), whole_index([6, 4], splits={"s0": "train", "s1": "eval"}), *maps)


def test_on_a_var_the_transforms_find_the_exact_values(make_store):
    process = process_of("var", dim=5, seed=1, radius=0.8, noise="correlated")
    rng = np.random.default_rng(0)
    data = {(f"u{i}", f"{'te'[i % 2]}{i}"): process.utterance(400, rng) for i in range(40)}
    store, frames = make_store(data)
    subject = SimpleNamespace(store=store, index=frames, latents=torch.from_numpy(store.load()))
    found = measure(subject, {"window_frames": 3, "bootstrap_resamples": 200}).records
    exact = {a.metric: a.value for a in process.answers([1])}
    for r in found:
        error = (r.ci_high - r.ci_low) / 4 if r.split == "eval" else 0.03 * exact[r.metric]
        assert abs(r.value - exact[r.metric]) < 3 * error
    assert len(found) == 16  # four directions of each kind, on both splits
    split_of = {speaker: {"t": "train", "e": "eval"}[speaker[0]] for speaker in set(store.utterances.speaker_id)}
    for kind, name, own in (("sfa", "slowness", {}), ("cca", "correlations", {"window_frames": 3})):
        transform = build_transform({"kind": kind, "dtype": "float32", "dim": 4, **own}, Source(5, 12.5))
        transform.fit(Training(store, split_of, only="train"))
        mine = [r.value for r in found if r.split == "train" and r.metric.startswith(("slow", "canon")[kind == "cca"])]
        assert mine == transform.fitted()[name][:4].tolist()
