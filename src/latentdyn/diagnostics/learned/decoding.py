"""Decoded skill: forecasts that are made in a representation and scored in the frames of the reference.

From W frames z_{t-W+1 .. t} the best straight lines (see diagnostics.lines) forecast z_{t+1}, ..., z_{t+H}. Forecasts
follow the W true frames, all of it goes back to the reference as frames of an utterance do, and what stands there at
t + h is compared with the true frame:

    skill(h) = 1 - Σ ‖x_{t+h} - x̂_{t+h}‖² / Σ ‖x_{t+h} - m‖²        m: the mean of training frames

- A representation gains nothing by being smooth, small or mixed: only what it tells about future frames of the
  reference counts. The reference's own skill is the ceiling of what W of its frames can tell by a straight line.
- An invertible linear map of frames changes nothing. A filter that can be inverted changes nothing but how far W frames
  look back.
- Where no link leads back, the best straight line from one frame to the reference's frame at the same time stands in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from latentdyn.diagnostics.learned.pair import BySpeaker, Pair
from latentdyn.diagnostics.lines import Line, fit_lines, gaussian_nll
from latentdyn.errors import UserError
from latentdyn.metrics import DECODED_NLL, DECODED_SKILL, RECONSTRUCTION

# frames of the reference (T, D) for frames (T, d) of an utterance of this name
WayBack = Callable[[np.ndarray, str], np.ndarray]
_BLOCK = 4096


def line_back(pair: Pair, ridges: Sequence[float]) -> WayBack:
    """The best straight line from a frame to the reference's frame at the same time.

    Raises:
        UserError: as of `fit_lines`.
    """
    own, reference = pair.own, pair.reference
    (line,) = fit_lines(
        lambda rows: (own.white[rows], reference.white[rows][:, None]),
        pair.rows("train"), pair.rows("validation"), ridges,
    )  # fmt: skip
    return lambda frames, _: reference.space.undone(line.mean(own.space(frames)))


def decoded_skill(
    pair: Pair, back: WayBack, mode: str, horizons: Sequence[int], *,
    ridges: Sequence[float], max_forecasts: int, resamples: int, seed_names: tuple[object, ...],
) -> BySpeaker:  # fmt: skip
    """Skill and NLL at every horizon, on held-out speakers.

    The NLL is of a Gaussian about the forecast. Its mean and covariance are those of the errors of training speakers.

    Args:
        mode: a word for the way back, which records hold. max_forecasts: of the eval speakers, and of the training
            speakers; more are subsampled.

    Raises:
        UserError: as of `fit_lines`, or there are too few forecasts for a covariance.
    """
    forecaster = _Forecaster.fit(pair, back, horizons, ridges)
    training = pair.some("train", max_forecasts, seed_names)
    scored = pair.some("eval", max_forecasts, seed_names)
    space, means = pair.reference.space, BySpeaker(scored, resamples, seed_names)
    log_scale = 0.5 * float(np.log(np.square(space.weights).sum(axis=0)).sum())  # of the map to whitened frames
    errors = {name: forecaster.errors(frames) for name, frames in (("train", training), ("eval", scored))}
    for i, h in enumerate(horizons):
        where = {"split": "eval", "slice": "all", "horizon": h, "mode": mode}
        truth = pair.reference.frames[scored["row"].to_numpy() + h]
        spread = np.square(truth - space.mean).sum(axis=1).mean()
        error = errors["eval"][:, i]
        means.add(DECODED_SKILL, 1 - _known(np.square(error).sum(axis=1)) / spread, **where)
        fitted = errors["train"][:, i] @ space.weights
        fitted = fitted[np.isfinite(fitted).all(axis=1)]
        if len(fitted) <= fitted.shape[1]:
            raise UserError(
                f"{len(fitted)} forecasts of training speakers are too few for a covariance of {fitted.shape[1]} "
                "dimensions",
                "max_forecasts of the section, splits.train of the corpus",
                "raise it, use more speakers, or take a reference of fewer dimensions",
            )
        residuals = error @ space.weights - fitted.mean(axis=0)
        finite = np.isfinite(residuals).all(axis=1)
        nll = gaussian_nll(np.where(finite[:, None], residuals, 0), np.atleast_2d(np.cov(fitted.T))) - log_scale
        means.add(DECODED_NLL, np.where(finite, nll, np.inf), **where)
    return means


def reconstruction(pair: Pair, back: WayBack, mode: str, resamples: int, seed_names: tuple[object, ...]) -> BySpeaker:
    """The share of the variance of the reference's frames that is there again after the way back from true frames, on
    whole utterances of held-out speakers.

    A way back may read frames before. Where it gives nothing after a frame that is not finite, it is not scored.
    """
    errors, rows, speakers = [], [], []
    for utterance_id, mine in pair.frames.of_splits("eval").finite().by_utterance():
        row = mine.rows()
        first = row[0] - mine.first[0]
        own = pair.own.frames[first : row[-1] + 1]
        found = back(own, utterance_id)
        lost = np.maximum.accumulate(~np.isfinite(own).all(axis=1))[: len(found)]
        unknown = lost & ~np.isfinite(found).all(axis=1)
        row = row[row - first < len(found)]
        row = row[~unknown[row - first]]
        errors.append(found[row - first] - pair.reference.frames[row])
        rows.append(row)
        speakers.append(mine.speaker_ids()[: len(row)])
    means = BySpeaker(pd.DataFrame({"speaker_id": union_categoricals(speakers)}), resamples, seed_names)
    truth = pair.reference.frames[np.concatenate(rows)]
    spread = np.square(truth - pair.reference.space.mean).sum(axis=1).mean()
    lost = _known(np.square(np.concatenate(errors)).sum(axis=1))
    means.add(RECONSTRUCTION, 1 - lost / spread, split="eval", slice="all", mode=mode)
    return means


@dataclass(frozen=True)
class _Forecaster:
    """lines: of the steps 1, 2, ... to the longest horizon."""

    pair: Pair
    back: WayBack
    horizons: Sequence[int]
    lines: list[Line]

    @classmethod
    def fit(cls, pair: Pair, back: WayBack, horizons: Sequence[int], ridges: Sequence[float]) -> "_Forecaster":
        steps = range(1, max(horizons) + 1)  # all of them: a way back may look at the frames before
        lines = fit_lines(
            lambda rows: (pair.window(pair.own, rows), pair.own.white[pair.ahead_of(rows, steps)]),
            pair.rows("train"), pair.rows("validation"), ridges,
        )  # fmt: skip
        return cls(pair, back, horizons, lines)

    def errors(self, origins: pd.DataFrame) -> np.ndarray:
        """Forecast less true frames of the reference, (n, horizons, D)."""
        rows = origins["row"].to_numpy()
        names = origins["utterance_id"].astype(str).to_numpy()
        found = [
            self._mapped(rows[start : start + _BLOCK], names[start : start + _BLOCK])
            for start in range(0, len(rows), _BLOCK)
        ]
        truth = self.pair.reference.frames[self.pair.ahead_of(rows, self.horizons)]
        return np.concatenate(found) - truth

    def _mapped(self, rows: np.ndarray, names: np.ndarray) -> np.ndarray:
        pair, window = self.pair, self.pair.window_frames
        contexts = pair.window(pair.own, rows)
        white = np.stack([line.mean(contexts) for line in self.lines], axis=1)
        known = pair.own.frames[pair.ahead_of(rows, range(1 - window, 1))]
        paths = np.concatenate([known, pair.own.space.undone(white).astype(np.float32)], axis=1)
        places = window - 1 + np.asarray(self.horizons)
        with np.errstate(over="ignore", invalid="ignore"):  # a way back may overflow: what it gives then is counted
            return np.stack([self.back(path, name)[places] for path, name in zip(paths, names, strict=True)])


def _known(values: np.ndarray) -> np.ndarray:
    """Values (n,), infinite where they are not finite, so that a mean of them says so."""
    return np.where(np.isfinite(values), values, np.inf)
