"""State information: what the state of a representation at t tells about the reference's frame x_{t+j}, in nats.

    I(z_t; x_{t+j}) = NLL[x_{t+j}] - NLL[x_{t+j} | z_t]

Both densities are Gaussians that are fitted to training speakers, and the frames are those of held-out ones. The mean
given z_t is the best straight line (see diagnostics.lines). For Gaussian frames this is the mutual information, but for
the error of the estimate; of others, a lower bound of it.

What is constant in an utterance, a voice or a room, tells something at every j. So the same is measured of states that
are in random order within their utterance, and subtracted. Two ceilings stand beside it: the state may be the window of
the reference's last W frames (`window`), or as many straight combinations of that window as the representation has
dimensions, those that tell most about all horizons together (`cca`; Hotelling 1936).
"""

from collections.abc import Callable, Sequence

import numpy as np

from latentdyn.diagnostics.learned.pair import BySpeaker, Pair
from latentdyn.diagnostics.lines import fit_lines, gaussian_nll
from latentdyn.diagnostics.rate import shuffled_rows
from latentdyn.errors import UserError
from latentdyn.metrics import STATE_INFORMATION, STATE_INFORMATION_WHOLE

State = Callable[[np.ndarray], np.ndarray]  # rows -> (n, P)
_BLOCK = 4096
_LEAST_VARIANCE = 1e-9


def state_information(
    pair: Pair, horizons: Sequence[int], *,
    ridges: Sequence[float], max_frames: int, resamples: int, seed_names: tuple[object, ...],
) -> BySpeaker:  # fmt: skip
    """The information at every horizon, less that of shuffled states and as it is; of the state and of both ceilings.

    Args:
        max_frames: of the eval speakers; more are subsampled.

    Raises:
        UserError: as of `fit_lines`, or there are too few training frames for the directions of a window.
    """
    train, validation = pair.rows("train"), pair.rows("validation")
    scored = pair.some("eval", max_frames, seed_names)
    rows, means = scored["row"].to_numpy(), BySpeaker(scored, resamples, seed_names)
    order = shuffled_rows(pair.origins, len(pair.own.frames), (*seed_names, "order")).numpy()

    def targets(at: np.ndarray) -> np.ndarray:
        return pair.reference.white[pair.ahead_of(at, horizons)]

    marginal = [_marginal_nll(pair.reference.white, train + h, rows + h) for h in horizons]

    def told(state: State) -> list[np.ndarray]:
        lines = fit_lines(lambda at: (state(at), targets(at)), train, validation, ridges)
        contexts, truth = state(rows), targets(rows)
        return [
            nll - line.nll(contexts, truth[:, i]) for i, (line, nll) in enumerate(zip(lines, marginal, strict=True))
        ]

    for mode, state in _states(pair, targets, train).items():
        ordered, shuffled = told(state), told(_at(state, order))
        for h, whole, still in zip(horizons, ordered, shuffled, strict=True):
            where = {"split": "eval", "slice": "all", "horizon": h, "mode": mode}
            means.add(STATE_INFORMATION, whole - still, **where)
            means.add(STATE_INFORMATION_WHOLE, whole, **where)
    return means


def _at(state: State, order: np.ndarray) -> State:
    """The state of another row in place of each row's own."""
    return lambda rows: state(order[rows])


def _states(pair: Pair, targets: State, train: np.ndarray) -> dict[str, State]:
    """The state of the representation, and those of the ceilings."""
    directions = _directions(pair, targets, train, pair.own.frames.shape[1])
    return {
        "frame": lambda rows: pair.own.white[rows],
        "window": lambda rows: pair.window(pair.reference, rows),
        "cca": lambda rows: pair.window(pair.reference, rows) @ directions,
    }


def _directions(pair: Pair, targets: State, train: np.ndarray, dim: int) -> np.ndarray:
    """(W D, dim): the directions of a window that tell most about the frames at all horizons together."""
    of_past, of_future, cross = _second_moments(
        lambda rows: pair.window(pair.reference, rows), lambda rows: targets(rows).reshape(len(rows), -1), train
    )
    size = len(of_past) + len(of_future)
    if len(train) <= size:
        raise UserError(
            f"{len(train)} training frames are too few for windows of {len(of_past)} numbers and the {len(of_future)} "
            "that follow: any direction would seem predictable",
            "window_frames and information_horizons of the section",
            "take fewer of them, a reference of fewer dimensions, or more speakers",
        )
    white_past, white_future = _whitening(of_past), _whitening(of_future)
    axes, _, _ = np.linalg.svd(white_past.T @ cross @ white_future, full_matrices=False)
    return np.asarray(white_past @ axes[:, :dim])


def _second_moments(a: State, b: State, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariances of a, of b, and of both."""
    sums: list[np.ndarray] = []
    for start in range(0, len(rows), _BLOCK):
        here = rows[start : start + _BLOCK]
        x, y = a(here), b(here)
        products = [x.T @ x, y.T @ y, x.T @ y, x.sum(axis=0), y.sum(axis=0)]
        sums = [p + q for p, q in zip(sums, products, strict=True)] if sums else products
    xx, yy, xy, x, y = (total / len(rows) for total in sums)
    return xx - np.outer(x, x), yy - np.outer(y, y), xy - np.outer(x, y)


def _whitening(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _LEAST_VARIANCE * values[-1]
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


def _marginal_nll(white: np.ndarray, training: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """NLL (n,) of scored rows under one Gaussian of training rows."""
    mean, covariance = white[training].mean(axis=0), np.atleast_2d(np.cov(white[training].T))
    return gaussian_nll(white[scored] - mean, covariance)
