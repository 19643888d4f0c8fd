"""What prototypes of directions tell of sounds that are made by rule from the steps."""

from dataclasses import replace

import numpy as np
import pytest

from latentdyn.diagnostics.archetypes.directions import Directions
from latentdyn.diagnostics.archetypes.sounds import Sounds, sound_records
from tests.unit.diagnostics.test_archetypes import SETTINGS, unit, walks

N = 300
DELAYS = [-20.0, 0.0, 20.0]
PROTOTYPES = unit(np.random.default_rng(1).normal(size=(8, 16)))
CHANGES = np.array([5.0, -5.0, 3.0, -1.0, 0.5, 2.0, -4.0, -0.5])


def steps(rng, n):
    """Steps of eight shared prototypes and of many lengths."""
    labels, lengths = rng.integers(8, size=n), np.exp(rng.normal(size=n))
    return lengths[:, None] * (PROTOTYPES[labels] + 0.02 * rng.normal(size=(n, 16))), labels


def made():
    latents, _, frames = walks(steps, N)
    x = latents.numpy().astype(np.float64)
    change = np.diff(x, axis=0, prepend=x[:1])
    lengths = np.maximum(np.linalg.norm(change, axis=1), 1e-9)
    labels = (change @ PROTOTYPES.T).argmax(axis=1)
    rng = np.random.default_rng(2)
    sounds = {
        "level": CHANGES[labels],  # a matter of the prototype
        "flux": np.log(lengths),  # of the length
        "pitch": np.where(rng.random(len(x)) < 0.5, np.nan, rng.normal(size=len(x))),  # of neither
    }
    # only one of the delays is the right one
    noise = {name: rng.permutation(of) for name, of in sounds.items()}
    changes = {name: np.stack([noise[name], noise[name][::-1], of]) for name, of in sounds.items()}
    return latents, Sounds(np.arange(len(x)), DELAYS, changes), frames


def records_of(latents, sounds, frames, **changes):
    return sound_records(latents, lambda: sounds, frames, replace(SETTINGS, **changes))


def values(records, sound: str) -> dict[str, float | None]:
    return {r.metric: r.value for r in records if r.mode == sound}


def test_each_sound_is_told_by_what_makes_it():
    records = records_of(*made())
    level, flux, pitch = (values(records, sound) for sound in ("level", "flux", "pitch"))
    assert level["r2_sound_labels"] > 0.99 and level["r2_sound_labels"] > level["r2_sound_random"]
    assert level["r2_sound_linear"] > 0.5 and abs(level["r2_sound_length"]) < 0.01
    assert flux["r2_sound_length"] > 0.99 and flux["r2_sound_labels"] < 0.02
    assert all(abs(pitch[name]) < 0.05 for name in pitch if name.startswith("r2_"))
    assert level["sound_delay_ms"] == flux["sound_delay_ms"] == 20
    assert {r.clusters for r in records} == {8} and {r.split for r in records} == {"eval"}
    assert all(r.ci_low <= r.value <= r.ci_high for r in records if r.metric.startswith("r2_"))


def test_steps_whose_sound_is_not_known_are_left_out():
    latents, sounds, frames = made()
    some = np.arange(0, len(latents), 3)
    part = Sounds(some, DELAYS, {name: of[:, some] for name, of in sounds.changes.items()})
    whole, found = (records_of(latents, of, frames) for of in (sounds, part))
    n = {r.n for r in found if r.mode == "level"}
    assert n == {sum(row % 3 == 0 for row in range(6 * N, 9 * N) if row % N)}, "of three eval speakers, a third"
    assert values(found, "level")["r2_sound_labels"] == pytest.approx(
        values(whole, "level")["r2_sound_labels"], abs=0.01
    )


def test_a_sound_that_is_known_of_no_step_is_undefined():
    latents, sounds, frames = made()
    eval_row = 6 * N  # the first of a held-out speaker
    train_only = sounds.changes["level"].copy()
    train_only[:, eval_row:] = np.nan
    unknown = {"pitch": np.full((3, len(latents)), np.nan), "level": train_only}
    records = records_of(latents, Sounds(sounds.rows, DELAYS, unknown), frames, cluster_counts=[2, 8])
    told = [(r.metric, r.status, r.n, r.mode, r.clusters) for r in records]
    assert told == [("r2_sound_labels", "undefined", 0, sound, n) for sound in ("pitch", "level") for n in (2, 8)]


def test_sounds_are_found_by_row():
    sounds = Sounds(np.array([4, 5, 9]), [0.0], {"level": np.array([[1.0, np.nan, 3.0]])})
    of = Directions(np.zeros((5, 1)), np.ones(5), np.array([9, 3, 5, 4, 12]), np.zeros(5, int), 1)
    assert sounds.of_steps("level", 0, of).tolist() == pytest.approx([3, np.nan, np.nan, 1, np.nan], nan_ok=True)
