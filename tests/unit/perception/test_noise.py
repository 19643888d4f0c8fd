"""Noise on audio: what reaches the frames, exactly where frames are the samples themselves."""

import numpy as np
import pytest

from latentdyn.config.measurements import measurement_kinds
from latentdyn.errors import UserError
from latentdyn.measurements import robustness
from latentdyn.perception.noise import _relative
from tests.unit.perception.conftest import speech_like


def settings(**changes):
    (kind,) = (kind for kind in measurement_kinds() if kind.measurement == "robustness")
    quick = {"utterances": 3, "bootstrap_resamples": 50, "snrs_db": [40.0, 20.0]}
    return {**kind().model_dump(mode="json"), **quick, **changes}


def responses(subject, **changes):
    """By metric and mode."""
    records = robustness.measure(subject, settings(**changes)).records
    return {(r.metric, r.mode): r for r in records}


def test_frames_that_are_samples_answer_as_much_as_the_noise_says(subject):
    """Then Σ‖n‖² is SNR times Σ‖a‖² of each utterance, and the variance is that of the frames of all."""
    made = subject()
    found = responses(made)
    x = made.latents.numpy()[made.index.of_splits("eval").rows()].astype(np.float64)
    variance = np.square(x - x.mean(axis=0)).sum()
    for snr in (40, 20):
        mine = found["noise_response", f"snr_{snr}_db"]
        assert mine.value == pytest.approx(np.square(x).sum() * 10 ** (-snr / 10) / variance, rel=1e-4)
        assert mine.n == len(x) and mine.split == "eval" and mine.ci_low <= mine.value <= mine.ci_high
        assert found["nonfinite", f"snr_{snr}_db"].value == 0


def test_a_rotation_changes_nothing_and_the_directions_of_most_variance_hold_less_noise(subject):
    own = responses(subject())["noise_response", "snr_20_db"].value
    whole = responses(subject({"kind": "pca", "dim": 80, "whiten": False}))
    assert whole["noise_response", "snr_20_db"].value == pytest.approx(own, rel=1e-3)
    logmel = whole["noise_response_log_mel", "snr_20_db"].value
    few = responses(subject({"kind": "pca", "dim": 8, "whiten": False}))
    assert few["noise_response", "snr_20_db"].value < own / 2
    assert few["noise_response_log_mel", "snr_20_db"].value == logmel, "the control does not depend on the links"


def test_what_has_no_inverse_can_be_measured_too(subject):
    found = responses(subject({"kind": "outliers", "share": 0.5, "factor": 2.0, "splits": ["train"]}))
    assert found["noise_response", "snr_40_db"].value == responses(subject())["noise_response", "snr_40_db"].value


def test_silence_answers_to_nothing_and_is_no_number(subject):
    silence = {name: np.zeros(16_000, np.float32) for name in ("t0", "t1", "e1", "e2")}
    found = responses(subject(audio=silence), utterances=2)
    assert found["noise_response", "snr_40_db"].status == "undefined"


def test_other_weights_and_a_changed_recording_are_told(subject):
    made = subject()
    other = {**made.decoding, "codec": {**made.decoding["codec"], "hop_samples": 40}}
    with pytest.raises(UserError, match="the codec to decode them is samples"):
        robustness.measure(type(made)(**{**vars(made), "decoding": other}), settings())


def test_variance_is_about_the_mean_by_hand():
    frames, change = np.array([[1.0, 0.0], [3.0, 4.0]]), 5.0
    sums = np.concatenate([[change, 2, np.square(frames).sum()], frames.sum(axis=0)])
    assert _relative(sums) == pytest.approx(change / (2 + 8))
    assert np.isnan(_relative(np.array([1.0, 2.0, 2.0, 2.0])))


def test_a_longer_recording_is_read_up_to_its_limit(subject):
    audio = {name: speech_like(2.0, seed=i) for i, name in enumerate(("t0", "e1", "e2"))}
    found = responses(subject(audio=audio), utterances=2, max_duration_s=1.0)
    assert found["noise_response", "snr_40_db"].n == 2 * 100
