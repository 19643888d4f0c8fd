"""From evaluations to a table and its figure: metrics.json and speakers.parquet in; CSV, Markdown, LaTeX, PNG out."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentdyn.config.tables.calibration import CalibrationTable
from latentdyn.config.tables.clustering import ClusteringTable
from latentdyn.config.tables.lagged import LaggedTable
from latentdyn.config.tables.outlier_audit import OutlierAuditTable
from latentdyn.config.tables.paired import PairedTable
from latentdyn.diagnostics.records import SUMS, WORST_FRAMES, Identity, record, write_metrics, write_sums
from latentdyn.diagnostics.summaries import QUANTILES, quantile_name
from latentdyn.errors import UserError
from latentdyn.files import canonical_json, read_json, write_json
from latentdyn.metrics import METRICS, metric
from latentdyn.parquet import parquet_facts, write_parquet
from latentdyn.reporting.measurements import Measurements
from tests.settings import settings_of

ROWS = {"corpora": ["c"], "representations": ["x"]}
PREDICTED = {**ROWS, "predictors": ["p", "q"], "horizons": [1], "splits": ["eval"]}
TABLES = {
    "lagged": LaggedTable(
        kind="lagged", **PREDICTED, columns=["predictor", "n", "dnll", "context_gain", "rollout_gap"]
    ),
    "paired": PairedTable(kind="paired", **PREDICTED, metrics=["nll"]),
    "outlier_audit": OutlierAuditTable(kind="outlier_audit", **PREDICTED),
    "clustering": ClusteringTable(kind="clustering", **ROWS, keys=["pool"], predictors=["p"]),
    "calibration": CalibrationTable(kind="calibration", corpora=["c"], predictors={"x": "q"}, horizons=[1]),
}
PLAN = {
    "corpus": "c",
    "bootstrap_resamples": 200,
    "rows": ["x"],
    "kinds": {
        "representations": {"x": "var"},
        "predictors": {"p": "mdn", "p__unconditional": "mdn", "q": "linear_gaussian"},
        "keys": {"pool": "mean_pool"},
    },
    "processes": {"x": settings_of("representations", "var", dim=2, radius=0.0)},
}
NLL = {"p": 4.0, "p__unconditional": 7.0, "q": 5.0}  # of each frame of each speaker


def identity(measurement: str, by: str, regime: str = "teacher_forced", corpus: str = "c") -> Identity:
    return Identity(measurement, corpus, "x", by, regime, 0)


def write_evaluation(folder: Path, predictor: str) -> None:
    """Two eval speakers of five frames, on which ΔNLL is NLL - 7."""
    where = {"split": "eval", "horizon": 1}
    nll = NLL[predictor]
    values = {"nll": nll, "dnll": nll - 7, "cosine": 0.5, "r2_delta": 0.5, "level_gain": 0.0, "energy_score": 0.5,
              "unbounded": 0.0, "dnll_full": -math.log(2), "dnll_nonfinite": 0, "dnll_trimmed": nll - 7,
              "dnll_min": -20.0, "dnll_max": 20.0, "dim": 2, "speakers": 2, "frame_rate_hz": 12.5,
              "rollout_gap": math.inf}  # fmt: skip
    values |= {f"dnll_{quantile_name(q)}": q for q in QUANTILES}
    records = [record(metric(name), value, 10, **where) for name, value in values.items()]
    totals = {"nll": 5 * nll, "dnll": 5 * (nll - 7)}
    sums = [{**where, "slice": "all", "metric": name, "speaker_id": s, "total": total, "n": 5}
            for name, total in totals.items() for s in ("s1", "s2")]  # fmt: skip
    worst = {**where, "utterance_id": "u", "t": 3, "time_s": 0.24, "nll": 9.0, "dnll": 2.0, "delta_norm": 1.5}
    who = identity("lagged", predictor)
    digest = write_sums(folder / "speakers.parquet", who, pd.DataFrame(sums))
    write_metrics(folder / "metrics.json", who, records, [worst], sums=digest)


def write_clusters(path: Path) -> None:
    where = {"split": "eval", "horizon": 1, "clusters": 64}
    values = {"mass_excluded": 0.125, "variance_ratio": 0.875, "entropy_reduction": 0.25}
    records = [record(METRICS[name], value, 10, **where) for name, value in values.items()]
    write_metrics(path, identity("clusters", "pool", "clustered"), records)


def write_forecasts(folder: Path, by: str, total: float = 9.0, **changes: str) -> tuple[Path, Path]:
    """Metrics and sums of a forecast of two steps in mode D."""
    metrics, sums = folder / f"{by}.json", folder / f"{by}_speakers.parquet"
    places = [(None, total, 2), (1, total - 5, 1), (2, 5.0, 1)]
    rows = [{"split": "eval", "slice": "all", "mode": "D", "step": step, "metric": "dnll", "speaker_id": "s1",
             "total": total, "n": n} for step, total, n in places]  # fmt: skip
    who = identity("injection", by, **changes)
    digest = write_sums(sums, who, pd.DataFrame(rows))
    write_metrics(metrics, who, [record(METRICS["dnll"], total / 2, 2, split="eval", mode="D")], sums=digest)
    return metrics, sums


@pytest.fixture
def measured(tmp_path: Path) -> dict[str, Any]:
    """The arguments of collect_metrics for three evaluations and a clustering."""
    for predictor in NLL:
        write_evaluation(tmp_path / predictor, predictor)
    write_clusters(tmp_path / "clusters.json")
    return {
        "metrics": [*(tmp_path / p / "metrics.json" for p in NLL), tmp_path / "clusters.json"],
        "sums": [tmp_path / p / "speakers.parquet" for p in NLL],
        "metrics_out": tmp_path / "metrics.parquet",
        "sums_out": tmp_path / "speakers.parquet",
        "worst_frames_out": tmp_path / "worst_frames.parquet",
    }


@pytest.fixture
def collected(measured, call, tmp_path: Path) -> dict[str, Path]:
    """What collect_metrics wrote, as arguments of the steps that read it."""
    call("collect_metrics", **measured)
    return {name: tmp_path / f"{name}.parquet" for name in ("metrics", "speakers", "worst_frames")}


@pytest.fixture
def arguments(collected, tmp_path: Path) -> Callable[[str], tuple[dict[str, Any], dict[str, Any]]]:
    """Of tabulate_metrics and of plot_metrics, for a kind of table."""

    def of(kind: str):
        shared = {**collected, "table": TABLES[kind].canonical(), "plan": canonical_json(PLAN)}
        forms = {"csv": tmp_path / "t.csv", "markdown": tmp_path / "t.md", "latex": tmp_path / "t.tex"}
        forms["sheet"] = tmp_path / "t.sheet.json"
        return {**shared, **forms}, {**shared, "png": tmp_path / "t.png", "svg": tmp_path / "t.svg"}

    return of


def test_collecting_joins_evaluations_and_clusterings(collected):
    metrics, speakers, worst = (pd.read_parquet(path) for path in collected.values())
    regimes = dict(zip(metrics.by, metrics.regime, strict=True))
    assert regimes == {**dict.fromkeys(NLL, "teacher_forced"), "pool": "clustered"}
    gap = metrics[metrics.metric == "rollout_gap"]
    assert len(gap) == 3 and set(gap.status) == {"overflow"} and gap.value.isna().all()
    assert list(speakers) == list(SUMS) and list(worst) == list(WORST_FRAMES)
    totals = speakers[speakers.metric == "nll"].groupby("by").total.agg(list)
    assert totals.to_dict() == {p: [5 * nll] * 2 for p, nll in NLL.items()}
    assert worst.by.tolist() == list(NLL) and set(worst.seed) == {0}


EXPECTED = {
    "lagged": {"predictor": ["p", "q"], "n": [10, 10], "dnll": [-3, -2], "context_gain": [-3, math.nan],
               "rollout_gap": [math.inf] * 2},
    "paired": {"a": ["x/p"], "b": ["x/q"], "metric": ["nll"], "difference": [-1], "ci_low": [-1], "decided": ["yes"]},
    "outlier_audit": {"predictor": ["p", "q"], "n": [10, 10], "without_worst": [-32 / 9, -22 / 9], "q0.25": [0.25] * 2},
    "clustering": {"by": ["pool", "p"], "clusters": [64, math.nan], "variance_ratio": [0.875, math.nan],
                   "variance_ratio_held_out": [math.nan, 0.5], "entropy_reduction": [0.25, 3.0]},
    "calibration": {"diagnostic": ["dnll", "dnll_full", "energy_score", "r2_delta", "cosine", "level_gain",
                                   "unbounded"],
                    "measured": [-2, -math.log(2), 0.5, 0.5, 0.5, 0, 0],
                    "agrees": ["no", "2 %", "no", "2 %", "no", "2 %", "2 %"]},
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_of_table_is_written_and_drawn(arguments, call, kind):
    tabulating, plotting = arguments(kind)
    call("tabulate_metrics", **tabulating)
    call("plot_metrics", **plotting)
    table = pd.read_csv(tabulating["csv"])
    expected = pd.DataFrame(EXPECTED[kind])
    pd.testing.assert_frame_equal(table[list(expected)], expected, check_dtype=False)
    assert tabulating["markdown"].read_text(encoding="utf-8").startswith(("| ", "**"))
    assert r"\toprule" in tabulating["latex"].read_text(encoding="utf-8")
    assert plotting["png"].read_bytes().startswith(b"\x89PNG")


def collect(measured: dict[str, Any], call) -> Measurements:
    call("collect_metrics", **measured)
    return Measurements.read(*(measured[f"{name}_out"] for name in ("metrics", "sums", "worst_frames")), "c")


def test_sums_of_forecasts_are_joined_with_those_of_evaluations(measured, call, tmp_path: Path):
    metrics, sums = write_forecasts(tmp_path, "arm", regime="unrolled")
    joined = {**measured, "metrics": [*measured["metrics"], metrics], "sums": [*measured["sums"], sums]}
    every = collect(joined, call)
    mine = every.speakers[every.speakers.by == "arm"]
    assert mine[["mode", "metric", "total", "n"]].values.tolist() == [
        ["D", "dnll", total, n] for total, n in ((9.0, 2), (4.0, 1), (5.0, 1))
    ]
    assert mine.step.fillna(-1).tolist() == [-1, 1, 2] and mine.horizon.isna().all()
    others = every.speakers[every.speakers.by != "arm"]
    assert set(others.horizon) == {1} and others["mode"].isna().all() and others.step.isna().all()
    assert set(every.records[every.records["mode"] == "D"].regime) == {"unrolled"}
    arm = every.where(by="arm", mode="D").at_step(2)
    assert arm.ratio(arm, "dnll").value == 1


def test_no_order_of_files_and_no_file_without_sums_mislabels_the_sums_of_another(measured, call, tmp_path: Path):
    """A file of free runs has no sums: once, the sums of the next file were taken for its own."""
    runs = tmp_path / "runs.json"
    write_metrics(runs, identity("free_runs", "a"), [record(METRICS["unbounded"], 0.0, 4, split="eval", mode="mean")])
    made = {by: write_forecasts(tmp_path, by, total) for by, total in (("b", 9.0), ("c", 90.0))}
    metrics, sums = ([files[i] for files in made.values()] for i in (0, 1))
    expected = {"b": 9.0, "c": 90.0}
    for chosen, of_sums in (([runs, *metrics], sums), ([*reversed(metrics), runs], sums), (metrics, sums[::-1])):
        every = collect({**measured, "metrics": chosen, "sums": of_sums}, call)
        pooled = every.at_step(None).speakers
        assert dict(zip(pooled.by, pooled.total, strict=True)) == expected


def test_the_worst_frames_are_in_the_markdown_of_the_audit(arguments, call):
    tabulating, _ = arguments("outlier_audit")
    call("tabulate_metrics", **tabulating)
    lines = tabulating["markdown"].read_text(encoding="utf-8").splitlines()
    (header,) = [i for i, line in enumerate(lines) if "utterance_id" in line]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[header + 2 :]]
    assert cells == [["x", p, "eval", "u", "3", "0.24", "9.0", "2.00", "1.50"] for p in ("p", "q")]


def test_clusterings_alone_have_neither_speakers_nor_worst_frames(measured, arguments, call):
    only = {**measured, "metrics": measured["metrics"][-1:], "sums": []}
    tabulating, plotting = arguments("clustering")
    call("collect_metrics", **only)
    table = TABLES["clustering"].model_copy(update={"predictors": []}).canonical()
    call("tabulate_metrics", **{**tabulating, "table": table})
    call("plot_metrics", **{**plotting, "table": table})
    assert pd.read_csv(tabulating["csv"]).by.tolist() == ["pool"]
    assert pd.read_parquet(measured["sums_out"]).empty


# ------------------------------------------------------------------------------------------------- as commands


def command(step: str, **arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", f"latentdyn.steps.{step}"]
    for name, value in arguments.items():
        words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_commands_run_as_the_rules_call_them(measured, arguments):
    tabulating, plotting = arguments("lagged")
    for step, given in (("collect_metrics", measured), ("tabulate_metrics", tabulating), ("plot_metrics", plotting)):
        ran = command(step, **given)
        assert ran.returncode == 0, ran.stderr
    assert pd.read_csv(tabulating["csv"]).dnll.tolist() == [-3, -2] and plotting["png"].exists()


@pytest.mark.parametrize("step", ["tabulate_metrics", "plot_metrics"])
def test_a_row_that_was_not_measured_is_told_in_one_paragraph(arguments, step):
    given = dict(zip(("tabulate_metrics", "plot_metrics"), arguments("lagged"), strict=True))[step]
    ran = command(step, **{**given, "table": json.dumps({**json.loads(given["table"]), "splits": ["validation"]})})
    assert ran.returncode == 1
    assert ran.stderr.startswith(
        "error: there are no metrics for representation = x, predictor = p, split = validation"
    )
    assert "Traceback" not in ran.stderr
    outputs = [path for path in given.values() if isinstance(path, Path) and path.stem == "t"]
    assert outputs and not any(path.exists() for path in outputs)


# ------------------------------------------------------------------------------------------------- what is refused


def test_a_missing_file_is_named_with_the_rule_that_makes_it(measured, call):
    measured["metrics"][1].unlink()
    with pytest.raises(UserError, match=r"missing.*p__unconditional/metrics.json.*rule measure"):
        call("collect_metrics", **measured)
    assert not measured["metrics_out"].exists()


@pytest.mark.parametrize("text", ["{", ""])
def test_what_is_not_json_is_refused(measured, call, text):
    measured["metrics"][0].write_text(text)
    with pytest.raises(UserError, match=r"not valid JSON.*p/metrics.json.*run the same command"):
        call("collect_metrics", **measured)


@pytest.mark.parametrize("version", [2, 4, None])
def test_metrics_of_another_version_are_refused(measured, call, version):
    content = read_json(measured["metrics"][0], made_by="measure_lagged")
    write_json(measured["metrics"][0], {**content, "schema_version": version})
    with pytest.raises(UserError, match=r"another version.*p/metrics.json.*delete .*p/metrics.json and run"):
        call("collect_metrics", **measured)


def test_a_file_that_is_no_metrics_is_refused(measured, call, tmp_path: Path):
    write_json(tmp_path / "predictor.json", {"schema_version": 2, "digest": "x"})
    with pytest.raises(UserError, match=r"not a file of metrics.*predictor.json"):
        call("collect_metrics", **{**measured, "metrics": [tmp_path / "predictor.json"], "sums": []})


def test_sums_that_are_missing_or_of_another_form_are_refused(measured, call):
    write_parquet(measured["sums"][2], pd.DataFrame({"speaker_id": ["s1"]}))
    with pytest.raises(UserError, match=r"cannot be read.*q/speakers.parquet.*rule measure"):
        call("collect_metrics", **measured)
    measured["sums"][2].unlink()
    with pytest.raises(UserError, match=r"missing.*q/speakers.parquet.*rule measure"):
        call("collect_metrics", **measured)


@pytest.mark.parametrize("files", ["metrics", "sums"])
def test_a_measurement_is_taken_once(measured, call, files):
    with pytest.raises(UserError, match=r"two files are of lagged of c, x, p, teacher_forced, seed 0.*list only one"):
        call("collect_metrics", **{**measured, files: [*measured[files], measured[files][0]]})
    assert not measured["metrics_out"].exists()


def test_sums_without_their_metrics_are_refused(measured, call):
    with pytest.raises(UserError, match=r"sums of lagged of c, x, p, .* without their metrics.*p/speakers.parquet"):
        call("collect_metrics", **{**measured, "metrics": measured["metrics"][1:]})


def test_metrics_of_two_corpora_make_no_table(measured, call, tmp_path: Path):
    metrics, sums = write_forecasts(tmp_path, "arm", corpus="other")
    with pytest.raises(UserError, match=r"several corpora \(c, other\)"):
        call("collect_metrics", **{**measured, "metrics": [*measured["metrics"], metrics], "sums": [sums]})


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_of_what_was_not_measured_is_refused(arguments, call, kind):
    plan = canonical_json({**PLAN, "rows": ["y"], "processes": {"y": PLAN["processes"]["x"]}})
    table = json.loads(TABLES[kind].canonical())
    table |= {"predictors": {"y": "q"}} if kind == "calibration" else {"representations": ["y"]}
    for step, given in zip(("tabulate_metrics", "plot_metrics"), arguments(kind), strict=True):
        with pytest.raises(UserError, match=r"no metrics for representation = y|no exact value of 'y'"):
            call(step, **{**given, "plan": plan, "table": json.dumps(table)})


def test_undefined_and_overflown_values_keep_their_status(measured, call):
    where = {"split": "eval", "horizon": 1}
    values = {"nll": math.inf, "dnll": math.nan, "cosine": np.float32(1.5), "r2_head": -math.inf}
    records = [record(METRICS[n], v, 3, ci_low=-math.inf, ci_high=2.0, **where) for n, v in values.items()]
    sums = parquet_facts(measured["sums"][0], made_by="measure_lagged")["digest"]
    write_metrics(measured["metrics"][0], identity("lagged", "p"), records, sums=sums)
    call("collect_metrics", **measured)
    table = pd.read_parquet(measured["metrics_out"])
    mine = table[table.by == "p"].set_index("metric")
    assert mine.status.to_dict() == {"nll": "overflow", "dnll": "undefined", "cosine": "ok", "r2_head": "overflow"}
    assert mine.value.dropna().to_dict() == {"cosine": 1.5}
    assert mine.ci_low.isna().all() and set(mine.ci_high) == {2.0}
