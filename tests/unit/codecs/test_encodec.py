"""EnCodec against the model of transformers itself, on the whole clip and in float64, and its reflected start.

See test_conformance for the rest.
"""

import numpy as np
import pytest
import torch

from tests.settings import codec_of

from .examples import save_encodec

HOP = 320


@pytest.fixture(scope="module")
def encodec(encodec_folder):
    return codec_of("encodec", checkpoint=str(encodec_folder), tile_s=0.4)


@pytest.fixture(scope="module")
def reference(encodec_folder):
    return whole_clip(encodec_folder)


def whole_clip(folder):
    """Encoder (B, n) to (B, T, D) and decoder (T, D) to (n,) of transformers."""
    from transformers import EncodecModel

    model = EncodecModel.from_pretrained(folder).eval().double()

    def encode(audio):
        with torch.inference_mode():
            return model.encoder(torch.from_numpy(audio)[:, None].double()).transpose(1, 2).numpy()

    def decode(latents):
        with torch.inference_mode():
            return model.decoder(torch.from_numpy(latents.T.copy())[None].double())[0, 0].numpy()

    return encode, decode


def share(difference, whole):
    return np.abs(difference).max() / whole.std()


def test_the_full_size(tmp_path, noise, deviation):
    """The one test on the architecture of the released model: every other one has fewer channels."""
    folder = save_encodec(tmp_path)
    codec = codec_of("encodec", checkpoint=str(folder), tile_s=0.2)
    assert (codec.sample_rate_hz, codec.hop_samples, codec.dim, codec.frame_rate_hz) == (24000, HOP, 128, 75)
    assert codec.look_ahead_frames == 0 and codec.start_look_ahead_frames == 6
    audio = noise("clip", 1, 38 * HOP)
    encode, decode = whole_clip(folder)
    latents = codec.encode(audio)
    assert deviation(latents, encode(audio)) < 1e-5
    whole = decode(latents[0])
    assert share(codec.decode(latents[0]) - whole, whole) < 1e-5


@pytest.mark.parametrize("frames", [225, 31, 30, 7, 3, 1])
def test_tiles_equal_the_whole_clip(encodec, reference, noise, frames):
    encode, decode = reference
    audio = noise("clip", 1, frames * HOP)
    latents, whole = encodec.encode(audio), encode(audio)
    assert share(latents - whole, whole) < 1e-5
    sound = decode(latents[0])
    assert share(encodec.decode(latents[0]) - sound, sound) < 1e-5


def test_the_reflected_start_looks_ahead_as_documented(encodec, noise):
    audio = noise("causal", 1, 20 * HOP)
    latents = encodec.encode(audio)[0]
    for frame, looking in [(6, [0]), (5, [0, 1]), (4, [0, 1, 2]), (7, [])]:
        expected = [*looking, *range(frame, 20)]
        changed = audio.copy()
        changed[:, frame * HOP : (frame + 1) * HOP] += 0.5
        np.testing.assert_array_equal(moved(encodec.encode(changed)[0], latents), expected)
    sound = encodec.decode(latents).reshape(-1, HOP)
    for frame, first in [(6, 0), (7, 7)]:
        changed = latents.copy()
        changed[frame] += 1
        np.testing.assert_array_equal(moved(encodec.decode(changed).reshape(-1, HOP), sound), range(first, 20))


def moved(changed, reference):
    return np.flatnonzero((changed != reference).any(axis=1))


def test_the_model_never_hears_more_than_a_tile(encodec, noise):
    heard = []
    hooks = [
        half.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].shape[-1]))
        for half in (encodec._encoder, encodec._decoder)
    ]
    latents = list(encodec.stream([noise("long", 300 * HOP)]))
    audio = list(encodec.decode_stream(latents))
    for hook in hooks:
        hook.remove()
    assert sum(map(len, latents)) == 300 and sum(map(len, audio)) == 300 * HOP
    assert set(heard) == {30 * HOP, 30}
