"""Lower frame rates: each kind by hand, and that all have the same frames at the same times."""

import math

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.rates import whole_factor
from latentdyn.representations.base import Source, Utterance, build_transform
from latentdyn.representations.interpolated import overlaps
from latentdyn.representations.lower_rate import mean_level

KINDS = ("pooled", "stacked", "subsampled", "interpolated")


def transform(kind, rate_hz, dim=2, source_hz=50.0):
    return build_transform({"kind": kind, "dtype": "float32", "frame_rate_hz": rate_hz}, Source(dim, source_hz))


def apply(own, latents, energy_db=None):
    latents = np.asarray(latents, np.float32)
    levels = np.zeros(len(latents), np.float32) if energy_db is None else np.asarray(energy_db, np.float32)
    return own.apply(Utterance("u", "s", "train", latents, levels))


FRAMES = [[0, 10], [2, 30], [4, 0], [8, -2], [99, 99]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("pooled", [[1, 20], [6, -1]]),
        ("stacked", [[0, 10, 2, 30], [4, 0, 8, -2]]),
        ("subsampled", [[0, 10], [4, 0]]),
        ("interpolated", [[1, 20], [6, -1]]),
    ],
)
def test_frames_by_hand_and_an_incomplete_group_is_dropped(kind, expected):
    frames, levels = apply(transform(kind, 25.0), FRAMES, [0, -10, -20, -20, 0])
    assert frames.tolist() == expected
    # powers are averaged, not decibels: (1 + 0.1) / 2
    assert levels == pytest.approx([10 * math.log10(0.55), -20])
    assert (frames.dtype, levels.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("pooled", [[1, 2], [1, 2], [3, 6], [3, 6]]),
        ("subsampled", [[1, 2], [1, 2], [3, 6], [3, 6]]),
        ("interpolated", [[1, 2], [1.5, 3], [2.5, 5], [3, 6]]),
    ],
)
def test_inverses_by_hand(kind, expected):
    assert transform(kind, 25.0).invert(np.array([[1.0, 2], [3, 6]]), "u").tolist() == expected


def test_a_stack_comes_apart_to_the_bit():
    x = np.random.default_rng(0).normal(size=(26, 3)).astype(np.float32)
    own = transform("stacked", 12.5, dim=3)
    assert own.dim == 12
    np.testing.assert_array_equal(own.invert(apply(own, x)[0], "u"), x[:24])


@pytest.mark.parametrize(("source", "target", "factor"), [(75, 12.5, 6), (50, 12.5, 4), (25, 12.5, 2), (12.5, 12.5, 1)])
def test_rates_that_divide(source: float, target: float, factor: int):
    assert whole_factor(source, target) == factor


def test_a_rate_known_to_float_precision_divides():
    rate = 44_100 / 512  # 86.1328125 Hz
    assert whole_factor(rate, rate / 7) == 7


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize(("source", "target"), [(75, 50), (12.5, 25), (86.13, 12.5), (12.5, 1e9)])
def test_rates_that_do_not_divide_are_refused_with_those_that_would(kind, source, target):
    with pytest.raises(UserError, match=r"Hz divided by a whole number; near it are \d.*frame_rate_hz"):
        transform(kind, target, source_hz=source)


def test_interpolation_weighs_frames_by_their_share_of_the_span():
    # 50 Hz to 20 Hz: spans of 2.5 frames, [0, 2.5) and [2.5, 5); the last frame fills no whole span
    frames, levels = apply(transform("interpolated", 20.0, dim=1), [[1], [2], [3], [4], [5], [6]], [0, 0, -10, 0, 0, 0])
    assert frames[:, 0] == pytest.approx([(1 + 2 + 1.5) / 2.5, (1.5 + 4 + 5) / 2.5])
    assert levels == pytest.approx([10 * math.log10((2 + 0.05) / 2.5)] * 2)


@pytest.mark.parametrize(("source", "target"), [(86.1328125, 12.5), (50, 12.4), (75, 74.9), (50, 50), (7.5, 0.1)])
@pytest.mark.parametrize("n", [0, 1, 7, 75, 400])
def test_interpolation_keeps_every_frame_of_whole_spans_and_a_straight_line(source, target, n):
    span = source / target
    frames, weights = overlaps(n, span)
    total = np.zeros(n)
    np.add.at(total, frames, weights * span)
    whole = int(len(frames) * span)
    np.testing.assert_allclose(total[:whole], 1, atol=1e-6)  # each source frame is spread out once
    assert total.sum() == pytest.approx(len(frames) * span)
    own = transform("interpolated", target, dim=1, source_hz=source)
    line = np.arange(n)[:, None]
    back = own.invert(apply(own, line)[0], "u")
    assert len(back) <= n and n - len(back) < span
    inside = slice(math.ceil(span), len(back) - math.ceil(span))
    np.testing.assert_allclose(back[inside], line[: len(back)][inside], atol=0.51 if span != round(span) else 1e-3)


def test_interpolation_that_would_make_frames_up_is_refused():
    with pytest.raises(UserError, match=r"would make frames up.*choose 50 Hz or less"):
        transform("interpolated", 50.1)


@pytest.mark.parametrize("rate_hz", [25.0, 12.5, 50 / 7])
def test_where_the_rate_divides_interpolation_is_pooling_and_all_kinds_have_the_same_levels(rate_hz):
    rng = np.random.default_rng(0)
    x, levels = rng.normal(size=(101, 3)).astype(np.float32), rng.uniform(-60, 0, 101).astype(np.float32)
    derived = {kind: apply(transform(kind, rate_hz, dim=3), x, levels) for kind in KINDS}
    np.testing.assert_allclose(derived["interpolated"][0], derived["pooled"][0], atol=1e-6)
    for frames, own in derived.values():
        assert len(frames) == 101 // round(50 / rate_hz)
        np.testing.assert_allclose(own, derived["pooled"][1], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_shorter_than_a_group_gives_no_frame_and_none_back(kind):
    own = transform(kind, 12.5, dim=5)
    frames, levels = apply(own, np.ones((3, 5)))
    assert (frames.shape, levels.shape) == ((0, own.dim), (0,))
    assert own.invert(frames, "u").shape == (0, 5)


def test_pooling_twice_is_pooling_once():
    rng = np.random.default_rng(0)
    x, levels = rng.normal(size=(24, 3)), rng.uniform(-60, 0, 24)
    once = apply(transform("pooled", 50 / 6, dim=3), x, levels)
    twice = apply(
        transform("pooled", 50 / 6, dim=3, source_hz=25.0), *apply(transform("pooled", 25.0, dim=3), x, levels)
    )
    for a, b in zip(once, twice, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["pooled", "interpolated"])
def test_means_do_not_lose_digits_to_a_large_offset(kind):
    x = np.full((1000, 1), 1e4)
    x[::2] += 1
    assert apply(transform(kind, 0.05, dim=1), x)[0][0, 0] == np.float32(10_000.5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_stays_missing(kind):
    x = [[1.0], [np.nan], [3.0], [5.0]]
    frames, levels = apply(transform(kind, 25.0, dim=1), x, np.full(4, np.nan))  # latents that came without audio
    assert np.isfinite(frames).all(axis=1).tolist() == [kind == "subsampled", True]
    assert np.isnan(levels).all()


def test_levels_of_groups_are_means_of_powers():
    assert mean_level(np.array([[0.0, -10.0]])) == pytest.approx([10 * math.log10(0.55)])
