"""The table's numbers from recordings on disk: log-mel frames, and speech-like audio whose level and pitch move."""

from pathlib import Path

import numpy as np
import pytest
import torch

from latentdyn.config.measurements.archetype_sounds import ArchetypeSounds
from latentdyn.config.measurements.archetypes import Archetypes
from latentdyn.errors import UserError
from latentdyn.measurements import archetype_sounds
from latentdyn.measurements.subject import Subject
from latentdyn.perception.hearing import Listener

LOGMEL = {"kind": "logmel", "dtype": "float32", "sample_rate_hz": 16_000, "hop_samples": 640, "fft_samples": 1024,
          "n_mels": 24, "floor_db": -90.0}  # fmt: skip
SECONDS = 4.0


def moving(seed: int) -> np.ndarray:
    """Harmonics whose pitch and level wander."""
    rng = np.random.default_rng(seed)
    n = int(SECONDS * 16_000)
    knots = np.linspace(0, n, 41)
    semitones = np.interp(np.arange(n), knots, rng.normal(scale=2.0, size=41).cumsum() * 0.5)
    level_db = np.interp(np.arange(n), knots, rng.normal(scale=8.0, size=41))
    phase = 2 * np.pi * np.cumsum(140 * 2 ** (semitones / 12)) / 16_000
    tones = sum(np.sin(h * phase) / h for h in range(1, 20))
    noise = 1e-4 * rng.standard_normal(n)
    return (0.02 * 10 ** (level_db / 20) * tones + noise).astype(np.float32)


def settings(**changes):
    archetypes = {**Archetypes(cluster_counts=[8], threshold_quantile=0.0, halvings=1).model_dump(mode="json"),
                  "max_frames": 10_000, "bootstrap_resamples": 50}  # fmt: skip
    own = ArchetypeSounds(delays_ms=[-40.0, 0.0, 40.0], **changes)
    return {"sounds": own.model_dump(mode="json"), "archetypes": archetypes}


@pytest.fixture
def subject(corpus):
    audio = {f"{who}{i}": moving(i) for i, who in enumerate("ttttee")}
    made = corpus(codec=LOGMEL, audio=audio)
    where = {name: made["decoding"][name] for name in ("manifest", "audio")}
    return made, where


def of(made, where, workers: int = 1):
    heard = where and {name: Path(path) for name, path in where.items()}
    return Subject(made["latents"], made["frames"], {}, torch.device("cpu"), workers=workers, heard=heard)


def test_log_mel_frames_tell_the_level_that_is_in_them(subject):
    records = archetype_sounds.measure(of(*subject), settings()).records
    found = {(r.mode, r.metric): r.value for r in records}
    assert found["level", "r2_sound_linear"] > 0.6 and found["level", "r2_sound_labels"] > 0.3
    assert found["level", "r2_sound_labels"] > found["level", "r2_sound_random"] - 0.05
    assert found["level", "r2_sound_length"] < 0.2, "the length has no sign"
    assert found["flux", "r2_sound_length"] > found["flux", "r2_sound_linear"], "flux is a size"
    assert found["level", "sound_delay_ms"] <= 0, "a log-mel frame ends with its hop"
    n = {r.mode: r.n for r in records}
    assert n["level"] == 2 * (SECONDS * 25 - 1) and 0 < n["pitch"] <= n["level"]


def test_processes_change_nothing(subject):
    one, two = (
        archetype_sounds.measure(of(*subject, workers), settings(sounds=["level"])).records for workers in (1, 2)
    )
    assert one == two


def test_at_most_so_many_recordings_are_heard(subject):
    records = archetype_sounds.measure(of(*subject), settings(sounds=["flux"], recordings=1)).records
    assert {r.n for r in records} == {SECONDS * 25 - 1}


def test_too_few_steps_are_told_before_anything_is_heard(subject):
    made, where = subject
    asked = settings()
    asked["archetypes"]["cluster_counts"] = [8, 5000]
    with pytest.raises(UserError, match="5000 prototypes are asked for") as told:
        archetype_sounds.measure(of(made, {**where, "audio": "nowhere"}), asked)
    assert "listen to more recordings" in str(told.value)


def test_another_file_than_the_manifest_lists_is_refused(subject):
    made, where = subject
    Path(where["audio"], "e4-a.wav").write_bytes(b"x")
    with pytest.raises(UserError, match="this file changed since the manifest was built"):
        archetype_sounds.measure(of(made, where), settings(sounds=["level"]))


def test_a_manifest_of_another_corpus_is_refused(subject):
    made, where = subject
    table = of(made, where).index.utterance_table().rename(index={"t1-a": "another"})
    listener = Listener(["level"], [0.0], (60.0, 450.0), 25.0)
    with pytest.raises(UserError, match="does not list 1 of the 6 recordings; the first is another"):
        listener.changes(table, Path(where["manifest"]), Path(where["audio"]), 1)


def test_it_says_that_recordings_are_needed(subject):
    with pytest.raises(UserError, match="nothing says where the recordings are"):
        archetype_sounds.measure(of(subject[0], None), settings())


def test_frames_that_are_faster_than_contours_are_refused(corpus):
    made = corpus(codec={"kind": "samples", "dtype": "float32", "hop_samples": 40})  # 200 Hz
    with pytest.raises(UserError, match="200 frames a second"):
        archetype_sounds.measure(of(made, {name: made["decoding"][name] for name in ("manifest", "audio")}), settings())


def test_a_listener_hears_each_recording_by_itself(subject):
    made, where = subject
    table = of(made, where).index.utterance_table()
    listener = Listener(["flux", "level"], [0.0, 40.0], (60.0, 450.0), 25.0)
    rows, changes = listener.changes(table.iloc[::-1], Path(where["manifest"]), Path(where["audio"]), 1)
    assert (np.diff(rows) > 0).all() and changes["level"].shape == (2, len(rows))
    first = listener.changes(table.iloc[[2]], Path(where["manifest"]), Path(where["audio"]), 1)
    at = np.searchsorted(rows, first[0])
    assert np.array_equal(changes["flux"][:, at], first[1]["flux"], equal_nan=True)
