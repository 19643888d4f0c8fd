"""Published values: each stands beside rows of its own lineage, and beside no other."""

import functools
import importlib
from dataclasses import replace

import pytest

from latentdyn.families import VIEWS
from latentdyn.reporting import published as module
from latentdyn.reporting.criteria import gate
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.published import (
    ENCODEC,
    ENTRIES,
    EXP_3,
    EXP_4,
    MIMI,
    MIMI_PCA_32,
    PHASE_4,
    Published,
    any_published,
    published,
    values_of,
)
from tests.unit.reporting.conftest import Handmade
from tests.unit.reporting.views.everything import KINDS, everything, plan_of, table_of

LINEAGES = sorted({lineage for entry in ENTRIES for lineage in entry.of.lineages})


@functools.cache
def facts(dim: float | None, rate: float | None, regime: str) -> Measurements:
    """Of latents; of some dimension or frame rate where it is None."""
    return Handmade().add({"dim": dim or 3, "frame_rate_hz": rate or 99.0}, regime=regime).measured


def beside(entry: Published, lineage: str, **changes) -> float | None:
    """What is printed beside a row of the entry's own place, of this lineage."""
    dim, rate = changes.pop("dim", entry.of.dim), changes.pop("rate", entry.of.frame_rate_hz)
    measured = facts(dim, rate, changes.pop("regime", entry.regime))
    place = {"by": entry.by, "split": entry.split, "horizon": entry.horizon, "mode": entry.mode, "step": entry.step}
    return published(measured, entry.metric, lineage=lineage, **{**place, **changes})


def test_the_lineages_of_the_allowlist_are_these():
    assert LINEAGES == ["encodec>pooled", "mimi", "mimi>factorizer", "mimi>pca"]


@pytest.mark.parametrize("lineage", LINEAGES)
def test_each_lineage_gets_its_own(lineage):
    own = [entry for entry in ENTRIES if lineage in entry.of.lineages]
    assert own
    for entry in own:
        same = [replace(e, source="", value=0.0) == replace(entry, source="", value=0.0) for e in own]
        first = own[same.index(True)]
        assert beside(entry, lineage) == first.value


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.step is None], ids=lambda e: f"{e.source}-{e.metric}")
def test_nothing_else_gets_it(entry):
    for lineage in ("encodec", "mimi>pooled", "mimi>novel", "mimi>pca>novel", "encodec>pooled>surrogate", "logmel"):
        assert beside(entry, lineage) is None
    own = entry.of.lineages[0]
    for changes in ({"slice": "high_energy"}, {"split": "validation"}, {"by": "flow"}, {"regime": "sampled_unroll"},
                    {"horizon": 3}, {"mode": "B"}, {"step": 5}):  # fmt: skip
        assert beside(entry, own, **changes) is None, changes
    for name, told in (("dim", entry.of.dim), ("rate", entry.of.frame_rate_hz)):
        assert told is None or beside(entry, own, **{name: 3 * told}) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lineage", ["mimi>novel", "encodec>pooled>novel", "mimi>pca>novel", "novel"])
def test_no_view_gives_a_new_kind_a_published_value(kind, lineage):
    tabulate = importlib.import_module(VIEWS.module(kind)).tabulate
    for predictor, regime in (("mdn", "teacher_forced"), ("mdn", "unrolled"), ("vmf_lognormal", "scheduled_sampling")):
        plan = plan_of(lineage, predictor)
        rows = tabulate(everything(regime=regime), table_of(kind), plan).rows
        if "representation" in rows:  # a row of its own says that it is of another setting
            rows = rows[rows["representation"].isin(plan["rows"])]
        assert len(rows)
        shown = [name for name in rows if name.startswith("published_")]
        assert rows[shown].isna().all(axis=None), shown


@pytest.mark.parametrize(
    ("kind", "predictor", "regime", "column", "value"),
    [
        ("lagged", "mdn", "teacher_forced", "published_dnll", -185.44),
        ("clustering", "mdn", "teacher_forced", "published_ratio", 0.997),
        ("injection", "mdn", "teacher_forced", "published_dnll", -154.3),
        ("injection_steps", "vmf_lognormal", "scheduled_sampling", "published_cosine", 0.103),
        ("regimes", "mdn", "unrolled", "published_dnll_D", -0.4),
    ],
)
def test_the_views_that_print_one(kind, predictor, regime, column, value):
    tabulate = importlib.import_module(VIEWS.module(kind)).tabulate
    rows = tabulate(everything(regime=regime), table_of(kind), plan_of("mimi", predictor)).rows
    assert rows[column].dropna().iloc[0] == value


def test_of_two_runs_the_first_is_printed_and_both_are_kept():
    runs = [e for e in ENTRIES if (e.of, e.by, e.metric, e.horizon, e.split) == (MIMI, "mdn", "dnll", 1, "eval")]
    assert [run.value for run in runs] == [-185.44, -184.4, -176.9] and beside(runs[2], "mimi") == -185.44
    assert [e.value for e in values_of(EXP_4, mode="D", metric="dnll")] == [45.8]
    assert [e.value for e in values_of(PHASE_4, metric="dnll")] == [761868.0, -35.0, -0.4]


def test_every_number_is_there_once():
    assert len({replace(entry, value=0.0) for entry in ENTRIES}) == len(ENTRIES)
    # Phase 0; Phase 1: seven of four and two gaps less one; z_dyn; Exp 1; k = 1 of Exp 3 and 4; variances; forecasts
    assert len(ENTRIES) == 4 + (6 * 4 + 2) + (3 * 4 + 2) + 3 * 4 + 5 + 2 + (1 + 4 + 4 * 4 + 3 + 5 * 6 + 1 + 3)


def test_thresholds_of_gates_are_published_values():
    (pca,) = values_of(EXP_4, MIMI_PCA_32, metric="dnll", horizon=1)
    (error,) = values_of(EXP_3, metric="state_error")
    assert gate("nats_beyond_pca").threshold == pca.value and gate("state_error_below_mimi").threshold == round(
        error.value
    )
    (encodec,) = values_of(EXP_3, ENCODEC, horizon=1)
    assert round(encodec.value / -184.4, 2) == 0.51  # what the gate of the gain says of it


def test_whether_anything_was_published():
    assert any_published(["logmel", "mimi"]) and not any_published(["encodec", "mimi>pooled"])
    assert module.MDN_MAGNITUDE_RATIO_D == (0.17, 0.20)
