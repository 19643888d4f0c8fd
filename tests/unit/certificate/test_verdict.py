"""When an effect counts: by the interval and, of few speakers, by a t-test too."""

import pandas as pd
import pytest

from latentdyn.certificate.verdict import _is_positive


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        ([1.0, 1.1], True),  # t = 21, and 12.7 are needed
        ([0.1, 0.3], False),  # t = 2: both are above 0, which chance does to every fourth pair
        ([0.1, 0.3, 0.2, 0.4, 0.2, 0.3], True),
        ([-0.1, 0.3, 0.2, -0.4, 0.2, 0.3], False),
        ([-1.0, -1.1], False),
    ],
)
def test_a_mean_above_0_beyond_chance(values, positive):
    assert _is_positive(pd.Series(values)) is positive
