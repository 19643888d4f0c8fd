"""What every process is held to: its answers by name, and utterances of it to measure them on."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from latentdyn.processes.base import Answer, Process
from latentdyn.seeds import numpy_generator


@pytest.fixture
def exact() -> Callable[..., dict[tuple[str, int | None], Answer]]:
    """A process's answers by (metric, horizon)."""

    def answers(process: Process, horizons: Sequence[int] = (1,)):
        return {(answer.metric, answer.horizon): answer for answer in process.answers(horizons)}

    return answers


@pytest.fixture
def simulate() -> Callable[..., np.ndarray]:
    """Independent utterances (U, T, D)."""

    def draw(process: Process, n_utterances: int, n_frames: int):
        return np.stack([process.utterance(n_frames, numpy_generator("test", u)) for u in range(n_utterances)])

    return draw


@pytest.fixture
def agrees() -> Callable[..., None]:
    """Hold an answer to an estimate from utterances, each with its own mean: within 4 standard errors of both."""

    def check(answer: Answer, by_utterance: np.ndarray, precision: float):
        means = by_utterance.reshape(len(by_utterance), -1).mean(axis=1)
        error = float(np.hypot(means.std(ddof=1) / np.sqrt(len(means)), answer.error))
        assert error < precision  # or agreement would say nothing
        assert abs(means.mean() - answer.value) < 4 * error

    return check
