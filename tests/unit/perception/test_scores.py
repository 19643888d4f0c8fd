"""Scores: identity, known directions, and what cannot be scored."""

import sys

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.perception.mel import MelSettings, log_mel, mel_distance
from latentdyn.perception.scores import SCORES, Original, Score, Unscored, check_packages, score_all, words_of
from tests.unit.perception.conftest import RATE_HZ, speech_like

MEL = MelSettings(1024, 256, 80, -80.0)
QUICK = ("pesq", "stoi", "mel_distance")


def scores(heard, original, names=QUICK, words=None):
    return score_all(names, Original(original, words), heard, MEL)


def test_identity_scores_what_it_must():
    speech = speech_like(3.0)
    found = scores(speech, speech, names=(*QUICK, "dnsmos"))
    assert found["pesq"].total == pytest.approx(4.644, abs=1e-3)
    assert found["stoi"].total == pytest.approx(1, abs=1e-6)
    assert found["mel_distance"] == Score(0.0)
    assert 1 <= found["dnsmos"].total <= 5


def test_noise_lowers_every_score():
    speech = speech_like(3.0)
    noise = np.random.default_rng(1).standard_normal(len(speech)).astype(np.float32)
    levels = [scores(speech + level * noise, speech) for level in (0.001, 0.01, 0.1)]
    for name in ("pesq", "stoi"):
        values = [found[name].total for found in levels]
        assert values == sorted(values, reverse=True)
    assert levels[0]["mel_distance"] < levels[1]["mel_distance"] < levels[2]["mel_distance"]


def test_mel_distance_of_a_gain_is_the_gain_in_decibels():
    speech = speech_like(2.0)
    low = MelSettings(1024, 256, 80, -200.0)  # a floor that no band reaches
    assert mel_distance(speech, 0.5 * speech, low) == pytest.approx(20 * np.log10(2), abs=0.02)
    assert log_mel(speech, low).shape == (len(speech) // 256, 80)


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        (np.zeros(3 * RATE_HZ, np.float32), "silent"),
        (np.full(3 * RATE_HZ, np.nan, np.float32), "not finite"),
        (speech_like(0.2), "shorter than 0.25 s"),
        (np.empty(0, np.float32), "shorter than 0.25 s"),
        (1e-6 * speech_like(3.0), "silent"),
    ],
)
def test_what_cannot_be_scored_says_why(heard, reason):
    speech = speech_like(3.0)
    found = scores(heard, speech, names=("pesq", "stoi", "dnsmos", "speaker_similarity"))
    assert set(found.values()) == {Unscored(reason)}


def test_silence_has_a_mel_distance_and_loses_every_word():
    speech, silence = speech_like(1.0), np.zeros(RATE_HZ, np.float32)
    found = scores(silence, speech, names=("mel_distance", "word_error_rate"), words=("a", "b", "c"))
    assert found["mel_distance"].total > 1 and found["word_error_rate"] == Score(3, 3)


def test_a_silent_original_is_told_apart_and_is_no_matter_to_what_needs_none():
    found = scores(speech_like(1.0), np.zeros(RATE_HZ, np.float32), names=("pesq", "dnsmos"))
    assert found["pesq"] == Unscored("the original is silent") and isinstance(found["dnsmos"], Score)


def test_too_little_speech_has_no_intelligibility():
    speech = speech_like(0.3)
    assert scores(speech, speech, names=("stoi",))["stoi"] == Unscored("too little speech")


def test_noise_has_no_voice():
    noise = 0.01 * np.random.default_rng(0).standard_normal(2 * RATE_HZ).astype(np.float32)
    found = scores(noise, noise, names=("speaker_similarity",))["speaker_similarity"]
    assert found == Unscored("no voice found")


def test_without_a_transcript_there_is_no_word_error_rate():
    speech = speech_like(1.0)
    assert scores(speech, speech, names=("word_error_rate",))["word_error_rate"] == Unscored("no transcript")


def test_without_an_original_only_what_needs_none_is_scored():
    assert list(score_all(list(SCORES), None, speech_like(1.0), MEL)) == ["dnsmos"]


def test_the_longer_recording_is_cut():
    speech = speech_like(2.0)
    assert scores(speech[: RATE_HZ + 100], speech)["pesq"].total == pytest.approx(4.644, abs=1e-3)


def test_what_a_package_does_not_survive_is_listed(monkeypatch):
    monkeypatch.setattr("pystoi.stoi", lambda *_: np.zeros(1)[1])
    speech = speech_like(1.0)
    assert scores(speech, speech, names=("stoi",))["stoi"] == Unscored("stoi failed (IndexError)")


@pytest.mark.parametrize("score, module, said", [
    ("pesq", "pesq", r"pip install 'latentdyn\[perception\]'"),
    ("speaker_similarity", "resemblyzer", "--no-deps resemblyzer webrtcvad-wheels"),
    ("word_change", "pocketsphinx", r"'\.\[perception\]'"),
])  # fmt: skip
def test_a_missing_package_is_told_with_its_command(monkeypatch, score, module, said):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=said):
        check_packages([score])


def test_words_of_a_text():
    assert words_of("Don’t STOP, at 7 o'clock!") == ("don't", "stop", "at", "7", "o'clock")
