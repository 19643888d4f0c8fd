"""Level, spectral flux and pitch of sounds in which they are known."""

import sys

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.perception.contours import SOUNDS, Contour, Heard, mel_contour, pitch_contour
from latentdyn.perception.mel import RATE_HZ

FRAME_HZ = 12.5
HOP = int(RATE_HZ / FRAME_HZ)
STILL = [2, 3, 4, 8, 9, 10]  # of twelve frames, those whose windows lie neither across frame 6's start nor at an end


def voice(pitch_hz: np.ndarray) -> np.ndarray:
    """Twelve harmonics of a pitch that may change with each sample."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    return 0.05 * sum(np.sin(h * phase) / h for h in range(1, 13))


def changes(audio: np.ndarray, sound: str, delay_s: float = 0.0) -> np.ndarray:
    heard = Heard(mel_contour(audio), pitch_contour(audio, 60.0, 450.0) if sound == "pitch" else None)
    return heard.changes(sound, len(audio) // HOP, FRAME_HZ, delay_s)


def test_frames_are_means_of_their_known_points():
    rng = np.random.default_rng(0)
    contour = Contour(np.arange(97) / 100 + 0.003, rng.normal(size=(97, 2)))
    contour.values[rng.random((97, 2)) < 0.4] = np.nan
    for rate, delay, least in (
        (12.5, 0.0, 0.5),
        (12.5, 0.03, 0.7),
        (12.5, 0.3, 0.5),
        (50.0, -0.05, 1.0),
        (86.1, 0.0, 0),
    ):
        found = contour.of_frames(9, rate, delay, least)
        for t in range(9):
            inside = (contour.times >= t / rate + delay) & (contour.times < (t + 1) / rate + delay)
            for of in range(2):
                points = contour.values[inside, of]
                known = points[~np.isnan(points)]
                enough = len(known) > 0 and len(known) >= least * 100 / rate
                assert found[t, of] == pytest.approx(known.mean() if enough else np.nan, nan_ok=True)


def test_twice_the_amplitude_is_six_decibels_of_level_and_of_flux():
    noise = 0.05 * np.tile(np.random.default_rng(0).standard_normal(HOP), 12)  # each frame's audio is the same
    level, flux = (changes(noise * np.repeat([1, 2], 6 * HOP), sound) for sound in ("level", "flux"))
    assert np.isnan([level[0], flux[0]]).all(), "the first frame has none before it"
    # a window of 25 ms lies across the jump
    assert level[6] > 5 and level[5:8].sum() == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert flux[6] == pytest.approx(level[6], abs=0.5)
    assert np.abs(level[STILL]).max() < 1e-3 and flux[STILL].min() >= 0 and flux[STILL].max() < 1e-3


def test_a_tone_that_moves_has_flux_and_no_change_of_level():
    tone = np.sin(2 * np.pi * np.cumsum(np.repeat([500.0, 2500.0], 6 * HOP)) / RATE_HZ) * 0.1
    assert abs(changes(tone, "level")[6]) < 0.5
    flux = changes(tone, "flux")
    assert flux[6] > 10 and flux[STILL].max() < 1e-6


def test_a_delay_moves_the_audio_of_a_frame():
    audio = 0.05 * np.random.default_rng(0).standard_normal(20 * HOP)
    audio[7 * HOP + HOP // 2 :] *= 2  # in the middle of frame 7
    assert np.isnan(changes(audio, "level", delay_s=0.5)[-3:]).all(), "there is no audio beyond the end"
    assert np.nanargmax(changes(audio, "level", delay_s=-0.04)) == 8, "frame 8 hears what is 40 ms before its hop"
    assert np.nanargmax(changes(audio, "level", delay_s=0.04)) == 7, "frame 7 hears what is 40 ms after its hop"
    assert np.isnan(changes(audio, "level", delay_s=0.06)[-1]), "of the last frame only a fourth is left"


def test_the_pitch_of_a_glide_is_known_to_a_tenth_of_a_semitone():
    n = 25 * HOP
    audio = voice(110 * 2 ** (np.arange(n) / n))  # an octave up
    found = changes(audio, "pitch")[2:-1]
    assert found == pytest.approx(12 / 25, abs=0.1)


def test_noise_and_silence_have_no_pitch():
    rng = np.random.default_rng(0)
    audio = np.concatenate([voice(np.full(10 * HOP, 150.0)), 0.05 * rng.standard_normal(10 * HOP), np.zeros(5 * HOP)])
    found = changes(audio, "pitch")
    assert np.abs(found[2:9]).max() < 0.05 and np.isnan(found[11:]).all()


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("n", [0, 1, 500])
def test_a_recording_of_hardly_any_samples_has_no_changes(sound: str, n: int):
    audio = np.zeros(n, np.float32)
    heard = Heard(mel_contour(audio), pitch_contour(audio, 60.0, 450.0))
    assert np.isnan(heard.changes(sound, 3, FRAME_HZ, 0.0)).all()


def test_a_missing_package_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(UserError, match="pitch needs the package librosa") as told:
        pitch_contour(np.zeros(16_000), 60.0, 450.0)
    assert "leave pitch out of `archetype_sounds.sounds`" in str(told.value)
