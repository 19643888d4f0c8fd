"""DAC against the model of transformers itself, on the whole clip and in float64, at each of its rates.

See test_conformance for the rest.
"""

import numpy as np
import pytest
import torch

from latentdyn.codecs.look_ahead import measure_look_ahead
from tests.settings import codec_of

from .examples import SMALL_DAC, save_dac

RELEASED = [(16000, [2, 4, 5, 8], 50.0), (24000, [2, 4, 5, 8], 75.0), (44100, [2, 4, 8, 8], 44100 / 512)]


def whole_clip(folder):
    """Encoder (n,) to (T, D) and decoder (T, D) to (n',) of transformers."""
    from transformers import DacModel

    model = DacModel.from_pretrained(folder).eval().double()

    def encode(audio):
        with torch.inference_mode():
            return model.encoder(torch.from_numpy(audio)[None, None].double())[0].T.numpy()

    def decode(latents):
        with torch.inference_mode():
            z = torch.from_numpy(latents.T.copy())[None].double()
            return model.decode(quantized_representation=z).audio_values[0].numpy()

    return encode, decode


@pytest.mark.parametrize(("rate", "ratios", "frame_rate_hz"), RELEASED)
@pytest.mark.parametrize("frames", [61, 23, 1])
def test_tiles_equal_the_whole_clip(tmp_path, noise, rate, ratios, frame_rate_hz, frames):
    small = SMALL_DAC | {"sampling_rate": rate, "downsampling_ratios": ratios}
    folder = save_dac(tmp_path, **small)
    codec = codec_of("dac", checkpoint=str(folder), tile_s=0.1)
    assert (codec.sample_rate_hz, codec.frame_rate_hz, codec.dim) == (rate, frame_rate_hz, 32)
    encode, decode = whole_clip(folder)
    audio = noise("clip", frames * codec.hop_samples)
    latents, whole = codec.encode(audio[None])[0], encode(audio)
    assert np.abs(latents - whole).max() < 1e-5 * whole.std()
    sound, given = codec.decode(latents), decode(latents)
    short = len(audio) - len(given)
    assert short == (8 if 5 in ratios else 0)  # the odd stride is followed by strides of 4 and 2
    assert not sound[len(given) :].any()
    assert np.abs(sound[: len(given)] - given).max() < 1e-5 * given.std()


@pytest.mark.parametrize(("rate", "ratios", "samples"), [(24000, [2, 4, 5, 8], 2493), (44100, [2, 4, 8, 8], 3733)])
def test_the_look_ahead_is_that_of_its_convolutions(tmp_path, rate, ratios, samples):
    """By hand, in samples after a frame's end: 3 + 39 (1 + 2 + 8 + 40) + (1 + 2 2 + 2 8 + 4 40) + 320 = 2493."""
    small = SMALL_DAC | {"sampling_rate": rate, "downsampling_ratios": ratios}
    codec = codec_of("dac", checkpoint=str(save_dac(tmp_path, **small)), tile_s=1.0)
    measured = measure_look_ahead(codec)
    assert not measured["causal"]
    heard = measured["look_ahead_ms"] / 1000 * rate
    assert 0.9 * samples < heard < samples + 0.5  # the outermost taps hardly move anything
    assert measured["look_ahead_frames"] == codec.look_ahead_frames == 8


def test_the_architecture_of_an_untrained_model_is_that_of_its_id():
    codec = codec_of("dac", checkpoint="descript/dac_44khz", untrained=True)
    assert (codec.sample_rate_hz, codec.hop_samples, codec.dim) == (44100, 512, 1024)
