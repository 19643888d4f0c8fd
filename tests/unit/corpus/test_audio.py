import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from latentdyn.corpus.audio import AudioFacts, audio_blocks, inspect_audio, read_audio, resampled_length
from latentdyn.corpus.recording import Exclusion
from latentdyn.errors import UserError
from latentdyn.files import file_sha256


def noise(n_samples: int, n_channels: int = 1) -> np.ndarray:
    return np.random.default_rng(n_samples).uniform(-0.5, 0.5, (n_samples, n_channels))


def inspect(path: Path) -> AudioFacts | Exclusion:
    return inspect_audio(path, min_duration_s=0.5, silence_dbfs=-60)


def reason(path: Path) -> str:
    found = inspect(path)
    assert isinstance(found, Exclusion), found
    return found.reason


@pytest.mark.parametrize(
    ("rate", "n_channels", "subtype", "quantum"),
    [
        (8000, 1, "PCM_U8", 2**-7),
        (11025, 2, "PCM_16", 2**-15),
        (48000, 6, "PCM_24", 2**-23),
        (96000, 1, "FLOAT", 2**-24),
        (44100, 2, "DOUBLE", 2**-24),  # read as float32
    ],
)
def test_rates_widths_and_channels(tmp_path, rate, n_channels, subtype, quantum):
    samples = noise(rate, n_channels)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, rate, subtype=subtype)
    facts = inspect(path)
    assert isinstance(facts, AudioFacts)
    assert (facts.sample_rate_hz, facts.n_channels, facts.n_samples) == (rate, n_channels, rate)
    assert facts.sha256 == file_sha256(path)
    mono = samples.mean(axis=1)
    np.testing.assert_allclose(read_audio(path, rate), mono, atol=quantum)
    assert facts.peak == pytest.approx(np.abs(mono).max(), abs=quantum)
    assert facts.rms_dbfs == pytest.approx(10 * np.log10(np.mean(mono**2)), abs=0.1)


def test_levels_of_known_signals(tmp_path):
    path = tmp_path / "sine.wav"
    soundfile.write(path, np.sin(2 * np.pi * 100 * np.arange(16000) / 16000), 16000, subtype="FLOAT")
    facts = inspect(path)
    assert facts.rms_dbfs == pytest.approx(-3.0103, abs=1e-4)
    assert facts.peak == pytest.approx(1.0)
    soundfile.write(path, np.full(16000, -0.1), 16000, subtype="FLOAT")
    assert inspect(path).rms_dbfs == pytest.approx(-20.0, abs=1e-5)


@pytest.mark.parametrize("target", [8000, 16000, 24000])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 96000])
@pytest.mark.parametrize("block_samples", [320, 1 << 16])
def test_blocks_equal_whole_file_resampling(tmp_path, rate, target, block_samples):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(150_001, 2), rate)  # longer than two reads
    mono = soundfile.read(path, dtype="float32")[0].mean(axis=1)
    blocks = list(audio_blocks(path, target, block_samples))
    assert {len(block) for block in blocks[:-1]} <= {block_samples}
    assert 0 < len(blocks[-1]) <= block_samples
    assert all(block.dtype == np.float32 for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), soxr.resample(mono, rate, target))


@given(n=st.integers(1, 3000), source=st.integers(1000, 50_000), target=st.integers(1000, 50_000))
def test_resampled_length_is_that_of_soxr(n, source, target):
    assert resampled_length(n, source, target) == len(soxr.resample(np.zeros(n, np.float32), source, target))


def test_a_recording_without_samples(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(0), 16000)
    assert reason(path) == "empty"
    assert list(audio_blocks(path, 24000)) == []
    assert read_audio(path, 16000).shape == (0,)
    path.write_bytes(b"")
    assert reason(path) == "empty"


def test_too_short_silent_and_non_finite(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(7000), 16000)
    assert inspect(path) == Exclusion("too_short", "0.438 s; 0.5 s are asked for")
    soundfile.write(path, noise(8000), 16000)
    assert isinstance(inspect(path), AudioFacts)
    soundfile.write(path, np.zeros(16000), 16000)
    assert inspect(path) == Exclusion("silent", "RMS level -inf dBFS; -60 dBFS are asked for")
    soundfile.write(path, np.full(16000, 0.0009), 16000, subtype="FLOAT")  # -60.9 dBFS
    assert reason(path) == "silent"
    soundfile.write(path, np.stack([noise(16000)[:, 0], -noise(16000)[:, 0]], axis=1), 16000, subtype="FLOAT")
    assert reason(path) == "silent"  # its channels cancel
    samples = noise(16000)
    samples[3], samples[9] = np.nan, np.inf
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    assert inspect(path) == Exclusion("non_finite", "2 of 16000 samples are NaN or infinite")


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_less_than_the_header_promises_is_corrupt(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise(48000), 24000)
    assert isinstance(inspect(path), AudioFacts)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert reason(path) == "corrupt"
    with pytest.raises(UserError, match=r"cannot be decoded .*a\." + suffix):
        read_audio(path, 16000)


def test_damaged_and_foreign_files_are_corrupt(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(48000), 24000)
    data = bytearray(path.read_bytes())
    for i in range(len(data) // 2, len(data) // 2 + 400):
        data[i] ^= 0x5A
    path.write_bytes(data)
    assert reason(path) == "corrupt"
    assert str(inspect(path).detail).startswith("it is cut off or damaged: decoding it ends with 'flac decoder")
    path.write_bytes(b"<html>not found</html>" * 100)
    assert reason(path) == "corrupt"
    path.unlink()
    assert reason(path) == "missing"
    with pytest.raises(UserError, match="No such file"):
        read_audio(path, 16000)


def test_samples_far_above_full_scale_are_set_aside(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(16000) * 16, 16000, subtype="FLOAT")  # up to 8: loud, and taken
    assert inspect(path).peak == pytest.approx(8, abs=0.01)
    soundfile.write(path, noise(16000) * 32768, 16000, subtype="FLOAT")
    found = inspect(path)
    assert found.reason == "above_full_scale"
    assert "divided" in found.detail


def test_a_pipe_is_set_aside_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    assert inspect(tmp_path / "a.wav").reason == "missing"
    assert "a pipe" in inspect(tmp_path / "a.wav").detail
