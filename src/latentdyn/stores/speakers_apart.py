"""Whether speakers are so far apart that nothing can be told of what changes within one of them.

A fit to frames of all speakers has the scale of their differences. What is a thousand times smaller is still fitted
well; what is ten thousand times smaller drowns in rounding and in ridges, which are in units of that scale.
"""

import numpy as np
from scipy.linalg import eigh

from latentdyn.errors import UserError

_MOST = 1e7  # variance of all frames over that within speakers, in any direction
_ROUNDING = 1e-13  # of a dimension's variance: so that a direction that does not vary at all does not count
_STILL = 0.1 / _ROUNDING  # frames that vary so little within speakers are equal, but for rounding


def check_speakers_apart(frames: np.ndarray, codes: np.ndarray) -> None:
    """Refuse training frames (n, D) whose speakers (n,), codes 0, 1, ..., are too far apart.

    Fewer frames than dimensions do not say how they vary within a speaker: they pass.

    Raises:
        UserError: it says by how much.
    """
    x = frames - frames.mean(axis=0, dtype=np.float64)
    sums = np.zeros((int(codes.max()) + 1, x.shape[1]))
    np.add.at(sums, codes, x)
    within = x - (sums / np.maximum(np.bincount(codes), 1)[:, None])[codes]
    varies = np.square(x).sum(axis=0) > 0
    total, own = (part[:, varies].T @ part[:, varies] for part in (x, within))
    if not len(total) or len(x) - len(sums) <= len(total):
        return
    largest = float(eigh(total, own + _ROUNDING * np.diag(np.diag(total)), eigvals_only=True)[-1])
    if largest > _STILL:
        raise UserError(
            "in one direction at least, frames differ between training speakers and never change within one of them",
            "the representation's latents",
            "leave out such dimensions, and utterances whose frames are all equal",
        )
    if largest > _MOST:
        raise UserError(
            f"training speakers differ from each other {np.sqrt(largest):.3g} times as much as the frames of one of "
            f"them vary, in one direction at least; up to {np.sqrt(_MOST):.3g} times can be measured",
            "the representation's latents",
            "subtract from the frames of each speaker their mean",
        )
