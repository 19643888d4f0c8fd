"""Machine ABX: errors by hand, warping against all paths, chance and perfection."""

from functools import cache

import numpy as np
import pytest

from latentdyn.diagnostics.phones.abx import (
    Tokens,
    across,
    cell_errors,
    errors_of_cells,
    token_distances,
    unit_length,
    within,
)

A, B = 0, 1


def tokens(sequences: list[np.ndarray], phones: list[int] | None = None) -> Tokens:
    length = np.array([len(sequence) for sequence in sequences])
    phones = phones or [A] * len(sequences)
    return Tokens(unit_length(np.concatenate(sequences)), np.cumsum(length) - length, length, np.array(phones))


def random_tokens(rng, lengths, centre=0.0, phones=None) -> Tokens:
    return tokens([rng.normal(size=(n, 3)) + centre for n in lengths], phones)


def generator():
    return np.random.default_rng(0)


def test_errors_within_a_speaker_by_hand():
    """On a line, a at 0 and 10, b at 30 and 15: X = 10 loses to b at 15; X = 15 ties with a at 0, loses to a at 10."""
    at = np.array([0.0, 30, 10, 15])
    phones = np.array([A, B, A, B])
    errors = cell_errors(np.abs(at[:, None] - at), phones, phones, 2, same=True)
    assert errors[A, B] == 1 / 4 and errors[B, A] == 1.5 / 4
    assert np.isnan(np.diag(errors)).all()
    assert within(errors[None, None], 50, generator())[0] == pytest.approx((0.25 + 0.375) / 2)


def test_errors_across_speakers_by_hand():
    """X of the other speaker at 0 (a), A at 1, B at 0.5, 2 and 3: one of three is nearer."""
    distances = np.array([[0.5, 1.0, 2.0, 3.0], [9.0, 9.0, 9.0, 9.0]])
    errors = cell_errors(distances, np.array([A, 2]), np.array([B, A, B, B]), 3, same=False)
    assert errors[A, B] == pytest.approx(1 / 3)
    assert np.isnan(errors).sum() == 8


def test_a_phone_with_a_single_token_has_no_triple_within_its_speaker():
    errors = cell_errors(np.zeros((3, 3)), np.array([A, A, B]), np.array([A, A, B]), 2, same=True)
    assert errors[A, B] == 0.5 and np.isnan(errors[B, A]), "ties are half right"


def every_path(cost: np.ndarray) -> float:
    """The mean cost along the path of least total cost, by looking at all of them."""

    @cache
    def best(i: int, j: int) -> tuple[float, int]:
        before = [best(i - di, j - dj) for di, dj in ((1, 1), (1, 0), (0, 1)) if i >= di and j >= dj]
        total, steps = min(before, key=lambda path: path[0]) if before else (0.0, 0)
        return total + cost[i, j], steps + 1

    total, steps = best(cost.shape[0] - 1, cost.shape[1] - 1)
    return total / steps


def test_warping_is_the_best_of_all_paths_for_tokens_of_every_length():
    rng = np.random.default_rng(1)
    x, y = random_tokens(rng, [1, 4, 2, 3, 1]), random_tokens(rng, [3, 1, 5, 2])
    found = token_distances(x, y)
    for i, (first, n) in enumerate(zip(x.first, x.length, strict=True)):
        for j, (start, m) in enumerate(zip(y.first, y.length, strict=True)):
            cosines = x.frames[first : first + n] @ y.frames[start : start + m].T
            assert found[i, j] == pytest.approx(every_path(np.arccos(cosines) / np.pi), abs=1e-12)


def test_tokens_of_one_frame_are_as_far_apart_as_their_angle_and_length_does_not_matter():
    x = tokens([np.array([[1.0, 0.0]]), np.array([[0.0, 5.0]]), np.array([[-3.0, 0.0]]), np.array([[0.0, 0.0]])])
    assert token_distances(x, x)[0] == pytest.approx([0, 0.5, 1, 0.5])


def test_a_slower_token_of_the_same_frames_is_at_no_distance():
    frames = np.random.default_rng(2).normal(size=(3, 4))
    one, slow = tokens([frames]), tokens([np.repeat(frames, [2, 1, 3], axis=0)])
    assert token_distances(one, slow) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(("apart", "expected", "tolerance"), [(0.0, 0.5, 0.05), (50.0, 0.0, 1e-12)])
def test_phones_alike_are_at_chance_and_phones_apart_without_error(apart, expected, tolerance):
    rng = np.random.default_rng(3)
    phones = [A] * 12 + [B] * 12
    centres = np.array([[apart, 0, 0]] * 12 + [[0, apart, 0]] * 12)
    speakers = [tokens([rng.normal(size=(1, 3)) + c for c in centres], phones) for _ in range(4)]
    labels = [speaker.phones for speaker in speakers]
    mixed = [rng.permutation(mine) for mine in labels]
    own, permuted = errors_of_cells(speakers, [labels, mixed], 2)
    for how in (within, across):
        value, low, high = how(own, 200, generator())
        assert value == pytest.approx(expected, abs=tolerance) and low <= value <= high
        assert how(permuted, 200, generator())[0] == pytest.approx(0.5, abs=0.08)


def test_speakers_count_alike_then_pairs_of_phones_and_a_missing_cell_does_not_count():
    errors = np.full((3, 3, 2, 2), np.nan)
    errors[0, 0, A, B], errors[1, 1, A, B], errors[1, 1, B, A] = 0.2, 0.4, 0.9
    errors[0, 1, A, B], errors[2, 0, A, B] = 0.1, 0.5
    assert within(errors, 50, generator())[0] == pytest.approx((0.3 + 0.9) / 2)
    assert across(errors, 50, generator())[0] == pytest.approx(0.3)


def test_two_speakers_have_no_interval_across_and_one_no_value():
    errors = np.full((2, 2, 2, 2), 0.25)
    value, low, high = across(errors, 50, generator())
    assert value == 0.25 and np.isnan([low, high]).all()
    assert np.isnan(across(errors[:1, :1], 50, generator())[0])
    assert np.isnan(within(np.full((2, 2, 2, 2), np.nan), 50, generator())).all()
