"""What every codec keeps to. A new codec module is found on disk and tested here; it needs an entry in `EXAMPLES`.

Tolerances are shares of the standard deviation of what is compared.
"""

import copy

import numpy as np
import pytest
import torch
from torch.func import functional_call

from latentdyn.codecs.base import codec_class, frame_count
from latentdyn.codecs.decoder_weights import DecoderWeights, use_weights
from latentdyn.codecs.look_ahead import measure_look_ahead
from latentdyn.codecs.tiling import TiledCodec
from latentdyn.errors import UserError
from latentdyn.families import CODECS
from latentdyn.seeds import torch_generator
from tests.settings import codec_of

from .examples import EXAMPLES

ENCODED, DECODED = 1e-5, 3e-5


@pytest.fixture(scope="module", params=CODECS.kinds())
def kind(request):
    if request.param not in EXAMPLES:
        pytest.fail(f"add an entry to EXAMPLES (tests/unit/codecs/examples.py) that opens a small '{request.param}'")
    return request.param


@pytest.fixture(scope="module")
def opened(kind, request):
    return codec_of(kind, **EXAMPLES[kind].small(request.getfixturevalue))


@pytest.fixture
def codec(opened):
    """A small codec with tiles as short as its start allows, so that a few seconds are many tiles."""
    assert isinstance(opened, TiledCodec), "these tests set `tile_frames`"
    opened.tile_frames = max(4, opened.start_look_ahead_frames + 1)
    return opened


@pytest.fixture
def clip(codec, noise):
    """(1, n) of noise: 5 tiles, 3 frames, and as many more as a tile's margins, so that no margin holds all of it."""
    margins = 2 * max(codec.look_ahead_frames, codec.decode_look_ahead_frames)
    return noise("clip", 1, (5 * codec.tile_frames + 3 + margins) * codec.hop_samples)


def in_one_tile(codec, method, data):
    tile_frames, codec.tile_frames = codec.tile_frames, 10_000
    result = method(data)
    codec.tile_frames = tile_frames
    return result


def moved_frames(before, after):
    """Indices of the frames (rows) that differ."""
    return np.flatnonzero((before != after).any(axis=1))


def by_frames(codec, audio):
    return audio.reshape(-1, codec.hop_samples)


def test_every_example_is_of_a_codec():
    assert EXAMPLES.keys() <= set(CODECS.kinds())


def test_facts(codec, kind):
    assert codec_class(kind).needs_gpu in (True, False)
    assert min(codec.sample_rate_hz, codec.hop_samples, codec.dim) > 0
    assert codec.frame_rate_hz == codec.sample_rate_hz / codec.hop_samples


def test_encoding_in_tiles_is_encoding_of_the_whole(codec, clip):
    whole = in_one_tile(codec, codec.encode, clip)
    tiled = codec.encode(clip)
    assert tiled.shape == (1, clip.shape[1] // codec.hop_samples, codec.dim) and tiled.dtype == np.float32
    assert whole.std(axis=1).mean() > 0.1 * whole.std()  # it moves: not all is a constant offset
    assert np.abs(tiled - whole).max() <= ENCODED * whole.std()


def test_stream_is_encode_for_blocks_of_any_size(codec, clip, blocks_of, streamed):
    whole = codec.encode(clip)[0]
    hop = codec.hop_samples
    for sizes in [(1000, 7, 5000), (hop - 1, 1, hop + 1), (10**7,)]:
        pieces = streamed(codec, blocks_of(clip[0], *sizes))
        assert pieces.dtype == np.float32
        np.testing.assert_allclose(pieces, whole, rtol=0, atol=ENCODED * whole.std())


def test_rows_of_a_batch_are_apart(codec, clip, noise):
    other = noise("other", *clip.shape)
    batch = codec.encode(np.concatenate([clip, other]))
    for row, single in zip(batch, (clip, other), strict=True):
        np.testing.assert_allclose(codec.encode(single)[0], row, rtol=0, atol=ENCODED * batch.std())


def test_streams_of_one_codec_can_take_turns(codec, clip, noise):
    clips = [clip[0], noise("other", clip.shape[1])]
    latents = [codec.encode(one[None])[0] for one in clips]
    for stream, inputs, expected in [
        (codec.stream, clips, latents),
        (codec.decode_stream, latents, [codec.decode(one) for one in latents]),
    ]:
        left, right = (stream([one]) for one in inputs)
        turns = list(zip(left, right, strict=True))
        for side in (0, 1):
            np.testing.assert_array_equal(np.concatenate([turn[side] for turn in turns]), expected[side])


@pytest.mark.parametrize(("hops", "more"), [(0, 1), (1, -1), (1, 0), (1, 1), (3, 0), (4, 1), (9, -1)])
def test_lengths(codec, noise, streamed, hops, more):
    samples = hops * codec.hop_samples + more
    frames = frame_count(samples, codec.hop_samples)
    latents = streamed(codec, [noise("short", samples)])
    assert latents.shape == (frames, codec.dim)
    audio = codec.decode(latents)
    assert audio.shape == (frames * codec.hop_samples,) and audio.dtype == np.float32
    assert np.isfinite(latents).all() and np.isfinite(audio).all()


def test_nothing_gives_nothing(codec):
    assert codec.encode(np.empty((2, 0), np.float32)).shape == (2, 0, codec.dim)
    assert list(codec.stream([])) == list(codec.stream([np.empty(0, np.float32)])) == []
    assert codec.decode(np.empty((0, codec.dim), np.float32)).shape == (0,)
    assert list(codec.decode_stream([])) == []


def test_the_end_is_padded_with_zeros(codec, clip, streamed):
    cut = clip[0, : -codec.hop_samples // 2]
    padded = np.pad(cut, (0, clip.shape[1] - len(cut)))
    latents = codec.encode(padded[None])[0]
    np.testing.assert_allclose(streamed(codec, [cut]), latents, rtol=0, atol=ENCODED * latents.std())


def test_encoding_looks_ahead_as_declared(codec, clip):
    ahead, start = codec.look_ahead_frames, codec.start_look_ahead_frames
    before, hop = codec.encode(clip)[0], codec.hop_samples
    for frame in (ahead + start + 1, len(before) // 2, len(before) - 1):
        changed = clip.copy()
        changed[:, frame * hop : (frame + 1) * hop] += 0.1
        moved = moved_frames(before, codec.encode(changed)[0])
        assert frame in moved and moved[0] >= frame - ahead
        assert (moved[0] < frame) == (ahead > 0), "an encoder that says it is not causal is not"
    changed = clip.copy()
    changed[:, start * hop : (start + 1) * hop] += 0.1
    assert moved_frames(before, codec.encode(changed)[0])[0] == 0, "what is declared is not more than there is"


def test_what_is_measured_of_the_look_ahead_is_what_is_declared(codec):
    measured = measure_look_ahead(codec)
    assert measured["causal"] == (codec.look_ahead_frames == 0)
    assert measured["look_ahead_frames"] <= codec.look_ahead_frames
    assert measured["start_look_ahead_frames"] == codec.start_look_ahead_frames


def test_decoding_looks_ahead_as_declared(codec, clip):
    ahead, start = codec.decode_look_ahead_frames, codec.start_look_ahead_frames
    latents = codec.encode(clip)[0]
    before = by_frames(codec, codec.decode(latents))
    for frame in (ahead + start + 1, len(latents) - 1):
        changed = latents.copy()
        changed[frame] += latents.std()
        moved = moved_frames(before, by_frames(codec, codec.decode(changed)))
        assert frame in moved and moved[0] >= frame - ahead
        assert (moved[0] < frame) == (ahead > 0), "a decoder that says it is not causal is not"
    changed = latents.copy()
    changed[start] += latents.std()
    assert moved_frames(before, by_frames(codec, codec.decode(changed)))[0] == 0


def test_decoding_in_tiles_is_decoding_of_the_whole(codec, clip, noise, blocks_of):
    latents = codec.encode(clip)[0]
    whole = in_one_tile(codec, codec.decode, latents)
    assert whole.shape == (clip.shape[1],) and whole.std() > 0
    for tile_frames in (codec.tile_frames, codec.tile_frames + 3):
        codec.tile_frames = tile_frames
        tiled = codec.decode(latents)
        assert np.abs(tiled - whole).max() <= DECODED * whole.std()
        blocks = [latents[:0], latents[:1], latents[1:12], latents[12:12], latents[12:]]
        np.testing.assert_array_equal(np.concatenate(list(codec.decode_stream(blocks))), tiled)


def test_decoding_does_not_depend_on_how_latents_are_stored(codec, clip):
    stored = codec.encode(clip)[0].astype(np.float16)
    np.testing.assert_array_equal(codec.decode(stored), codec.decode(stored.astype(np.float32)))


def test_the_network_never_gets_more_than_a_tile(codec, clip, monkeypatch):
    heard, seen = [], []
    advance, decode_tile = codec._advance, codec._decode_tile
    monkeypatch.setattr(codec, "_advance", lambda audio, state: heard.append(audio.shape) or advance(audio, state))
    monkeypatch.setattr(codec, "_decode_tile", lambda tile, state: seen.append(tile) or decode_tile(tile, state))
    codec.decode(codec.encode(clip)[0])
    margins = 2 * codec.look_ahead_frames
    assert max(samples for _, samples in heard) == (codec.tile_frames + margins) * codec.hop_samples
    assert max(len(tile.latents) for tile in seen) == codec.tile_frames + 2 * codec.decode_look_ahead_frames


def test_audio_comes_while_latents_are_still_being_read(codec, clip):
    """What is held between the input and the output does not grow with the utterance."""
    read, waiting = 0, []
    ahead = codec.decode_look_ahead_frames
    latents = codec.encode(clip)[0]

    def frames():
        nonlocal read
        for row in latents:
            read += 1
            yield row[None]

    decoded = 0
    for piece in codec.decode_stream(frames()):
        waiting.append(read - decoded)
        decoded += len(piece) // codec.hop_samples
    assert decoded == read == len(latents)
    assert max(waiting) == codec.tile_frames + ahead


def test_refuses_what_is_no_audio_and_no_latents(codec):
    for shape in [(codec.hop_samples,), (1, codec.hop_samples + 1), (1, 1, codec.hop_samples)]:
        with pytest.raises(ValueError, match=rf"n a multiple of {codec.hop_samples}"):
            codec.encode(np.zeros(shape, np.float32))
    for shape in [(codec.dim,), (3, codec.dim + 1), (1, 3, codec.dim)]:
        with pytest.raises(ValueError, match=rf"expected latents \(T, {codec.dim}\)"):
            codec.decode(np.zeros(shape, np.float32))


def test_a_refusal_is_one_line_that_says_what_to_do(kind):
    with pytest.raises(UserError) as caught:
        codec_of(kind, **EXAMPLES[kind].refused)
    text = str(caught.value)
    assert "\n" not in text and "What to do:" in text


@pytest.fixture
def decoder(codec):
    try:
        return codec.decoder_module()
    except UserError as error:
        assert "nothing can be differentiated" in str(error)
        pytest.skip(str(error))


def test_the_decoder_as_a_module_gives_what_decoding_gives_row_by_row(codec, decoder, clip):
    latents = codec.encode(np.concatenate([clip, clip[:, ::-1]]))
    audio = decoder(torch.from_numpy(latents).transpose(1, 2))
    assert audio.shape == clip.repeat(2, axis=0).shape and audio.dtype == torch.float32
    whole = np.stack([in_one_tile(codec, codec.decode, row) for row in latents])
    assert np.abs(audio.numpy() - whole).max() <= DECODED * whole.std()
    decoder.requires_grad_(True)  # as it is where it is trained: no gradient is kept for those who only listen
    with torch.inference_mode():
        heard = decoder(torch.from_numpy(latents).transpose(1, 2))
    decoder.requires_grad_(False)
    assert heard.grad_fn is None and np.abs((heard - audio).numpy()).max() <= DECODED * whole.std()


def test_gradients_through_the_decoder_are_those_of_small_changes(codec, decoder, clip):
    """Along a random direction, in float64: the decoder's own derivative, beside differences of two decodings."""
    latents = torch.from_numpy(codec.encode(clip)).transpose(1, 2).double()
    exact = copy.deepcopy(decoder).double()
    generator = torch_generator("gradients")
    direction = torch.randn(latents.shape, generator=generator).double() * latents.std()
    audio = exact(latents.requires_grad_())
    probe = torch.randn(audio.shape, generator=generator).double()
    (gradient,) = torch.autograd.grad((audio * probe).sum(), latents)
    errors = []
    for step in (1e-4, 1e-6):  # kinks of units spoil the larger one, layers that compute in float32 the smaller one
        ends = [exact(latents.detach() + sign * step * direction) for sign in (1, -1)]
        change = (ends[0] - ends[1]) / (2 * step)
        errors.append(abs(float((gradient * direction).sum() - (change * probe).sum()) / float(change.norm())))
    assert min(errors) < 2e-3  # of what a random probe gives
    assert all(not parameter.requires_grad for parameter in decoder.parameters())
    assert sum(parameter.numel() for parameter in decoder.parameters()) > 0


def test_a_copy_of_the_decoder_can_be_trained_and_leaves_the_codec_as_it_is(codec, decoder, clip):
    latents = torch.from_numpy(codec.encode(clip)).transpose(1, 2)
    before, copied = decoder(latents), copy.deepcopy(decoder).requires_grad_(True)
    copied(latents).square().mean().backward()
    moved = [parameter for parameter in copied.parameters() if parameter.grad is not None and parameter.grad.any()]
    assert len(moved) > 0.8 * len(list(copied.parameters()))
    with torch.no_grad():
        for parameter in moved:
            parameter *= 1.1
    torch.testing.assert_close(decoder(latents), before, rtol=0, atol=0)
    assert not torch.allclose(copied(latents), before)


def test_other_weights_of_the_decoder_can_be_kept_beside_it_and_used_in_its_place(codec, decoder, clip):
    """Half of every weight, as a model that was trained would store them, and the same codec with them for good."""
    latents = codec.encode(clip)[0]
    before, x = codec.decode(latents), torch.from_numpy(latents).T[None]
    own = DecoderWeights(1e-3)
    own.start(decoder)
    with torch.no_grad():
        for value in own.parameters():
            value *= 0.5
    restored = DecoderWeights(1e-3)
    restored.load_state_dict(own.state_dict())
    beside = functional_call(decoder, restored.by_name(), (x,))[0].detach().numpy()
    assert np.array_equal(codec.decode(latents), before)
    kept = {name: value.numpy().copy() for name, value in decoder.named_parameters()}
    try:
        use_weights(decoder, {name: value.detach().numpy() for name, value in restored.by_name().items()})
        for_good = in_one_tile(codec, codec.decode, latents)
        assert np.abs(for_good - beside).max() <= DECODED * beside.std()
        assert np.abs(for_good - before).max() > 0.1 * before.std()
    finally:
        use_weights(decoder, kept)  # the codec is shared by these tests
    assert np.array_equal(codec.decode(latents), before)
