"""Mimi against the model of transformers itself, on the whole clip and in float64.

See test_conformance for the rest.
"""

import numpy as np
import pytest
import torch

from latentdyn.codecs.look_ahead import measure_look_ahead
from latentdyn.errors import UserError
from tests.settings import codec_of

from .examples import SMALL_MIMI, save_mimi

HOP = 1920


@pytest.fixture(scope="module")
def mimi(mimi_folder):
    return codec_of("mimi", checkpoint=str(mimi_folder), tile_s=0.4)


@pytest.fixture(scope="module")
def reference(mimi_folder):
    return whole_clip(mimi_folder)


def whole_clip(folder):
    """Encoder (B, n) to (B, T, D) and decoder (T, D) to (n,) of transformers."""
    from transformers import MimiModel

    model = MimiModel.from_pretrained(folder).eval().double()

    def encode(audio):
        with torch.inference_mode():
            return model.encoder(torch.from_numpy(audio)[:, None].double()).latents.transpose(1, 2).numpy()

    def decode(latents):
        with torch.inference_mode():
            return model.decoder(torch.from_numpy(latents.T.copy())[None].double()).audio_values[0, 0].numpy()

    return encode, decode


def share(difference, whole):
    return np.abs(difference).max() / whole.std()


def test_the_full_size(tmp_path, noise, deviation):
    """The one test on the architecture of the released model: every other one has fewer channels."""
    folder = save_mimi(tmp_path)
    codec = codec_of("mimi", checkpoint=str(folder), tile_s=0.4)
    assert (codec.sample_rate_hz, codec.hop_samples, codec.dim, codec.frame_rate_hz) == (24000, HOP, 512, 12.5)
    audio = noise("clip", 1, 13 * HOP)
    encode, decode = whole_clip(folder)
    latents = codec.encode(audio)
    assert deviation(latents, encode(audio)) < 1e-5
    whole = decode(latents[0])
    assert share(codec.decode(latents[0]) - whole, whole) < 1e-5


@pytest.mark.parametrize("frames", [137, 6, 5, 1])  # 137 are 11 s; a layer sees 10 frames
def test_tiles_equal_the_whole_clip(mimi, reference, noise, frames):
    encode, decode = reference
    audio = noise("clip", 1, frames * HOP)
    latents, whole = mimi.encode(audio), encode(audio)
    assert share(latents - whole, whole) < 1e-5
    sound = decode(latents[0])
    assert share(mimi.decode(latents[0]) - sound, sound) < 3e-5


def test_the_attention_counts(mimi_folder, reference, noise):
    """Otherwise the tests of tiles could not see a lost attention state: frames that it cannot reach are the same."""
    _, decode = reference
    latents = noise("latents", 40, 32)
    changed = latents.copy()
    changed[20] += 1
    moved = np.abs(decode(latents) - decode(changed)).reshape(40, HOP).max(axis=1)
    assert (moved[:20] == 0).all() and (moved[20:30] > 1e-3).all()


def test_the_model_never_hears_more_than_a_tile(mimi, noise):
    heard, keys = [], []

    def sizes(_, inputs):
        heard.append(inputs[0].shape[-1])

    def window(_, inputs, output):
        keys.append(output.past_key_values.layers[0].keys.shape[-2])

    hooks = [
        mimi._encoder.encoder_seanet.register_forward_pre_hook(sizes),
        mimi._encoder.encoder_transformer.register_forward_hook(window),
        mimi._decoder.decoder_seanet.register_forward_pre_hook(sizes),
        mimi._decoder.decoder_transformer.register_forward_hook(window),
    ]
    latents = list(mimi.stream(noise(f"piece {i}", 10 * HOP) for i in range(16)))
    audio = list(mimi.decode_stream(latents))
    for hook in hooks:
        hook.remove()
    assert sum(map(len, latents)) == 160 and sum(map(len, audio)) == 160 * HOP
    assert set(heard) == {5 * HOP, 5 * 2}  # of audio, and of the decoder's positions
    assert max(keys) < 20  # the attention's window


@pytest.mark.parametrize("change", [{"use_causal_conv": False}, {"audio_channels": 2}, {"trim_right_ratio": 0.5}])
def test_a_mimi_that_cannot_work_in_tiles_is_refused(tmp_path, change):
    folder = save_mimi(tmp_path, **SMALL_MIMI, **change)
    with pytest.raises(UserError, match=r"cannot work in tiles.*kyutai/mimi"):
        codec_of("mimi", checkpoint=str(folder))


class TestOtherSequences:
    """What is not the latent at 12.5 Hz: before the downsampling, and four shifted encodings, interleaved."""

    def test_before_the_downsampling(self, mimi_folder, mimi, noise):
        from transformers import MimiModel

        codec = codec_of("mimi", checkpoint=str(mimi_folder), tile_s=0.4, frames="before_downsampling")
        assert (codec.hop_samples, codec.frame_rate_hz, codec.dim) == (HOP // 2, 25, mimi.dim)
        audio = noise("clip", 1, 13 * HOP)
        latents = codec.encode(audio)[0]
        model, before = MimiModel.from_pretrained(mimi_folder).eval().double(), []
        model.encoder.downsample.register_forward_pre_hook(lambda _, inputs: before.append(inputs[0]))
        with torch.inference_mode():
            model.encoder(torch.from_numpy(audio)[:, None].double())
        reference = before[0][0].T.numpy()
        assert share(latents - reference, reference) < 1e-5
        sound = mimi.decode(mimi.encode(audio)[0])
        assert share(codec.decode(latents) - sound, sound) < 3e-5

    def test_overlapping_views(self, mimi_folder, mimi, noise):
        codec = codec_of("mimi", checkpoint=str(mimi_folder), tile_s=0.4, frames="overlapping_views")
        assert (codec.hop_samples, codec.frame_rate_hz, codec.dim) == (HOP // 4, 50, mimi.dim)
        audio = noise("clip", 1, 13 * HOP)
        latents = codec.encode(audio)[0]
        for view in range(4):  # the last one is not shifted; the first one hears three quarters of silence first
            delayed = np.pad(audio, ((0, 0), ((3 - view) * HOP // 4, 0)))[:, : audio.shape[1]]
            alone = mimi.encode(delayed)[0]
            assert share(latents[view::4] - alone, alone) < 1e-5
        sound = mimi.decode(latents[3::4])
        assert share(codec.decode(latents) - sound, sound) < 3e-5

    @pytest.mark.parametrize("frames", ["before_downsampling", "overlapping_views"])
    @pytest.mark.parametrize("hops", [1, 2, 3, 5, 23])
    def test_lengths_and_streams(self, mimi_folder, noise, streamed, blocks_of, frames, hops):
        codec = codec_of("mimi", checkpoint=str(mimi_folder), tile_s=0.4, frames=frames)
        audio = noise("clip", hops * codec.hop_samples)
        latents = streamed(codec, blocks_of(audio, 1000, 7, 5000))
        assert latents.shape == (hops, codec.dim)
        np.testing.assert_allclose(latents, codec.encode(audio[None])[0], rtol=0, atol=1e-5 * latents.std())
        sound = codec.decode(latents)
        assert sound.shape == audio.shape
        codec.tile_frames = 4
        assert share(codec.decode(latents) - sound, sound) < 3e-5

    @pytest.mark.parametrize("frames", ["before_downsampling", "overlapping_views"])
    def test_they_are_causal_too(self, mimi_folder, frames):
        codec = codec_of("mimi", checkpoint=str(mimi_folder), tile_s=0.4, frames=frames)
        assert measure_look_ahead(codec)["causal"]
