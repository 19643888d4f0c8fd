import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentdyn.codecs.tiling import TiledCodec, cut, cut_latents


class RunningSum(TiledCodec):
    """Frame t is the sum of all samples up to its end: wrong as soon as state is lost or a sample is.

    Decoding sums up the latents in the same way.
    """

    sample_rate_hz, hop_samples, dim, tile_frames = 8, 4, 1, 3

    def __init__(self):
        self.tiles = []

    def _start(self, batch):
        return np.zeros((batch, 1), np.float32)

    def _advance(self, audio, state):
        self.tiles.append(audio.shape)
        sums = state + np.cumsum(audio.reshape(len(audio), -1, 4).sum(axis=2), axis=1)
        state[:] = sums[:, -1:]
        return sums[..., None]

    def _start_decoding(self):
        return np.zeros(1, np.float32)

    def _decode_tile(self, tile, state):
        assert len(tile.latents) == tile.stop - tile.start
        sums = state + np.cumsum(tile.latents)
        state[:] = sums[-1:]
        return sums.repeat(4)


class MovingSum(RunningSum):
    """Decoding sums up the latents from two frames before to two frames after: not causal."""

    decode_look_ahead_frames = 2

    def _decode_tile(self, tile, state):
        rows = np.concatenate([np.zeros(max(0, 2 - tile.start)), tile.latents[:, 0], np.zeros(2)])
        skipped = tile.start - tile.first - min(tile.start, 2)
        frames = [rows[skipped + t : skipped + t + 5].sum() for t in range(tile.stop - tile.start)]
        return np.repeat(np.array(frames, np.float32), 4)


@given(sizes=st.lists(st.integers(0, 30), max_size=12), tile=st.integers(1, 6), hop=st.integers(1, 5))
def test_cut_keeps_every_sample_and_pads_the_end_to_a_hop(sizes, tile, hop):
    samples = np.arange(1, sum(sizes) + 1, dtype=np.float32)
    blocks = np.split(samples, np.cumsum(sizes)[:-1]) if sizes else []
    tiles = list(cut(blocks, tile * hop, hop))
    whole = np.concatenate([*tiles, np.empty(0, np.float32)])
    assert all(len(piece) == tile * hop for piece in tiles[:-1])
    assert len(whole) == -(-len(samples) // hop) * hop
    np.testing.assert_array_equal(whole[: len(samples)], samples)
    assert not whole[len(samples) :].any()


def test_cut_yields_tiles_that_later_ones_do_not_overwrite():
    first, second = cut([np.ones(4), 2 * np.ones(4)], 4, 2)
    np.testing.assert_array_equal(first, np.ones(4))
    np.testing.assert_array_equal(second, 2 * np.ones(4))


def test_encode_carries_the_state_over_tiles_and_keeps_rows_apart():
    audio = np.arange(64, dtype=np.float64).reshape(2, 32)
    codec = RunningSum()
    latents = codec.encode(audio)
    assert latents.dtype == np.float32 and latents.shape == (2, 8, 1)
    np.testing.assert_array_equal(latents[..., 0], np.cumsum(audio.reshape(2, 8, 4).sum(2), axis=1))
    assert codec.tiles == [(2, 12), (2, 12), (2, 8)]


def test_stream_pads_the_last_hop_with_zeros():
    latents = np.concatenate(list(RunningSum().stream([np.ones(5), np.ones(9)])))
    np.testing.assert_array_equal(latents[:, 0], [4, 8, 12, 14])


def test_streams_of_one_codec_can_take_turns():
    codec = RunningSum()
    a, b = codec.stream([np.ones(24)]), codec.stream([10 * np.ones(24)])
    pieces = [(next(a)[-1, 0], next(b)[-1, 0]) for _ in range(2)]
    assert pieces == [(12, 120), (24, 240)]


def test_nothing_gives_no_frames():
    assert RunningSum().encode(np.empty((2, 0))).shape == (2, 0, 1)
    assert list(RunningSum().stream([np.empty(0)])) == []


@pytest.mark.parametrize("shape", [(32,), (1, 33), (1, 1, 32)])
def test_encode_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="multiple of 4"):
        RunningSum().encode(np.zeros(shape))


@given(
    sizes=st.lists(st.integers(0, 12), max_size=8),
    tile=st.integers(1, 5),
    margin=st.integers(0, 7),
)
def test_cut_latents_covers_every_frame_once_with_its_margins(sizes, tile, margin):
    n = sum(sizes)
    rows = np.arange(n, dtype=np.float64)[:, None].repeat(2, axis=1)
    tiles = list(cut_latents(np.split(rows, np.cumsum(sizes)[:-1]) if sizes else [], 2, tile, margin))
    assert [t.start for t in tiles] == list(range(0, n, tile))
    assert [t.stop for t in tiles] == [min(start + tile, n) for start in range(0, n, tile)]
    for t in tiles:
        wanted = np.arange(max(0, t.start - margin), min(t.stop + margin, n))
        np.testing.assert_array_equal(t.latents[:, 0], wanted)
        assert t.first == wanted[0] and t.latents.dtype == np.float32


def test_a_tile_is_cut_as_soon_as_its_margin_has_come():
    heard = []

    def blocks():
        for t in range(12):
            heard.append(t)
            yield np.full((1, 1), t)

    when = [(len(heard), tile.stop) for tile in cut_latents(blocks(), 1, 3, 2)]
    assert when == [(5, 3), (8, 6), (11, 9), (12, 12)]


def test_one_long_block_is_not_held_twice():
    block = np.zeros((100_000, 8), np.float16)  # 1.6 MB
    tracemalloc.start()
    assert sum(tile.stop - tile.start for tile in cut_latents([block], 8, 100, 50)) == 100_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_decode_carries_the_state_over_tiles():
    latents = np.arange(8.0)[:, None]
    expected = np.repeat(np.cumsum(latents), 4)
    audio = RunningSum().decode(latents)
    assert audio.dtype == np.float32
    np.testing.assert_array_equal(audio, expected)
    pieces = list(RunningSum().decode_stream(np.split(latents, [1, 1, 6])))
    assert [len(piece) for piece in pieces] == [12, 12, 8]
    np.testing.assert_array_equal(np.concatenate(pieces), expected)


def test_decode_gives_a_decoder_that_looks_ahead_its_margins():
    latents = np.random.default_rng(0).integers(0, 9, (11, 1)).astype(float)
    expected = np.convolve(latents[:, 0], np.ones(5), "same").repeat(4)
    np.testing.assert_array_equal(MovingSum().decode(latents), expected)


@pytest.mark.parametrize("shape", [(8,), (8, 2), (1, 8, 1)])
def test_decode_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"expected latents \(T, 1\)"):
        RunningSum().decode(np.zeros(shape))
