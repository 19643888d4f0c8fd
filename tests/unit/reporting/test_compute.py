"""The table of what jobs took."""

from latentdyn.reporting.compute import PUBLISHED, compute_sheet
from latentdyn.reporting.origins import Origins, Stage


def test_rules_stand_before_published_experiments_whose_sum_is_that_of_the_source():
    stage = Stage("train_predictor", 2, 90.0, 512.0, "cpu", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z")
    rows = compute_sheet(Origins([stage], {}, [])).rows
    assert rows.iloc[0].tolist() == ["train_predictor", "measured", 2, 1.5, 512.0, "cpu"]
    assert rows["what"].tolist()[1:] == list(PUBLISHED) and set(rows["origin"][1:]) == {"published"}
    parts = sum(minutes for name, minutes in PUBLISHED.items() if name != "Stage 1")
    assert abs(parts - PUBLISHED["Stage 1"]) < 15  # "approximately 8.5 GPU-hours"
