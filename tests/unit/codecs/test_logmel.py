import numpy as np
import pytest

from latentdyn.codecs.logmel import hann
from latentdyn.errors import UserError
from tests.settings import codec_of

RATE, HOP = 16000, 1280


def sine(hz, seconds=0.8, amplitude=1.0):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def power(latents):
    return (10 ** (latents.astype(np.float64) / 10)).sum(axis=-1)


def test_facts():
    codec = codec_of("logmel")
    assert (codec.sample_rate_hz, codec.hop_samples, codec.dim, codec.frame_rate_hz) == (RATE, HOP, 64, 12.5)


@pytest.mark.parametrize(("amplitude", "expected"), [(1.0, 1.0), (0.1, 0.01)])
@pytest.mark.parametrize("hz", [500, 1000, 3000.3])
def test_bands_add_up_to_the_power_of_a_sine(hz, amplitude, expected):
    latents = codec_of("logmel").encode(sine(hz, amplitude=amplitude)[None])[0]
    np.testing.assert_allclose(power(latents), expected, rtol=2e-3)


def test_the_loudest_band_is_the_one_of_the_frequency():
    from librosa import mel_frequencies

    centres = mel_frequencies(66, fmax=RATE / 2)[1:-1]
    for hz in (300, 1000, 5000):
        loudest = codec_of("logmel").encode(sine(hz)[None])[0].argmax(axis=1)
        assert (loudest == np.abs(centres - hz).argmin()).all()


def test_matches_librosa_up_to_scale(noise):
    import librosa

    codec = codec_of("logmel", hop_samples=320, fft_samples=1024, floor_db=-200.0)
    audio = noise("librosa", 20 * 320)
    padded = np.pad(audio, (1024 - 320, 0))
    reference = librosa.feature.melspectrogram(
        y=padded, sr=RATE, n_fft=1024, hop_length=320, n_mels=64, center=False, norm=None, window="hann"
    ).T
    difference = codec.encode(audio[None])[0] - 10 * np.log10(reference)
    np.testing.assert_allclose(difference, difference[0, 0], atol=1e-3)


@pytest.mark.parametrize("n", [4, 5, 400, 1280, 2048, 65_537])
def test_the_window_is_scipys(n):
    import scipy.signal

    np.testing.assert_array_equal(hann(n), scipy.signal.get_window("hann", n))


def test_silence_is_the_floor():
    latents = codec_of("logmel", floor_db=-70).encode(np.zeros((1, 3 * HOP), np.float32))
    np.testing.assert_allclose(latents, -70, rtol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"hop_samples": 320, "fft_samples": 1024}])
def test_batched_single_and_streamed_agree(noise, blocks_of, streamed, settings):
    codec = codec_of("logmel", **settings)
    hop = codec.hop_samples
    clips = [noise("a", 300 * hop), noise("b", 300 * hop)]
    batch = codec.encode(np.stack(clips))
    for clip, row in zip(clips, batch, strict=True):
        np.testing.assert_allclose(codec.encode(clip[None])[0], row, atol=1e-4)
        np.testing.assert_allclose(streamed(codec, blocks_of(clip, 700, 13, 9000)), row, atol=1e-4)
    partial = clips[0][: 2 * hop + 5]
    np.testing.assert_allclose(
        streamed(codec, [partial]), codec.encode(np.pad(partial, (0, hop - 5))[None])[0], atol=1e-4
    )


def test_a_frame_hears_its_window_and_nothing_after_its_hop(noise):
    codec = codec_of("logmel", hop_samples=320, fft_samples=1024)
    audio = noise("causal", 1, 30 * 320)
    changed = audio.copy()
    changed[:, 10 * 320 : 11 * 320] += 0.5
    moved = np.flatnonzero((codec.encode(audio) != codec.encode(changed)).any(axis=2)[0])
    np.testing.assert_array_equal(moved, [10, 11, 12, 13])  # 1024 samples reach into the 4th hop


def test_decoded_audio_has_the_spectrum_it_was_made_from(noise):
    codec = codec_of("logmel", hop_samples=320, fft_samples=1024)
    loudness = 10 ** (np.sin(2 * np.pi * 3 * np.arange(12800) / RATE) - 1)
    latents = codec.encode((noise("decoded", 12800) * loudness)[None].astype(np.float32))[0]
    decoded = codec.decode(latents)
    assert decoded.shape == (12800,) and decoded.dtype == np.float32
    again = codec.encode(decoded[None])[0]
    shuffled = np.random.default_rng(0).permutation(latents)
    assert np.abs(again - latents).mean() < 2 < 8 < np.abs(shuffled - latents).mean()


@pytest.mark.parametrize(
    "settings", [{}, {"hop_samples": 96}, {"hop_samples": 90}, {"hop_samples": 33, "fft_samples": 129}]
)
def test_the_margins_of_a_tile_hold_every_spectrum_that_its_audio_depends_on(noise, monkeypatch, settings):
    codec = codec_of("logmel", **{"fft_samples": 160, "hop_samples": 128, "n_mels": 8, **settings})
    codec.tile_frames, known, wanted = 3, [], []

    def magnitudes(tile, centres):
        ends = np.array([tile.first + 1, tile.first + len(tile.latents)]) * codec.hop_samples
        known.append(ends - codec._fft_samples / 2)
        wanted.append(centres[[0, -1]])
        return np.ones((len(centres), codec._fft_samples // 2 + 1))

    monkeypatch.setattr(codec, "_magnitudes", magnitudes)
    frames = 2 * codec.decode_look_ahead_frames + 9
    codec.decode(noise("latents", frames, 8))
    assert min(wanted[-1]) > 0  # of the last tile, the margin before it
    assert known[-1][0] <= wanted[-1][0]
    assert wanted[0][1] <= known[0][1] < (frames - 1) * codec.hop_samples  # of the first tile, the one after it
    # and no reach is shorter than the windows that an iteration mixes, times the iterations
    stop = 3 * codec.hop_samples
    assert wanted[0][1] >= stop + 33 * 3 * codec._step_samples


def test_decodes_at_the_default_settings():
    codec = codec_of("logmel")
    assert codec.decode(codec.encode(sine(1000)[None])[0]).shape == (10 * HOP,)


def test_refuses_windows_that_skip_audio_and_empty_bands():
    with pytest.raises(UserError, match="skips audio"):
        codec_of("logmel", hop_samples=1280, fft_samples=1024)
    with pytest.raises(UserError, match="200 mel bands are too many"):
        codec_of("logmel", hop_samples=320, fft_samples=512, n_mels=200)
