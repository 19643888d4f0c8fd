"""What rows are made of: selecting, averaging over seeds, and differences over the same speakers."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from latentdyn.diagnostics.records import SUMS, WORST_FRAMES
from latentdyn.errors import UserError
from latentdyn.parquet import write_parquet
from latentdyn.reporting.measurements import Measurements, unmeasured
from latentdyn.seeds import numpy_generator

RESAMPLES = 1000


def sums(totals: np.ndarray, counts: np.ndarray) -> dict[str, tuple[float, int]]:
    return {f"s{i:02d}": (t, n) for i, (t, n) in enumerate(zip(totals, counts, strict=True))}


def test_where_selects_in_every_table_by_the_columns_that_it_has(handmade):
    for representation in ("r", "other"):
        for seed in (0, 1, 2):
            speakers = {"nll": {"s": (1.0, 1)}}
            handmade.add({"nll": 1.0}, representation=representation, seed=seed, speakers=speakers, worst=[(1, 1)])
            handmade.add({"nll": 1.0}, representation=representation, seed=seed, slice="high_energy", speakers=speakers)
    here = handmade.measured.where(representation="r", seed=[0, 2], slice="all", by=None)
    assert [len(table) for table in (here.records, here.speakers, here.worst_frames)] == [2, 2, 2]
    assert set(here.records.seed) == {0, 2} and set(here.worst_frames.representation) == {"r"}
    assert here.where(by="another").records.empty


def test_a_record_without_a_horizon_is_at_no_horizon(handmade):
    measured = handmade.add({"nll": 1.0}, horizon=None).add({"nll": 2.0}, horizon=2).measured
    assert measured.where(horizon=2).over_seeds("nll") == 2.0
    assert measured.where(horizon=1).over_seeds("nll") is None


def test_seeds_are_averaged(handmade):
    for seed, value in enumerate((1.0, 2.0, 6.0)):
        handmade.add({"dnll": (value, value - 1, value + 3)}, seed=seed)
    measured = handmade.measured
    assert measured.over_seeds("dnll") == 3.0
    assert (measured.over_seeds("dnll", "ci_low"), measured.over_seeds("dnll", "ci_high")) == (2.0, 6.0)
    assert measured.over_seeds("dnll", reduce=np.max) == 6.0
    assert measured.over_seeds("cosine") is None


def test_one_overflow_is_an_overflow_and_what_is_undefined_stays_so(handmade):
    measured = handmade.add({"a": 1.0, "b": 1.0}).add({"a": math.inf, "b": math.nan}, seed=1).measured
    assert measured.over_seeds("a") == math.inf
    assert math.isnan(measured.over_seeds("b"))
    assert math.isnan(measured.over_seeds("a", "ci_low"))  # no interval of it


def test_a_difference_is_that_of_the_means_over_frames(handmade):
    handmade.add({}, predictor="p", speakers={"nll": {"s1": (10.0, 2), "s2": (40.0, 8)}})  # 50 / 10
    handmade.add({}, predictor="q", speakers={"nll": {"s2": (12.0, 8), "s1": (4.0, 2)}})  # 16 / 10; in any order
    p, q = (handmade.measured.where(by=name) for name in "pq")
    difference = p.difference(q, "nll")
    assert difference.value == pytest.approx(3.4)
    # by speaker it is 3 and 3.5, so every resample is in between
    assert (difference.ci_low, difference.ci_high) == pytest.approx((3.0, 3.5))
    back = q.difference(p, "nll")
    assert (back.value, back.ci_low, back.ci_high) == pytest.approx((-3.4, -3.5, -3.0))
    assert p.difference(q, "cosine") is None


def test_the_interval_is_a_bootstrap_that_draws_the_same_speakers_for_both(handmade):
    rng = np.random.default_rng(0)
    counts, s = rng.integers(5, 50, 12), np.arange(12)
    a, b = rng.normal(3, 1, 12) * counts, rng.normal(2, 1, 12) * counts
    handmade.add({}, predictor="p", speakers={"nll": sums(a, counts)})
    handmade.add({}, predictor="q", speakers={"nll": sums(b, counts)})
    measured = handmade.measured
    difference = measured.where(by="p").difference(measured.where(by="q"), "nll")
    generator, resampled = numpy_generator("paired differences"), []
    for _ in range(RESAMPLES):
        drawn = np.repeat(s, generator.multinomial(12, np.full(12, 1 / 12)))
        resampled.append(a[drawn].sum() / counts[drawn].sum() - b[drawn].sum() / counts[drawn].sum())
    expected = np.quantile(resampled, [0.025, 0.975])
    np.testing.assert_allclose([difference.ci_low, difference.ci_high], expected, rtol=1e-10)


def test_a_ratio_is_that_of_the_means_over_frames(handmade):
    handmade.add({}, predictor="p", speakers={"nll": {"s1": (10.0, 2), "s2": (40.0, 8)}})  # 5 and 5
    handmade.add({}, predictor="q", speakers={"nll": {"s1": (4.0, 2), "s2": (80.0, 8)}})  # 2 and 10
    p, q = (handmade.measured.where(by=name) for name in "pq")
    ratio = p.ratio(q, "nll")
    assert (ratio.value, ratio.ci_low, ratio.ci_high) == pytest.approx((50 / 84, 0.5, 2.5))
    assert p.ratio(q, "cosine") is None


def test_over_nothing_there_is_no_ratio_and_over_an_overflow_none(handmade):
    for predictor, total in (("p", 1.0), ("zero", 0.0), ("far", math.inf)):
        handmade.add({}, predictor=predictor, speakers={"nll": {"s1": (total, 1), "s2": (total, 1)}})
    p, zero, far = (handmade.measured.where(by=name) for name in ("p", "zero", "far"))
    assert p.ratio(zero, "nll").value == math.inf and math.isnan(p.ratio(zero, "nll").ci_low)
    assert math.isnan(zero.ratio(zero, "nll").value) and math.isnan(far.ratio(far, "nll").value)
    assert far.difference(p, "nll").value == math.inf and math.isnan(far.difference(p, "nll").ci_high)


def test_forecasts_are_compared_in_a_mode_at_a_step_or_over_all_of_them(handmade):
    totals = {"p": {("D", 1): 6.0, ("D", 2): 8.0, ("D", None): 14.0, ("A", None): 100.0}, "q": {("D", None): 4.0,
              ("D", 1): 2.0, ("D", 2): 2.0, ("A", None): 100.0}}  # fmt: skip
    for predictor, places in totals.items():
        for (mode, step), total in places.items():
            frames = 2 if step else 4
            sums = {"nll": {"s1": (total, frames), "s2": (total, frames)}}
            handmade.add(
                {"nll": total / frames}, predictor=predictor, mode=mode, step=step, horizon=None, speakers=sums
            )
        lagged = {"nll": {"s1": (1e6, 1), "s2": (1e6, 1)}}
        handmade.add({"nll": 1e6}, predictor=predictor, speakers=lagged)
    p, q = (handmade.measured.where(by=name, mode="D") for name in "pq")
    assert p.at_step(None).difference(q.at_step(None), "nll").value == 14 / 4 - 4 / 4
    assert p.at_step(2).difference(q.at_step(2), "nll").value == 8 / 2 - 2 / 2
    assert (p.at_step(2).over_seeds("nll"), p.at_step(None).over_seeds("nll")) == (4.0, 3.5)
    assert p.at_step(3).records.empty and p.at_step(3).difference(q.at_step(3), "nll") is None
    lagged = handmade.measured.where(by="p", horizon=1)
    assert lagged.at_step(None).difference(handmade.measured.where(by="q", mode="A"), "nll").value == 1e6 - 25


def test_an_interval_has_the_resamples_that_were_asked_for(handmade):
    """Of three, the 95 % interval is nearly from the least to the largest: not that of a thousand."""
    rng = np.random.default_rng(0)
    for name in "pq":
        handmade.add({}, predictor=name, speakers={"nll": sums(rng.normal(0, 10, 12), np.ones(12, int))})
    measured = replace(handmade.measured, resamples=3)
    few = measured.where(by="p").at_step(None).difference(measured.where(by="q"), "nll")
    a, b = (measured.where(by=name).speakers.total.to_numpy() for name in "pq")
    weights = numpy_generator("paired differences").multinomial(12, np.full(12, 1 / 12), size=3)
    expected = np.quantile(weights @ (a - b) / 12, [0.025, 0.975])
    np.testing.assert_allclose([few.ci_low, few.ci_high], expected, rtol=1e-10)


def test_where_speakers_share_difficulty_the_paired_interval_is_far_narrower(handmade):
    rng = np.random.default_rng(0)
    difficulty, counts = rng.normal(0, 10, 30), np.full(30, 20)
    rows = {"p": difficulty + rng.normal(100, 0.5, 30), "q": difficulty + rng.normal(101, 0.5, 30), "zero": 0 * counts}
    for name, means in rows.items():
        handmade.add({}, predictor=name, speakers={"nll": sums(means * counts, counts)})
    p, q, zero = (handmade.measured.where(by=name) for name in rows)
    paired, alone = p.difference(q, "nll"), [row.difference(zero, "nll") for row in (p, q)]
    assert paired.ci_high < 0  # decided, although the intervals of the two overlap:
    assert alone[0].ci_high > alone[1].ci_low
    independent = sum(row.ci_high - row.ci_low for row in alone)
    assert paired.ci_high - paired.ci_low < 0.1 * independent


def test_seeds_are_pooled_in_a_difference(handmade):
    for seed, total in ((0, 10.0), (1, 30.0)):
        handmade.add({}, predictor="p", seed=seed, speakers={"nll": {"s1": (total, 10), "s2": (total, 10)}})
    handmade.add({}, predictor="q", speakers={"nll": {"s1": (5.0, 10), "s2": (5.0, 10)}})  # a closed form has one
    measured = handmade.measured
    assert measured.where(by="p").difference(measured.where(by="q"), "nll").value == pytest.approx(1.5)


def test_one_speaker_has_no_interval(handmade):
    handmade.add({}, predictor="p", speakers={"nll": {"s": (4.0, 2)}})
    handmade.add({}, predictor="q", speakers={"nll": {"s": (2.0, 2)}})
    measured = handmade.measured
    difference = measured.where(by="p").difference(measured.where(by="q"), "nll")
    assert difference.value == 1.0 and math.isnan(difference.ci_low) and math.isnan(difference.ci_high)


@pytest.mark.parametrize("others", [("s1",), ("s1", "s3")])
def test_rows_of_different_speakers_are_not_compared(handmade, others):
    handmade.add({}, predictor="p", speakers={"nll": {"s1": (1.0, 1), "s2": (1.0, 1)}})
    handmade.add({}, predictor="q", speakers={"nll": dict.fromkeys(others, (1.0, 1))})
    measured = handmade.measured
    with pytest.raises(UserError, match=rf"on 2 and {len(others)} speakers, not the same .*nll.*same window_frames"):
        measured.where(by="p").difference(measured.where(by="q"), "nll")


def test_what_was_not_measured_is_named():
    expected = r"no metrics for split = eval, k = 8\. Where: the table's splits and slices\."
    with pytest.raises(UserError, match=expected):
        raise unmeasured({"split": "eval", "k": 8})


@pytest.fixture
def files(handmade, tmp_path):
    measured = handmade.add({"nll": 1.0}, speakers={"nll": {"s": (1.0, 1)}}, worst=[(1.0, 2.0)]).measured
    measured = measured.records, measured.speakers, measured.worst_frames
    paths = [tmp_path / f"{name}.parquet" for name in ("metrics", "speakers", "worst_frames")]
    parts = {path.stem: write_parquet(path, table) for path, table in zip(paths[1:], measured[1:], strict=True)}
    write_parquet(paths[0], measured[0], parts)
    return paths


def test_read_gives_what_was_written(files, handmade):
    read = Measurements.read(*files, handmade.measured.records.corpus[0], resamples=7)
    assert read.resamples == read.where(seed=[0]).resamples == 7
    pd.testing.assert_frame_equal(read.records, handmade.measured.records)
    assert tuple(read.speakers) == tuple(SUMS) and tuple(read.worst_frames) == WORST_FRAMES
    assert read.where(horizon=1, seed=[0]).over_seeds("nll") == 1.0


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_table_that_is_missing_or_of_another_collection_is_refused(files, which):
    name = files[which].name
    write_parquet(files[which], pd.DataFrame({"metric": ["nll"]}))
    with pytest.raises(UserError, match=rf"not collected together.*delete .*{files[0].name} and .*collect_metrics"):
        Measurements.read(*files, "c")
    files[which].unlink()
    with pytest.raises(UserError, match=rf"is missing\. .*{name}.*collect_metrics"):
        Measurements.read(*files, "c")


def test_tables_of_another_corpus_are_refused(files):
    with pytest.raises(UserError, match=r"of the corpus .*, not of elsewhere.*metrics\.parquet.*collect_metrics"):
        Measurements.read(*files, "elsewhere")


def test_the_interval_of_a_share_of_runs_follows_from_its_count_whatever_its_record_says(handmade):
    runs = {"measurement": "free_runs", "mode": "sampled", "horizon": None}
    handmade.add({"unbounded": (0.0, 0.0, 0.0), "energy": (1.0, 0.9, 1.1)}, n=64, **runs)
    handmade.add({"unbounded": (0.5, 0.4, 0.6)}, n=2, seed=1, **runs)
    handmade.add({"unbounded": 0.25}, n=4, representation="alone", **runs)  # one speaker: no interval
    measured = handmade.measured
    first = measured.where(representation="r", seed=[0])
    assert first.over_seeds("unbounded", "ci_low") == 0
    assert first.over_seeds("unbounded", "ci_high") == pytest.approx(1 - 0.025 ** (1 / 64))
    assert [first.over_seeds("energy", f"ci_{end}") for end in ("low", "high")] == [0.9, 1.1]
    both = measured.where(representation="r")  # one of two: [.0126, .9874]
    of_two = 1 - (1 - 0.025) ** 0.5
    assert both.over_seeds("unbounded", "ci_low") == pytest.approx(of_two / 2)
    assert both.over_seeds("unbounded", "ci_high") == pytest.approx((1 - 0.025 ** (1 / 64) + 1 - of_two) / 2)
    assert math.isnan(measured.where(representation="alone").over_seeds("unbounded", "ci_high"))
    assert measured.records["ci_high"].max() == 1.1, "records stay as they were measured"
