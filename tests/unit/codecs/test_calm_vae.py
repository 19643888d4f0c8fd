"""The VAE of Pocket TTS against the model of transformers itself, on the whole clip and in float64.

See test_conformance for the rest.
"""

import numpy as np
import torch

from tests.settings import codec_of

from .examples import save_calm_vae

HOP = 1920


def test_the_full_size(tmp_path, noise, deviation):
    """On the architecture of the released model: every other test has fewer channels."""
    from transformers import PocketTTSAudioTokenizerModel

    folder = save_calm_vae(tmp_path)
    codec = codec_of("calm_vae", checkpoint=str(folder), tile_s=0.4)
    assert (codec.sample_rate_hz, codec.hop_samples, codec.dim, codec.frame_rate_hz) == (24000, HOP, 32, 12.5)
    model = PocketTTSAudioTokenizerModel.from_pretrained(folder).eval().double()
    audio = noise("clip", 1, 13 * HOP)
    latents = codec.encode(audio)
    with torch.inference_mode():
        reference = model.encode(torch.from_numpy(audio)[:, None].double()).latents.numpy()
        assert deviation(latents, reference) < 1e-5
        whole = model.decode(torch.from_numpy(latents).double()).audio_values[0, 0].numpy()
    assert np.abs(codec.decode(latents[0]) - whole).max() < 1e-5 * whole.std()
