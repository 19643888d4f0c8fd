import numpy as np
import pytest
import torch

from latentdyn.codecs.base import open_codec

HOP = 1920


@pytest.fixture(scope="module")
def mimi(mimi_folder):
    return open_codec({"kind": "mimi", "checkpoint": str(mimi_folder), "tile_s": 0.8, "dtype": "float32"})


@pytest.fixture(scope="module")
def whole_clip(mimi_folder):
    """The model of transformers itself on the whole clip, in float64."""
    from transformers import MimiModel

    model = MimiModel.from_pretrained(mimi_folder).eval().double()

    def encode(audio):
        with torch.inference_mode():
            return model.encoder(torch.from_numpy(audio)[:, None].double()).latents.transpose(1, 2).numpy()

    return encode


def test_facts(mimi):
    assert (mimi.sample_rate_hz, mimi.hop_samples, mimi.dim) == (24000, HOP, 512)
    assert mimi.frame_rate_hz == 12.5
    assert mimi.causal and mimi.start_look_ahead_frames == 0


def test_tiles_equal_the_whole_clip(mimi, whole_clip, noise, deviation):
    audio = noise("clip", 1, 25 * HOP)
    assert deviation(mimi.encode(audio), whole_clip(audio)) < 1e-5


def test_tiles_equal_the_whole_clip_beyond_the_attention_window(mimi_folder, whole_clip, noise, deviation):
    codec = open_codec({"kind": "mimi", "checkpoint": str(mimi_folder)})
    audio = noise("long", 1, 137 * HOP)  # 11 s; a layer attends to 10 s
    assert deviation(codec.encode(audio), whole_clip(audio)) < 1e-5


def test_batched_padded_single_and_streamed_agree(mimi, noise, deviation, blocks_of, streamed):
    clips = [noise("a", 23 * HOP), noise("b", 12 * HOP + 700), noise("c", 100)]
    batch = np.zeros((3, 23 * HOP), np.float32)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    latents = mimi.encode(batch)
    for clip, row in zip(clips, latents, strict=True):
        frames = -(-len(clip) // HOP)
        single = mimi.encode(np.pad(clip, (0, frames * HOP - len(clip)))[None])[0]
        assert single.shape == (frames, 512)
        assert np.abs(row[:frames] - single).max() / latents[0].std() < 1e-5
        if frames > 1:
            assert deviation(streamed(mimi, blocks_of(clip, 1000, 7, 5000)), single) < 1e-5
        else:
            np.testing.assert_array_equal(streamed(mimi, [clip]), single)


def test_the_future_moves_no_earlier_frame(mimi, noise):
    audio = noise("causal", 1, 14 * HOP)
    changed = audio.copy()
    changed[:, 9 * HOP :] += 0.5
    before, after = mimi.encode(audio)[0], mimi.encode(changed)[0]
    np.testing.assert_array_equal(before[:9], after[:9])
    assert (np.abs(before[9:] - after[9:]).max(axis=1) > 1e-2).all()


def test_streams_of_one_model_can_take_turns(mimi, noise):
    clips = [noise("left", 25 * HOP), noise("right", 25 * HOP)]
    left, right = (mimi.stream([clip]) for clip in clips)
    turns = list(zip(left, right, strict=True))
    for side, clip in enumerate(clips):
        np.testing.assert_array_equal(np.concatenate([turn[side] for turn in turns]), mimi.encode(clip[None])[0])


def test_the_model_never_hears_more_than_a_tile(mimi, noise):
    heard, keys = [], []
    seanet, transformer = mimi._encoder.encoder_seanet, mimi._encoder.encoder_transformer
    hooks = [
        seanet.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].shape[-1])),
        transformer.register_forward_hook(
            lambda _, inputs, output: keys.append(output.past_key_values.layers[0].keys.shape[-2])
        ),
    ]
    latents = list(mimi.stream(noise(f"minute {i}", 10 * HOP) for i in range(16)))
    for hook in hooks:
        hook.remove()
    assert sum(map(len, latents)) == 160 and set(heard) == {10 * HOP}
    assert max(keys) < 250  # 10 s at 25 Hz


def test_decodes_to_whole_hops(mimi, noise):
    audio = mimi.decode(mimi.encode(noise("decode", 1, 6 * HOP))[0])
    assert audio.shape == (6 * HOP,) and audio.dtype == np.float32
    assert np.isfinite(audio).all() and audio.std() > 0
