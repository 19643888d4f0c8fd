"""Whether a density over the steps of these latents exists, and whether float32 can tell it.

Where steps lie in a subspace, a density over all dimensions measures nothing but rounding: some 8 nats for each missing
dimension, with a tight interval. So such latents are refused, and so are those whose steps drown in the rounding of
the numbers that they are stored as.
"""

import numpy as np
import torch
from torch import Tensor

from latentdyn.errors import UserError

LEAST_EIGENVALUE = 1e-6  # of the correlation, over the largest: below it, a direction counts as not there
_LEAST_SCALE, _MOST_SCALE = 1e-15, 1e16  # of a deviation: squares and their sums then stay within float32's range
_ROUNDED = 0.01  # the most that rounding may make of a dimension's variance: .005 nats
_EXACT = 1e-9  # of a step's variance: a smaller residual is no more than what computing leaves
_MOST_CONTEXT = 1e10  # mean square of a context's numbers, in deviations of the target frames; it should be about 1
_FAR = 100.0  # times the median length: such a step is an outlier
_WHERE = "the representation's latents"


def effective_rank(covariance: Tensor, rounding: Tensor | None = None) -> int:
    """How many directions a covariance (D, D), float64, spreads over.

    Counted are eigenvalues of the correlation above 1e-6 of the largest. rounding: (D,), variances that are due to
    rounding alone; a direction then counts only if its variance is above twice that.
    """
    variances = covariance.diagonal()
    std = variances.sqrt()
    values, vectors = torch.linalg.eigh(covariance / torch.outer(std, std))
    floor = LEAST_EIGENVALUE * values.max()
    if rounding is not None:
        floor = torch.maximum(floor, 2 * (rounding / variances) @ vectors.square())
    return int((values > floor).sum())


def least_rank(dim: int, n: int) -> int:
    """What n steps in D dimensions have to span: fewer than 2 D fill them badly whatever they are."""
    return min(dim, n // 2)


def check_scale(mean: Tensor, std: Tensor) -> None:
    """Refuse moments (D,) of frames or steps beside which float32 overflows or loses small numbers.

    Raises:
        UserError: a dimension's deviation is below 1e-15 or above 1e16, or its mean above that.
    """
    largest = torch.maximum(mean.abs(), std)
    for bad, values in ((std < _LEAST_SCALE, std), (~(largest <= _MOST_SCALE), largest)):
        if bad.any():
            worst = int(bad.nonzero()[0])
            raise UserError(
                f"{int(bad.sum())} of {len(std)} latent dimensions are of a size that float32 cannot compute with: "
                f"dimension {worst} has a size of {float(values[worst]):.3g} on the training frames, which single "
                f"frames may have caused. Sizes from {_LEAST_SCALE:g} to {_MOST_SCALE:g} can be measured",
                _WHERE,
                "bring the latents to a size near 1, and leave out frames that are far from all others",
            )


def rounding_variance(frames: Tensor, mean_square: Tensor) -> Tensor:
    """Variance (D,) of a step that comes from the rounding of its two frames, at most.

    Args:
        frames: (n, D) float32, some of them. They show how many digits the numbers have: latents that were float16 or
            bfloat16 before have fewer. mean_square: (D,), of all frames.
    """
    digits = 23
    values = frames.cpu().numpy()
    if values.size and not np.array_equal(values, np.round(values)):  # whole numbers are not rounded ones
        used = int(np.bitwise_or.reduce(values.view(np.uint32), axis=None))
        unused = (used & -used).bit_length() - 1
        digits = {13: 10, 16: 7}.get(unused, 23)
    return mean_square * (2.0**-digits) ** 2 / 6  # two errors, each uniform over one unit in the last place


def check_span(covariance: Tensor, rounding: Tensor, n: int) -> None:
    """Refuse steps that do not spread over all dimensions, or that are not more than rounding in one of them.

    Args:
        covariance: (D, D) of n steps, no variance 0. rounding: (D,), see `rounding_variance`.

    Raises:
        UserError: it names the effective rank, or the first dimension that rounding hides.
    """
    dim, variances = len(covariance), covariance.diagonal()
    hidden = torch.nonzero(rounding > _ROUNDED * variances).flatten().tolist()
    if hidden:
        raise UserError(
            f"the steps of {len(hidden)} of {dim} latent dimensions are hardly larger than the rounding of the numbers "
            f"that they are stored as (the first is dimension {hidden[0]}: steps have a deviation of "
            f"{float(variances[hidden[0]].sqrt()):.3g}, rounding one of up to {float(rounding[hidden[0]].sqrt()):.3g})",
            _WHERE,
            "subtract a large constant from such a dimension before it is stored, or store more digits (float32, or "
            "float64 files for the import)",
        )
    rank = effective_rank(covariance, rounding)
    if rank < least_rank(dim, n):
        raise UserError(
            f"training deltas span {rank} of {dim} dimensions, so that a density over all {dim} does not exist, and "
            "what is measured would be rounding",
            _WHERE,
            f"project them first, onto {rank} dimensions or fewer, or leave out dimensions that repeat others",
        )


def unexplained_floor(frames: Tensor, frame_mean: Tensor, frame_std: Tensor, variances: Tensor) -> Tensor:
    """Variances (D,) below which the residual of a step is rounding, of the numbers as stored or of the computing.

    Args:
        frames: (n, D), some of them. frame_mean, frame_std: (D,), of all. variances: (D,), of the steps.
    """
    square = (frame_mean.double().square() + frame_std.double().square()).cpu()
    return 4 * rounding_variance(frames, square) + _EXACT * variances


def check_unexplained(residual: Tensor, floor: Tensor) -> None:
    """Refuse the residual covariance (D, D) of a prediction that leaves nothing but rounding along some direction.

    Raises:
        UserError: the steps follow exactly from the context.
    """
    unit = floor.sqrt()
    exact = int((torch.linalg.eigvalsh(residual / torch.outer(unit, unit)) <= 1).sum())
    if exact:
        raise UserError(
            f"the context tells the next step exactly, up to rounding, in {exact} of {len(floor)} directions, so that "
            "its density there is infinite",
            _WHERE,
            "leave out what repeats earlier frames (stacked or interpolated frames do), or add noise on purpose; where "
            "there are fewer training frames than window_frames x dims, give more of them, or shorten the window",
        )


def check_contexts(mean_square: Tensor) -> None:
    """Refuse contexts whose numbers are far from those of the target frames.

    Args:
        mean_square: (W D,), of contexts in deviations of the training frames.

    Raises:
        UserError: it says how far.
    """
    if not bool((mean_square <= _MOST_CONTEXT).all()):
        raise UserError(
            "some training contexts hold frames so far from all others that they decide every moment (the root mean "
            f"square is {float(mean_square.max().sqrt()):.3g} deviations of the target frames)",
            _WHERE,
            "leave out or clip such frames; they are near the beginning of utterances",
        )


def outlying(lengths: Tensor) -> Tensor:
    """Which of the steps' lengths (n,) are more than 100 times the median of those above 0, (n,) bool."""
    moved = lengths[lengths > 0]
    return lengths > _FAR * moved.median() if len(moved) else torch.zeros_like(lengths, dtype=torch.bool)
