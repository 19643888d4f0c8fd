"""A corpus by number: who is in it, how long it is, and a digest that tells it from another."""

import pytest

from latentdyn.corpus.synthetic import synthetic_handle, synthetic_manifest

SIZES = {"n_speakers": 3, "utterances_per_speaker": 2, "frames_per_utterance": 50, "frame_rate_hz": 12.5}


def test_speakers_and_utterances_are_numbered():
    manifest = synthetic_manifest(**SIZES)
    assert manifest[["utterance_id", "speaker_id"]].values.tolist() == [
        ["s0000-u0000", "s0000"],
        ["s0000-u0001", "s0000"],
        ["s0001-u0000", "s0001"],
        ["s0001-u0001", "s0001"],
        ["s0002-u0000", "s0002"],
        ["s0002-u0001", "s0002"],
    ]
    assert manifest.n_frames.tolist() == [50] * 6 and manifest.duration_s.tolist() == [4.0] * 6
    assert manifest.sex.isna().all()


def test_numbers_beyond_four_digits_stay_apart():
    manifest = synthetic_manifest(10_001, 1, 1, 1.0)
    assert manifest.utterance_id.is_unique and manifest.speaker_id.nunique() == 10_001


def test_the_handle_counts():
    handle = synthetic_handle(synthetic_manifest(**SIZES))
    digest = handle.pop("digest")
    assert handle == {"schema_version": 1, "n_utterances": 6, "n_speakers": 3, "hours": pytest.approx(24 / 3600)}
    assert synthetic_handle(synthetic_manifest(**SIZES))["digest"] == digest


@pytest.mark.parametrize("change", SIZES)
def test_another_corpus_has_another_digest(change):
    other = synthetic_manifest(**{**SIZES, change: SIZES[change] + 1})
    assert synthetic_handle(other)["digest"] != synthetic_handle(synthetic_manifest(**SIZES))["digest"]
