"""The interval of a share of independent trials, such as of free runs that leave the data behind: exact binomial.

A bootstrap cannot leave 0: where no run is lost, none is in any resample, however few there are. The interval of
Clopper & Pearson (1934) holds every share under which so many or so few successes are no rarer than 2.5 % on either
side. It assumes that trials are independent. Runs that start from frames of one speaker may resemble each other; then
it is too narrow.
"""

import numpy as np
from scipy.special import betaincinv  # quantiles of a beta law; scipy.stats takes a third of a second to load

_TAIL = (1 - 0.95) / 2
OF_UNBOUNDED = (  # what tables say of it
    "The interval of `unbounded` is exact binomial (Clopper & Pearson 1934), not a bootstrap, which cannot leave 0: it "
    "assumes that runs are independent, and runs of one speaker may not be."
)


def exact_interval(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lower and the upper bounds of 95 % intervals (M,) of shares (M,) of n trials (M,) each; n is at least 1."""
    successes = np.rint(share * n)
    with np.errstate(invalid="ignore"):  # a beta law with a parameter of 0: of no and of all successes
        low = np.where(successes == 0, 0.0, betaincinv(successes, n - successes + 1, _TAIL))
        high = np.where(successes == n, 1.0, betaincinv(successes + 1, n - successes, 1 - _TAIL))
    return low, high
