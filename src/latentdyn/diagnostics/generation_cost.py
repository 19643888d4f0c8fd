"""What a generated frame costs: operations, counted while a frame is drawn, and milliseconds, measured.

A stream of one utterance: after its true frames, each new frame is drawn from the density of the step and read again.
What a network keeps of frames that it has read is not computed anew. Where each frame looks back at all before it (a
transformer that reads the past), the cost grows with the stream: all is of a stream of that many true frames.

Operations are those of matrix products, two for each multiplication with its addition (torch's FlopCounterMode).
What is done number by number (activations, draws of normals) is not counted.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.backends import mha
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.rollout import by_draws, free_run
from latentdyn.metrics import FLOPS_PER_FRAME, GENERATION_MS
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import torch_generator

STREAM_FRAMES = 256  # true frames before those that are drawn, if there are as many
_WARM_UP, _TIMED = 16, 128  # frames


def measure_generation_cost(predictor: Predictor, latents: Tensor, split: str) -> list[Record]:
    """Records of both costs, of a batch of 1 at k = 1.

    Args:
        latents: (n_rows, D) resident; the first ones, of any utterances, are the stream. split: that the records are
            said to be of; the cost is that of any.
    """
    stream = latents[None, : max(STREAM_FRAMES, predictor.window_frames)]
    flops, ms = operations(predictor, stream), milliseconds(predictor, stream)
    where = {"split": split, "horizon": 1}
    return [
        record(FLOPS_PER_FRAME, flops, 1, **where),
        record(GENERATION_MS, float(np.median(ms)), len(ms), **where),
    ]


def operations(predictor: Predictor, stream: Tensor) -> int:
    """Operations of a frame that is read, and of the draw after it, in a stream (1, T, D)."""
    counted: list[int] = []
    with _unfused(), FlopCounterMode(display=False) as counter:
        _draw(predictor, stream, 2, lambda: counted.append(counter.get_total_flops()))
    return counted[1] - counted[0]  # the first draw reads the whole stream


def milliseconds(predictor: Predictor, stream: Tensor) -> np.ndarray:
    """What each of some frames took after a stream (1, T, D), by one thread on a CPU."""
    ends: list[float] = []
    with _one_thread():
        _draw(predictor, stream, _WARM_UP + _TIMED, lambda: ends.append(time.perf_counter()))
    return 1000 * np.diff(ends)[_WARM_UP - 1 :]


def _draw(predictor: Predictor, stream: Tensor, frames: int, after_each: Callable[[], None]) -> None:
    """Draw frames after a stream; `after_each` is called when one is known."""

    def note(state: Tensor) -> Tensor:
        after_each()
        return state

    free_run(predictor, stream, frames, 1, by_draws(torch_generator("cost", device=stream.device)), note)


@contextmanager
def _unfused() -> Iterator[None]:
    """Attention by matrix products, which are counted; it is the same function, and as many operations."""
    fast = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        mha.set_fastpath_enabled(fast)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
