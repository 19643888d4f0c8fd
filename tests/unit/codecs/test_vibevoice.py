"""VibeVoice's tokenizer against the model of transformers itself, on the whole clip and in float64.

See test_conformance for the rest.
"""

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from tests.settings import codec_of

from .examples import SMALL_VIBEVOICE, save_vibevoice

HOP = 3200


def test_tiles_equal_the_whole_clip_and_no_noise_is_added(vibevoice_folder, noise, deviation):
    from transformers import VibeVoiceAcousticTokenizerModel

    codec = codec_of("vibevoice", checkpoint=str(vibevoice_folder), tile_s=0.4)
    assert (codec.sample_rate_hz, codec.hop_samples, codec.frame_rate_hz) == (24000, HOP, 7.5)
    model = VibeVoiceAcousticTokenizerModel.from_pretrained(vibevoice_folder).eval().double()
    audio = noise("clip", 1, 11 * HOP)
    latents = codec.encode(audio)
    with torch.inference_mode():
        x = torch.from_numpy(audio)[:, None].double()
        assert deviation(latents, model.encode(x, sample=False).latents.numpy()) < 1e-5
        whole = model.decode(torch.from_numpy(latents).double()).audio[0, 0].numpy()
    assert np.abs(codec.decode(latents[0]) - whole).max() < 3e-5 * whole.std()


def test_a_model_of_two_channels_is_refused(tmp_path):
    folder = save_vibevoice(tmp_path, **SMALL_VIBEVOICE, channels=2)
    with pytest.raises(UserError, match="2 channels"):
        codec_of("vibevoice", checkpoint=str(folder))
