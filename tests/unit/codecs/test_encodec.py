import numpy as np
import pytest
import torch

from latentdyn.codecs.base import open_codec

HOP = 320


@pytest.fixture(scope="module")
def encodec(encodec_folder):
    return open_codec({"kind": "encodec", "checkpoint": str(encodec_folder), "tile_s": 0.4, "dtype": "float32"})


@pytest.fixture(scope="module")
def whole_clip(encodec_folder):
    """The model of transformers itself on the whole clip, in float64."""
    from transformers import EncodecModel

    model = EncodecModel.from_pretrained(encodec_folder).eval().double()

    def encode(audio):
        with torch.inference_mode():
            return model.encoder(torch.from_numpy(audio)[:, None].double()).transpose(1, 2).numpy()

    return encode


def test_facts(encodec):
    assert (encodec.sample_rate_hz, encodec.hop_samples, encodec.dim) == (24000, HOP, 128)
    assert encodec.frame_rate_hz == 75
    assert encodec.causal and encodec.start_look_ahead_frames == 6


@pytest.mark.parametrize("frames", [225, 31, 30, 7, 3, 1])
def test_tiles_equal_the_whole_clip(encodec, whole_clip, noise, frames):
    audio = noise("clip", 1, frames * HOP)
    reference = whole_clip(audio)
    assert np.abs(encodec.encode(audio) - reference).max() / reference.std() < 1e-5


def test_batched_padded_single_and_streamed_agree(encodec, noise, deviation, blocks_of, streamed):
    clips = [noise("a", 80 * HOP), noise("b", 40 * HOP + 77), noise("c", 7 * HOP)]
    batch = np.zeros((3, 80 * HOP), np.float32)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    for clip, row in zip(clips, encodec.encode(batch), strict=True):
        frames = -(-len(clip) // HOP)
        single = encodec.encode(np.pad(clip, (0, frames * HOP - len(clip)))[None])[0]
        assert deviation(row[:frames], single) < 1e-5
        assert deviation(streamed(encodec, blocks_of(clip, 1000, 7, 5000)), single) < 1e-5


def frames_moved(encodec, audio, changed_frame):
    changed = audio.copy()
    changed[:, changed_frame * HOP : (changed_frame + 1) * HOP] += 0.5
    return np.flatnonzero((encodec.encode(audio) != encodec.encode(changed)).any(axis=2)[0])


def test_past_the_start_the_future_moves_no_earlier_frame(encodec, noise):
    audio = noise("causal", 1, 60 * HOP)
    for frame in (7, 35):
        np.testing.assert_array_equal(frames_moved(encodec, audio, frame), np.arange(frame, 60))


def test_the_reflected_start_looks_ahead_as_documented(encodec, noise):
    audio = noise("causal", 1, 20 * HOP)
    for frame, looking in [(6, [0]), (5, [0, 1]), (4, [0, 1, 2])]:
        np.testing.assert_array_equal(frames_moved(encodec, audio, frame), [*looking, *range(frame, 20)])


def test_the_model_never_hears_more_than_a_tile(encodec, noise):
    heard = []
    hook = encodec._encoder.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].shape[-1]))
    latents = list(encodec.stream([noise("long", 300 * HOP)]))
    hook.remove()
    assert sum(map(len, latents)) == 300 and set(heard) == {30 * HOP}


def test_decodes_to_whole_hops(encodec, noise):
    audio = encodec.decode(encodec.encode(noise("decode", 1, 21 * HOP))[0])
    assert audio.shape == (21 * HOP,) and audio.dtype == np.float32
    assert np.isfinite(audio).all() and audio.std() > 0
