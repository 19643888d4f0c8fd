"""The published architectures with random weights at full depth: all layers, strides, dilations, kernels and codebooks.

Only widths are reduced, so that a kind takes seconds: channels, and with them the dimension of latents where it is one
(`REDUCED`). DAC is the 16 kHz model. Random weights are scaled where as initialised hardly anything comes through.
See test_conformance for more, on shallower models.
"""

import json

import numpy as np
import pytest

from latentdyn.codecs.base import frame_count
from latentdyn.codecs.look_ahead import measure_look_ahead
from tests.settings import codec_of

from .examples import save_calm_vae, save_dac, save_encodec, save_mimi, save_vibevoice

SAVE = {
    "mimi": save_mimi,
    "encodec": save_encodec,
    "dac": save_dac,
    "calm_vae": save_calm_vae,
    "vibevoice": save_vibevoice,
}
_ATTENTION = {"num_filters": 8, "hidden_size": 64, "intermediate_size": 128, "head_dim": 8, "upsample_groups": 64}
REDUCED = {
    "mimi": _ATTENTION | {"vector_quantization_hidden_dimension": 32, "codebook_dim": 32},
    "encodec": {"num_filters": 8, "hidden_size": 32, "codebook_dim": 32},
    "dac": {"encoder_hidden_size": 4, "decoder_hidden_size": 96},
    "calm_vae": _ATTENTION,
    "vibevoice": {"num_filters": 2},
}
PUBLISHED = {  # sample rate, frames a second, whether causal after the start, and what a shallower model would lack
    "mimi": (24000, 12.5, True, {"num_hidden_layers": 8, "upsampling_ratios": [8, 6, 5, 4], "num_quantizers": 32}),
    "encodec": (24000, 75, True, {"num_lstm_layers": 2, "upsampling_ratios": [8, 5, 4, 2], "codebook_size": 1024}),
    "dac": (16000, 50, False, {"downsampling_ratios": [2, 4, 5, 8], "n_codebooks": 12, "codebook_size": 1024}),
    "calm_vae": (24000, 12.5, True, {"num_hidden_layers": 2, "upsampling_ratios": [6, 5, 4], "latent_dim": 32}),
    "vibevoice": (24000, 7.5, True, {"depths": [3, 3, 3, 3, 3, 3, 8], "hidden_size": 64, "ffn_expansion": 4}),
}
TILES, CLOSE = 3, 1e-5


@pytest.mark.parametrize("kind", PUBLISHED)
def test_a_codec_of_full_depth(kind, tmp_path, noise, streamed):
    rate, frame_rate_hz, causal, depth = PUBLISHED[kind]
    given = {"dac": {"downsampling_ratios": [2, 4, 5, 8], "n_codebooks": 12}}.get(kind, {})
    given |= {"layer_scale_initial_scale": 1.0} if "head_dim" in REDUCED[kind] else {}
    given |= {"layer_scale_init_value": 0.1} if kind == "vibevoice" else {}
    folder = SAVE[kind](tmp_path, **REDUCED[kind], **given)
    config = json.loads((folder / "config.json").read_text())
    assert {name: config[name] for name in depth} == depth

    codec = codec_of(kind, checkpoint=str(folder))
    codec.tile_frames = codec.start_look_ahead_frames + 4
    assert (codec.sample_rate_hz, codec.frame_rate_hz) == (rate, frame_rate_hz)
    margins = 2 * max(codec.look_ahead_frames, codec.decode_look_ahead_frames)
    clip = noise("clip", 2, (TILES * codec.tile_frames + margins) * codec.hop_samples)

    both = codec.encode(clip)
    assert both.shape == (2, clip.shape[1] // codec.hop_samples, codec.dim) and np.isfinite(both).all()
    assert both.std(axis=1).mean() > 0.1 * both.std()  # it moves: not all is a constant offset
    for row, latents in zip(clip, both, strict=True):
        np.testing.assert_allclose(codec.encode(row[None])[0], latents, rtol=0, atol=CLOSE * both.std())
    part = clip[0, : -codec.hop_samples // 3]
    assert len(streamed(codec, [part])) == frame_count(len(part), codec.hop_samples) == both.shape[1]

    middle = both.shape[1] // 2
    changed = clip[:1].copy()
    changed[:, middle * codec.hop_samples :] += 0.1
    moved = np.flatnonzero((codec.encode(changed)[0] != codec.encode(clip[:1])[0]).any(axis=1))
    assert moved[0] >= middle - codec.look_ahead_frames and (moved[0] == middle) == causal
    assert measure_look_ahead(codec)["causal"] == causal

    tiled = codec.decode(both[0])
    tile_frames, codec.tile_frames = codec.tile_frames, 10_000
    whole = codec.decode(both[0])
    assert tiled.shape == whole.shape == clip[0].shape and whole.std() > 0
    apart = np.abs(tiled - whole).max()  # in shares of full scale, or of the sound's deviation
    assert apart <= CLOSE * max(1.0, whole.std()) and apart <= 3 * CLOSE * whole.std()
    assert np.abs(codec.encode(clip[:1])[0] - both[0]).max() <= CLOSE * both.std(), "encoding in tiles, too"
    assert tile_frames < len(both[0])
