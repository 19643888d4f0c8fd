"""Brier scores of the seed documents' forecasts."""

import pytest

from latentdyn.reporting.forecasts import FORECASTS, Forecast, forecasts_sheet, mean_brier


def test_a_score_is_the_squared_distance_to_what_came_out():
    sure, wrong, open_ = (Forecast("s", "e", 0.8, outcome, "") for outcome in (True, False, None))
    assert sure.brier == pytest.approx(0.04) and wrong.brier == pytest.approx(0.64) and open_.brier is None
    assert mean_brier([sure, wrong, open_]) == (pytest.approx(0.34), 2)
    with pytest.raises(ValueError, match="no outcome"):
        mean_brier([open_])


def test_the_seeds_did_worse_than_one_half():
    # .55 yes, .6 no, .65 no, .5 no, .6 no
    expected = (0.45**2 + 0.6**2 + 0.65**2 + 0.5**2 + 0.6**2) / 5
    assert mean_brier() == (pytest.approx(expected), 5) and expected > 0.25
    assert all(0 < forecast.probability < 1 for forecast in FORECASTS)
    assert "Of 20 forecasts of the seed documents, 5 have" in forecasts_sheet().notes[0]
