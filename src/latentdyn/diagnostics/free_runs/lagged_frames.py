"""Frames with those before each: what free runs, data and stand-ins for free runs are compared as.

Stand-ins say what a number is worth. Each keeps some of the data and misses the rest:

- `marginal`: frames of training speakers, drawn one by one. Their law is right, their order is lost;
- `phase_randomised`: utterances of training speakers with random Fourier phases (Prichard & Theiler 1994). Mean,
  covariance and autocorrelations are right; what is not linear and Gaussian is lost;
- `half`: frames of one half of the split's speakers, beside the other half. Nothing is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.runs import Runs


@dataclass(frozen=True)
class LaggedFrames:
    """`at(lag)` is (n, D), the frames so many before each, up to the longest lag; speakers: (n,) codes."""

    at: Callable[[int], Tensor]
    speakers: np.ndarray

    @classmethod
    def of(cls, latents: Tensor, frames: pd.DataFrame) -> "LaggedFrames":
        rows = torch.from_numpy(frames["row"].to_numpy(np.int64, copy=True)).to(latents.device)
        return cls(lambda lag: latents[rows - lag], _codes(frames))

    @classmethod
    def of_runs(cls, states: Tensor, speakers: np.ndarray, reach: int) -> "LaggedFrames":
        """Of runs (R, 1 + steps, D), each frame from step `reach` on."""
        n = states.shape[1] - reach
        return cls(lambda lag: states[:, reach - lag : reach - lag + n].flatten(0, 1), speakers.repeat(n))

    def some(self, n: int, names: tuple[object, ...]) -> "LaggedFrames":
        """At most n of them, drawn by name."""
        if len(self.speakers) <= n:
            return self
        chosen = np.sort(numpy_generator(*names).choice(len(self.speakers), n, replace=False))
        index = torch.from_numpy(chosen)
        return LaggedFrames(lambda lag: (x := self.at(lag))[index.to(x.device)], self.speakers[chosen])


def marginal(latents: Tensor, frames: FrameIndex, n: int, names: tuple[object, ...]) -> LaggedFrames:
    """n times frames drawn one by one; each counts for the speaker of its newest frame."""

    def drawn(lag: int) -> np.ndarray:
        return numpy_generator(*names, "marginal", lag).integers(0, len(frames), n)

    rows = Runs.of(frames, latents.device)
    return LaggedFrames(
        lambda lag: latents[rows[torch.from_numpy(drawn(lag)).to(rows.device)]], _codes(frames.table(drawn(0)))
    )


def phase_randomised(
    latents: Tensor, frames: FrameIndex, split: str, reach: int, n: int, names: tuple[object, ...]
) -> LaggedFrames:
    """At most n frames with `reach` before them, of utterances of a split with random phases, the same in all
    dimensions. Utterances with a frame that is not finite are left out.

    Args:
        frames: the whole frame index.
    """
    whole = frames.of_splits(split).utterance_table()
    whole = whole[whole["valid"] & (whole["n"] > reach)]
    generator = numpy_generator(*names, "phase randomised")
    made: list[Tensor] = []
    newest, speakers, length = [], [], 0
    codes = whole["speaker_id"].cat.codes.to_numpy()
    for i in generator.permutation(len(whole)):
        start, frames_of = int(whole["row"].iloc[i]), int(whole["n"].iloc[i])
        spectrum = np.fft.rfft(latents[start : start + frames_of].double().cpu().numpy(), axis=0)
        turn = np.exp(2j * np.pi * generator.random(len(spectrum)))
        turn[0] = 1  # the mean
        if frames_of % 2 == 0:
            turn[-1] = generator.choice([-1, 1])  # the highest frequency of an even length has a sign, not a phase
        made.append(torch.from_numpy(np.fft.irfft(spectrum * turn[:, None], frames_of, axis=0)).to(latents))
        newest.append(length + np.arange(reach, frames_of))
        speakers.append(np.full(frames_of - reach, codes[i]))
        length += frames_of
        if sum(map(len, newest)) >= n:
            break
    states = torch.cat(made) if made else latents[:0]
    rows = torch.from_numpy(np.concatenate(newest or [np.empty(0, np.int64)])[:n]).to(latents.device)
    return LaggedFrames(lambda lag: states[rows - lag], np.concatenate(speakers or [np.empty(0, np.int64)])[:n])


def halves(
    latents: Tensor, frames: FrameIndex, n: int, names: tuple[object, ...]
) -> tuple[LaggedFrames, LaggedFrames] | None:
    """At most n frames of one half of the speakers, and those of the other half; None with a single speaker."""
    speakers = numpy_generator(*names, "halves").permutation(frames.speakers)
    if len(speakers) < 2:
        return None
    first, second = np.split(speakers, [len(speakers) // 2])
    return (
        LaggedFrames.of(latents, frames.of_speakers(*first).draw(n, (*names, "half"))),
        LaggedFrames.of(latents, frames.of_speakers(*second).draw(n, (*names, "other half"))),
    )


def resample_speakers(
    sides: tuple[np.ndarray, np.ndarray], resamples: int, generator: np.random.Generator
) -> tuple[SpeakerBootstrap, list[np.ndarray]]:
    """Resamples of all speakers of two samples: together where they share speakers, else each by itself.

    Args:
        sides: the speaker of each frame of either.

    Returns:
        The resamples, and numbers of speakers in place of those given. Without two speakers on each side there are no
        resamples.
    """
    used, codes = np.unique(np.concatenate(sides), return_inverse=True)
    of_each = [np.unique(side) for side in np.split(codes, [len(sides[0])])]
    if min(map(len, of_each)) < 2:
        bootstrap = SpeakerBootstrap(np.empty((0, len(used))))
    elif np.isin(of_each[0], of_each[1]).any():
        bootstrap = SpeakerBootstrap.draw(len(used), resamples, generator)
    else:
        weights = np.zeros((resamples, len(used)))
        for mine in of_each:
            weights[:, mine] = SpeakerBootstrap.draw(len(mine), resamples, generator).weights
        bootstrap = SpeakerBootstrap(weights)
    return bootstrap, np.split(codes, [len(sides[0])])


def _codes(frames: pd.DataFrame) -> np.ndarray:
    codes: np.ndarray = frames["speaker_id"].cat.codes.to_numpy()
    return codes
