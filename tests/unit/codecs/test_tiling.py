import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentdyn.codecs.tiling import TiledCodec, cut


class RunningSum(TiledCodec):
    """Frame t is the sum of all samples up to its end: wrong as soon as state is lost or a sample is."""

    sample_rate_hz, hop_samples, dim, tile_frames = 8, 4, 1, 3

    def __init__(self):
        self.tiles = []

    def decode(self, latents):
        raise NotImplementedError

    def _start(self, batch):
        return np.zeros((batch, 1), np.float32)

    def _advance(self, audio, state):
        self.tiles.append(audio.shape)
        sums = state + np.cumsum(audio.reshape(len(audio), -1, 4).sum(axis=2), axis=1)
        state[:] = sums[:, -1:]
        return sums[..., None]


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
