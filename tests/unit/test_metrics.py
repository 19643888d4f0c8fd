"""The list of metrics: names that follow from others, the columns of the Phase 1 table, and the page about it."""

from pathlib import Path

import pytest

from latentdyn.metrics import _PART, DNLL, LAGGED_COLUMNS, MEASURED, METRICS, NLL, PARTS, R2_DELTA, markdown, metric

NOT_METRICS = {"representation", "predictor", "split", "slice", "k", "n", "seeds"}


def test_a_listed_metric_is_found_by_its_name():
    assert metric("dnll") is DNLL and metric("dnll_direction").name == "dnll_direction"
    assert all(metric(name) is m and m.name == name for name, m in METRICS.items())


@pytest.mark.parametrize(
    ("name", "unit", "decimals", "better"),
    [
        ("dnll_median", "nats/frame", 2, "lower"),
        ("nll_q0.001", "nats/frame", 2, "lower"),
        ("r2_delta_top8", "1", 3, "higher"),
        ("dnll_direction_nonfinite", "frames", 0, "lower"),
        ("entropy_reduction_permuted", "nats/frame", 3, "higher"),
        ("entropy_reduction_permuted_sd", "nats/frame", 3, "neither"),
        ("variance_ratio_held_out_ci_low", "1", 4, "lower"),
        ("variance_ratio_top16_ci_high", "1", 4, "lower"),
        ("cosine_seed_sd", "1", 3, "neither"),
    ],
)
def test_a_part_has_the_unit_of_its_metric_and_a_count_has_frames(name, unit, decimals, better):
    found = metric(name)
    assert (found.name, found.unit, found.decimals, found.better) == (name, unit, decimals, better)


def test_a_part_is_the_same_by_name_and_from_its_metric():
    assert metric("nll_trimmed") == NLL.part("trimmed")
    assert metric("r2_delta_top8_ci_low") == R2_DELTA.part("top8").part("ci_low")


@pytest.mark.parametrize("name", ["loss", "dnll_best", "median", "dnll_", "_median", "dnll_top", "top8"])
def test_a_name_that_is_not_listed_is_refused(name):
    with pytest.raises(KeyError, match=f"'{name}'"):
        metric(name)


def test_a_metric_has_no_part_of_any_other_name():
    with pytest.raises(KeyError, match="'best'"):
        DNLL.part("best")


def test_the_parts_that_the_page_explains_are_those_that_there_are():
    for names in PARTS:
        for name in names.split("`, `"):
            part = name.replace("{share}", "0.25").replace("{m}", "8").replace("{i}", "2")
            assert metric(f"dnll_{part}") == DNLL.part(part)
    explained = "|".join(PARTS).replace("`, `", "|").replace("{share}", r"0\.\d+")
    assert explained.replace("{m}", r"\d+").replace("{i}", r"\d+") == _PART


def test_every_metric_is_told_in_one_sentence():
    for m in METRICS.values():
        assert m.sentence[0].isupper() and m.sentence.endswith(".") and m.sentence.count(". ") == 0, m.name


def test_no_name_of_a_metric_is_that_of_a_part_of_another():
    for kind in MEASURED.values():
        for name in (m.name for m in kind):
            base, _, part = name.rpartition("_")
            if base in METRICS:
                with pytest.raises(KeyError):
                    METRICS[base].part(part)


def test_every_column_of_the_phase_1_table_is_a_metric_or_a_key_or_published():
    for column in LAGGED_COLUMNS.keys() - NOT_METRICS:
        if not column.startswith("published_"):
            assert metric(column).name == column


def test_the_page_about_metrics_is_that_of_the_list():
    page = Path(__file__).parents[2] / "docs/metrics.md"
    assert page.read_text(encoding="utf-8") == markdown(), "python -m latentdyn.metrics > docs/metrics.md"
