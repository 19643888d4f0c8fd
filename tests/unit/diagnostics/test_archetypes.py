"""Prototypes of the directions of steps: values by hand, and data whose prototypes are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.archetypes.codebook import Axes, fit_prototypes, match, nearest
from latentdyn.diagnostics.archetypes.directions import find_directions
from latentdyn.diagnostics.archetypes.evaluation import ArchetypeSettings, archetype_records, level_changes
from latentdyn.diagnostics.archetypes.told import label_means, linear_prediction
from latentdyn.errors import UserError
from latentdyn.processes.prototypes import Prototypes
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex
from tests.indexed import whole_index

SETTINGS = ArchetypeSettings(
    cluster_counts=[8], threshold_quantile=0.0, variance=1.0, kmeans_iterations=20, kmeans_restarts=3, halvings=2,
    max_frames=100_000, bootstrap_resamples=50,
)  # fmt: skip
SPLITS = {**{f"t{i}": "train" for i in range(6)}, "e0": "eval", "e1": "eval", "e2": "eval"}


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def walks(steps_of, n: int = 300) -> tuple[torch.Tensor, np.ndarray, FrameIndex]:
    """One utterance of n frames for each speaker; `steps_of(rng)` gives steps (n, D) and changes of level (n,)."""
    rng = np.random.default_rng(0)
    latents, energy = [], []
    for _ in SPLITS:
        steps, changes = steps_of(rng, n)
        latents.append(steps.cumsum(axis=0))
        energy.append(np.cumsum(changes))
    x = torch.from_numpy(np.concatenate(latents).astype(np.float32))
    return x, np.concatenate(energy), whole_index([n] * len(SPLITS), list(SPLITS), SPLITS)


def shared(rng, n, noise=0.05):
    """Steps of eight prototypes that all speakers share; each changes the level by its own number."""
    prototypes = unit(np.random.default_rng(1).normal(size=(8, 16)))
    labels = rng.integers(8, size=n)
    return prototypes[labels] + noise * rng.normal(size=(n, 16)), labels - 3.5


def own(rng, n):
    """Steps of eight prototypes of each speaker's own."""
    prototypes, labels = unit(rng.normal(size=(8, 128))), rng.integers(8, size=n)
    return prototypes[labels] + 0.01 * rng.normal(size=(n, 128)), np.full(n, np.nan)


def gaussian(rng, n):
    return rng.normal(size=(n, 16)), rng.normal(size=n)


def values(data, **changes) -> dict[str, float]:
    return {r.metric: r.value for r in archetype_records(*data, replace(SETTINGS, **changes))}


# --------------------------------------------------------------------------------------------------- a codebook


def test_axes_hold_the_share_that_is_asked_for():
    x = unit(np.array([[3, 0, 0]] * 6 + [[0, 3, 0]] * 3 + [[0, 0, 5]]))  # shares .6, .3 and .1
    assert [Axes.fit(x, share).vectors.shape[1] for share in (0.5, 0.6, 0.61, 0.9, 0.91, 1.0)] == [1, 1, 2, 2, 3, 3]
    along = Axes.fit(x, 0.9)(np.array([[3, 4, 12], [0, 0, 1]], np.float32))
    assert np.abs(along[0]) == pytest.approx([0.6, 0.8]), "of unit length again, without the third axis"
    assert along[1] == pytest.approx([0, 0]), "nothing of it lies along the axes"


def test_prototypes_are_the_directions_that_come_back():
    true = unit(np.random.default_rng(0).normal(size=(5, 8)))
    labels = np.random.default_rng(1).integers(5, size=400)
    found = fit_prototypes(true[labels], 5, 20, 3, ("x",))
    _, cosines = nearest(true, found)
    assert cosines == pytest.approx(np.ones(5), abs=1e-5)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert np.array_equal(found, fit_prototypes(true[labels], 5, 20, 3, ("x",))), "drawn by name"


def test_a_direction_belongs_to_the_prototype_of_the_largest_cosine():
    labels, cosines = nearest(unit(np.array([[1, 0], [3, 4], [-1, -1]])), np.eye(2, dtype=np.float32))
    assert labels.tolist()[:2] == [0, 1] and cosines == pytest.approx([1, 0.8, -np.sqrt(0.5)])


def test_pairs_have_the_largest_sum_of_cosines():
    """Both prototypes are nearest to the same partner; one has to take the other."""
    first, second = np.array([[1.0, 0.0], [0.8, 0.6]]), np.array([[1.0, 0.0], [0.8, -0.6]])
    assert (first @ second.T).argmax(axis=1).tolist() == [0, 0]
    assert match(first, second).tolist() == [1, 0], ".8 + .8 beats 1 + .28"
    order = np.random.default_rng(0).permutation(6)
    book = unit(np.random.default_rng(1).normal(size=(6, 4)))
    assert np.array_equal(match(book[order], book), order)


def test_regressions_by_hand():
    means = label_means(np.array([1.0, 3, 10, np.nan]), np.array([0, 0, 2, 1]), 4)
    assert means == pytest.approx([2, 14 / 3, 10, 14 / 3]), "a label without a value has the mean of all"
    x = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    assert linear_prediction(x, x @ [2.0, 3] + 5, np.array([[1.0, 1]])) == pytest.approx([10])


# --------------------------------------------------------------------------------------------------- directions


def test_steps_are_those_within_utterances_that_are_long_enough():
    """Steps of training speakers of the lengths 1, 2, 3 and 4 in turn; held-out ones of 3, 0 and 4."""
    lengths = {"train": [1, 2, 3, 4] * 3, "eval": [3, 0, 4]}
    latents, energy = [], []
    for of in lengths.values():
        x = np.concatenate([[0], np.cumsum(of)])
        latents += [[value, 0.0] for value in x]
        energy += [i**2.0 for i in range(len(x))]
    frames = whole_index([1 + len(of) for of in lengths.values()], list(lengths), {split: split for split in lengths})
    data, energy_db = (torch.tensor(latents, dtype=torch.float32), frames), np.array(energy)

    def found(quantile: float):
        return find_directions(*data, quantile=quantile, variance=1.0, max_frames=1000, names=("x",))

    assert (len(found(0.0).train.x), len(found(0.0).held_out.x)) == (12, 2), "a step of length 0 has no direction"
    half = found(0.5)
    assert half.threshold == 2.5 and len(half.train.x) == 6
    assert half.held_out.lengths.tolist() == [3, 4] and half.held_out.rows.tolist() == [14, 16]
    assert level_changes(energy_db, half.held_out).tolist() == [1, 5], "1 - 0 and 9 - 4"
    energy_db[1] = -np.inf  # digital silence
    changes = level_changes(energy_db, found(0.0).train)
    assert np.isnan(changes[:2]).all() and np.isfinite(changes[2:]).all()


# ------------------------------------------------------------------------------------------------------ records


def test_prototypes_that_all_speakers_share_are_found_and_transfer():
    found = values(walks(shared))
    assert found["tightness"] == pytest.approx(0.98, abs=0.01) and found["tightness_random"] < found["tightness"]
    assert found["speaker_transfer"] > 0.999 and found["speaker_transfer_ceiling"] > 0.999
    assert found["speaker_transfer_chance"] == pytest.approx(1 / 8, abs=0.01)
    assert found["r2_energy_labels"] > 0.99, "the level follows from the prototype"
    assert found["r2_energy_random"] < found["r2_energy_linear"] < found["r2_energy_labels"]


def test_prototypes_of_each_speakers_own_transfer_by_chance():
    found = values(walks(own))
    assert found["tightness"] < 0.35 < found["tightness_training"]
    assert found["speaker_transfer"] == pytest.approx(found["speaker_transfer_chance"], abs=0.1)
    assert not any(name.startswith("r2_energy") for name in found), "no audio"


def test_gaussian_steps_have_no_prototypes():
    """Their ceiling is low, and transfer reaches it: a continuum is cut up in other ways each time."""
    found = values(walks(gaussian, 1000))
    assert found["tightness"] == pytest.approx(found["tightness_random"], abs=0.04)
    assert found["speaker_transfer"] < 0.35
    assert found["speaker_transfer"] == pytest.approx(found["speaker_transfer_ceiling"], abs=0.05)
    assert found["r2_energy_labels"] == pytest.approx(0, abs=0.02)


def test_a_loop_of_prototype_steps_transfers():
    """The known process; its loop has as many steps as prototypes are asked for."""
    process = Prototypes(8, 0, n_prototypes=8, separation=1.0, noise=0.02)
    speaker = iter(range(len(SPLITS)))

    def steps(rng, n):
        x = process.utterance(n, numpy_generator("x", next(speaker)))
        return np.diff(x, axis=0, prepend=0), np.zeros(n)

    found = values(walks(steps), variance=0.9)
    assert found["tightness"] > 0.97
    assert found["speaker_transfer"] > 0.999 and found["speaker_transfer_ceiling"] > 0.999


def test_records_say_where_they_are_of_and_intervals_hold_the_value():
    data = walks(shared)
    records = archetype_records(*data, replace(SETTINGS, cluster_counts=[2, 8], variance=0.9))
    assert {(r.split, r.clusters) for r in records} == {("eval", 2), ("eval", 8)}
    assert {r.n for r in records if r.metric == "tightness"} == {3 * 299}
    assert {r.n for r in records if r.metric == "tightness_training"} == {6 * 299}
    for r in records:
        if r.ci_low is not None:
            assert r.ci_low <= r.value <= r.ci_high, r
    assert {r.metric for r in records if r.ci_low is None} == {"tightness_training", "direction_dims", "step_threshold"}
    assert archetype_records(*data, replace(SETTINGS, cluster_counts=[2, 8], variance=0.9)) == records


def test_directions_know_no_scale():
    latents, energy, frames = walks(gaussian)
    ours = {name: v for name, v in values((latents, energy, frames)).items() if name != "step_threshold"}
    scaled = values((latents * 2.0**100, energy, frames))
    assert {name: scaled[name] for name in ours} == pytest.approx(ours, abs=1e-6)


def test_what_cannot_be_fitted_is_told():
    latents, energy, frames = walks(shared, 30)
    with pytest.raises(UserError, match="200 prototypes are asked for, and there are 174 steps"):
        values((latents, energy, frames), cluster_counts=[200])
    with pytest.raises(UserError, match="100 prototypes are asked for, and a half of the training speakers has 87"):
        values((latents, energy, frames), cluster_counts=[100])
    with pytest.raises(UserError, match="no step of split train has a length"):
        values((torch.zeros_like(latents), energy, frames))
    alone = frames.of_speakers("t0", "e0", "e1", "e2")
    with pytest.raises(UserError, match="two halves, and there is one"):
        values((latents, energy, alone))
