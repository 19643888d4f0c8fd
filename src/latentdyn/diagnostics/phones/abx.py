"""Machine ABX: how often a token X of one phone is nearer to a token B of another phone than to A of its own.

By its definition (Schatz et al. 2013; Schatz 2016; the library fastabx, Poli et al. 2025, computes the same), phones in
any context:

- The error of phones (a, b) in a cell is the mean, over tokens A and X of a and B of b, of [d(A, X) > d(B, X)], a tie
  counting ½. A and X are different tokens. Chance is ½.
- Within speakers: A, B and X are of one speaker, a cell for each speaker. Across speakers: A and B are of one speaker
  and X of another one, a cell for each pair of speakers in order.
- The error is the mean over cells for each (a, b), then the mean over (a, b).

The distance of two tokens is that of dynamic time warping: the mean cost along the path of least total cost, from the
first pair of frames to the last one by single steps in either token or in both. The cost of two frames is their angle
over π. So the distance of tokens of one frame each is just the angle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval
from latentdyn.progress import progress

_LEAST_SPEAKERS = 3  # for an interval across speakers: resamples of two have one pair of speakers or none


@dataclass(frozen=True)
class Tokens:
    """n spoken phones of one speaker, each one frame or more.

    frames: (N, D), of length 1 or 0, those of a token one after the other. first, length: (n,) into frames.
    phones: (n,) codes.
    """

    frames: np.ndarray
    first: np.ndarray
    length: np.ndarray
    phones: np.ndarray


def unit_length(x: np.ndarray) -> np.ndarray:
    """Frames (N, D) over their length; a frame of zeros stays, at a right angle to all."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    unit: np.ndarray = x / np.where(length > 0, length, 1)
    return unit


def token_distances(x: Tokens, y: Tokens) -> np.ndarray:
    """The distances (n_x, n_y) of tokens. The work is that of all pairs of frames; no token is padded."""
    angles = np.arccos(np.clip(x.frames @ y.frames.T, -1, 1)) / np.pi
    rows, columns = (np.argsort(-tokens.length, kind="stable") for tokens in (x, y))
    x_first, x_length = x.first[rows], x.length[rows]
    y_first, y_length = y.first[columns], y.length[columns]
    longer_x, longer_y = (
        [int((length > i).sum()) for i in range(length.max(initial=0) + 1)] for length in (x_length, y_length)
    )
    found = np.empty((len(rows), len(columns)))
    above: list[tuple[np.ndarray, np.ndarray]] = []  # total cost and steps of the best path to (i - 1, j), for each j
    for i, n in enumerate(longer_x[:-1]):  # tokens are sorted, so those that go on are the first n and m
        here: list[tuple[np.ndarray, np.ndarray]] = []
        for j, m in enumerate(longer_y[:-1]):
            total = angles[np.ix_(x_first[:n] + i, y_first[:m] + j)]
            steps = np.ones((n, m), np.int32)
            before = [above[j - 1]] if i and j else []
            before += [above[j]] if i else []
            before += [here[j - 1]] if j else []
            if before:
                best, taken = (part[:n, :m] for part in before[0])
                for other, others_steps in before[1:]:  # of equal paths, the one by steps in both
                    better = other[:n, :m] < best
                    best, taken = np.where(better, other[:n, :m], best), np.where(better, others_steps[:n, :m], taken)
                total, steps = total + best, steps + taken
            here.append((total, steps))
            ends = slice(longer_x[i + 1], n), slice(longer_y[j + 1], m)
            found[np.ix_(rows[ends[0]], columns[ends[1]])] = total[ends] / steps[ends]
        above = here
    return found


def cell_errors(
    distances: np.ndarray, of_x: np.ndarray, of_others: np.ndarray, n_phones: int, *, same: bool
) -> np.ndarray:
    """The error of each pair of phones (a, b) in one cell, (K, K); NaN where it has no triple.

    Args:
        distances: (n_x, n) of tokens X to tokens that are A and B. of_x, of_others: their phones. same: the tokens X
            are the others themselves, so that none is its own A.
    """
    errors = np.full((n_phones, n_phones), np.nan)
    order = np.argsort(of_others, kind="stable")
    to_others, others = distances[:, order], of_others[order]
    if same:
        to_others = to_others.copy()
        to_others[order, np.arange(len(order))] = np.nan  # neither nearer nor equal
    phones, starts, counts = np.unique(others, return_index=True, return_counts=True)
    for a, start, count in zip(phones, starts, counts, strict=True):
        mine = to_others[of_x == a]
        triples = len(mine) * (count - same)
        if not triples:
            continue
        own, rest = mine[:, start : start + count, None], mine[:, None, :]
        worse = (own > rest).sum(axis=(0, 1)) + (own == rest).sum(axis=(0, 1)) / 2
        errors[a, phones] = np.add.reduceat(worse, starts) / (triples * counts)
        errors[a, a] = np.nan
    return errors


def errors_of_cells(
    speakers: Sequence[Tokens], labelings: Sequence[Sequence[np.ndarray]], n_phones: int
) -> list[np.ndarray]:
    """The errors (S, S, K, K) of all cells: A and B of the first speaker, X of the second one.

    Args:
        labelings: the phones of each speaker's tokens, or others in their place. The distances serve them all.
    """
    n = len(speakers)
    found = [np.full((n, n, n_phones, n_phones), np.nan) for _ in labelings]
    for s, r in progress(product(range(n), repeat=2), total=n * n, unit="cell", desc="ABX"):
        distances = token_distances(speakers[r], speakers[s])
        for errors, phones in zip(found, labelings, strict=True):
            errors[s, r] = cell_errors(distances, phones[r], phones[s], n_phones, same=s == r)
    return found


def within(errors: np.ndarray, resamples: int, generator: np.random.Generator) -> tuple[float, float, float]:
    """The error within speakers with its interval; NaN where there is no triple.

    Args:
        errors: as of `errors_of_cells`.
    """
    n = len(errors)
    cells = errors[np.arange(n), np.arange(n)].reshape(n, -1)
    weights = SpeakerBootstrap.draw(n, resamples, generator).weights
    ((low, high),) = interval(_mean_error(cells, weights).reshape(-1, 1))
    return float(_mean_error(cells, np.ones((1, n)))[0]), low, high


def across(errors: np.ndarray, resamples: int, generator: np.random.Generator) -> tuple[float, float, float]:
    """The error across speakers with its interval; NaN where there is no triple.

    A resample has each pair of different speakers as often as the product of how often it has each. One that has a
    single speaker tells nothing and is left out. Below three speakers there is no interval.
    """
    n = len(errors)
    cells = errors.reshape(n * n, -1)
    apart = 1 - np.eye(n)
    drawn = SpeakerBootstrap.draw(n, resamples if n >= _LEAST_SPEAKERS else 0, generator).weights
    pairs = (drawn[:, :, None] * drawn[:, None, :] * apart).reshape(len(drawn), n * n)
    ((low, high),) = interval(_mean_error(cells, pairs[pairs.any(axis=1)]).reshape(-1, 1))
    return float(_mean_error(cells, apart.reshape(1, -1))[0]), low, high


def _mean_error(cells: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(R,): over cells (C, K²) with weights (R, C), the mean of each pair of phones, then the mean over these."""
    known = np.isfinite(cells).any(axis=0)
    cells = cells[:, known]
    with np.errstate(invalid="ignore"):
        errors = (weights @ np.nan_to_num(cells)) / (weights @ np.isfinite(cells).astype(float))
    counted = np.isfinite(errors)
    total: np.ndarray = np.where(counted, errors, 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / counted.sum(axis=1))
