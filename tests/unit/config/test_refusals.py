"""What the configuration refuses, and how it says so."""

import datetime
import math
import re
from typing import Any

import pytest

from latentdyn.config import load_config

from .examples import ARM, ARMS, CORRECTED, FORECAST, GATED, PAIRED, SMALL, edited, refusal


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("predictors.net.dropuot", 0.1, r"predictors\.net\.dropuot: unknown key"),
        ("tabels", {}, r"tabels: unknown key"),
        ("predictors.net.training.learning_rate", "1e-3", r"predictors\.net\.training\.learning_rate: .*number"),
        ("predictors.net.window_frames", 8.5, r"predictors\.net\.window_frames: .*whole number"),
        ("predictors.net.window_frames", True, r"predictors\.net\.window_frames: .*whole number"),
        ("predictors.net.window_frames", 0, r"predictors\.net\.window_frames: .*above 0"),
        ("predictors.net.hidden_width", 64, r"predictors\.net\.hidden_width: unknown key"),
        ("predictors.line.network", {"kind": "mlp"}, r"predictors\.line\.network: unknown key"),
        ("predictors.net.network", {"kind": "mlp", "widht": 64}, r"predictors\.net\.network\.widht: unknown key"),
        ("predictors.net.network", {"kind": "mlp", "dropout": 1.0}, r"predictors\.net\.network\.dropout: .*below 1"),
        ("predictors.net.network", {"kind": "linear", "width": 64}, r"predictors\.net\.network\.width: unknown key"),
        ("predictors.net.network", {"kind": "lstm"}, r"predictors\.net\.network: .*'lstm'.*transformer"),
        ("predictors.net.network", {"width": 64}, r"predictors\.net\.network: kind is missing; one of none, linear"),
        (
            "predictors.net.network",
            {"kind": "transformer", "width": 10, "heads": 4},
            r"predictors\.net\.network: width must be a multiple of heads",
        ),
        (
            "predictors.net.context_normalisation",
            "z",
            r"predictors\.net\.context_normalisation: .*standard, deltas, none",
        ),
        ("predictors.net.context_clip", 0.0, r"predictors\.net\.context_clip: .*above 0"),
        ("predictors.net.components", "laplace", r"predictors\.net\.components: .*one of gaussian, student_t"),
        ("predictors.net.log_sigma_min", 3.0, r"predictors\.net: log_sigma_min must be below log_sigma_max"),
        ("predictors.v", {"kind": "vmf_lognormal", "mu_logm_max": -5.0}, r"predictors\.v: mu_logm_min must be below"),
        ("predictors.v", {"kind": "vmf_lognormal", "log_sigma_min": 1.0}, r"predictors\.v: log_sigma_min must be"),
        ("predictors.v", {"kind": "vmf_lognormal", "log_kappa_min": 12.0}, r"predictors\.v: log_kappa_min must be"),
        ("predictors.f", {"kind": "flow", "transforms": 0}, r"predictors\.f\.transforms: .*above 0"),
        ("predictors.a", {"kind": "ar1", "ridges": [1.0]}, r"predictors\.a\.ridges: unknown key"),
        ("predictors.g", {"kind": "gaussian", "mean": "one"}, r"predictors\.g\.mean: .*one of fitted, zero"),
        (
            "predictors.net__unconditional",
            {"kind": "mdn"},
            r"predictors\.net__unconditional: .*a name of small",
        ),
        ("predictors.net.kind", "lstm", r"predictors\.net: .*'lstm'.*mdn"),
        ("predictors.net.kind", ..., r"predictors\.net: kind is missing; one of mdn"),
        ("predictors.Net", {"kind": "mdn"}, r"predictors.*Net.*a name of small"),
        ("predictors.line.ridges", [], r"predictors\.line\.ridges: .*at least 1"),
        ("corpora.speech.root", ..., r"corpora\.speech\.root: missing"),
        ("corpora.speech.splits", {"validation": 0.5, "eval": 0.5}, r"corpora\.speech\.splits: .*training"),
        ("corpora.libri", {"kind": "librispeech"}, r"corpora\.libri: give either root .* or url"),
        ("corpora.libri", {"kind": "librispeech", "url": "https://a.b/c"}, r"url and checksum go together"),
        (
            "corpora.libri",
            {"kind": "librispeech", "root": "x", "url": "https://a.b/c", "checksum": f"md5:{'0' * 32}"},
            r"not both",
        ),
        (
            "corpora.libri",
            {"kind": "librispeech", "url": "https://a.b/c", "checksum": f"md5:{'0' * 31}"},
            r"corpora\.libri\.checksum: .*32 hexadecimal",
        ),
        (
            "corpora.libri",
            {"kind": "librispeech", "url": "file:///etc/passwd", "checksum": f"md5:{'0' * 32}"},
            r"corpora\.libri\.url: .*http",
        ),
        (
            "corpora.libri",
            {"kind": "librispeech", "root": "x", "subset": "../x"},
            r"corpora\.libri\.subset: .*name of",
        ),
        ("corpora.demo", {"kind": "demo", "n_speakers": 49}, r"corpora\.demo\.n_speakers: .*48"),
        ("representations.mimi", {"kind": "mimi"}, r"representations\.mimi\.revision: pin the commit of 'kyutai/mimi'"),
        ("representations.slow.source", "mel", r"representations\.slow\.source: no representation is named 'mel'"),
        ("representations.slow.source", "slow", r"goes round in a circle \(slow\)"),
        (
            "representations.logmel",
            {"kind": "pooled", "source": "slow", "frame_rate_hz": 1.0},
            r"goes round in a circle \((logmel -> slow|slow -> logmel)\)",
        ),
        (
            "representations.var",
            {"kind": "surrogate", "source": "spiky", "method": "white"},
            r"representations\.var\.source: goes round in a circle \(var -> spiky\)",
        ),
        (
            "representations.rev",
            {"kind": "surrogate", "source": "mel", "method": "white"},
            r"representations\.rev\.source: no representation is named 'mel'",
        ),
        (
            "representations.rev",
            {"kind": "surrogate", "source": "logmel", "method": "reversed"},
            r"representations\.rev\.method: .*did you mean time_reversed",
        ),
        ("representations.spiky.source", "vra", r"representations\.spiky\.source: no representation is named 'vra'"),
        ("representations.spiky.share", 1.0, r"representations\.spiky\.share: .*below 1"),
        ("representations.spiky.splits", ["eval", "eval"], r"representations\.spiky\.splits: lists the same entry"),
        ("representations.logmel__white", {"kind": "logmel"}, r"representations\.logmel__white: .*a name of small"),
        ("representations.var.radius", -0.1, r"representations\.var\.radius: .*0 or more"),
        ("representations.s", {"kind": "switching", "radius": 1.0}, r"representations\.s\.radius: .*below 1"),
        ("representations.p", {"kind": "prototypes", "n_prototypes": 1}, r"representations\.p\.n_prototypes: "),
        ("representations.v", {"kind": "vmf_steps", "sigma": 0.0}, r"representations\.v\.sigma: .*above 0"),
        ("corpora.known.n_speakers", 2, r"corpora\.known\.n_speakers: .*3 or more"),
        ("corpora.known.audio", {}, r"corpora\.known\.audio: unknown key"),
        ("keys.axes.dim", 3, r"keys\.axes\.dim: unknown key"),
        ("keys.pool.dims", 3, r"keys\.pool\.dims: unknown key"),
        ("keys.bins", {"kind": "pca_bins", "dims": 7}, r"keys\.bins\.dims: .*6 or less"),
        ("keys.best", {"kind": "learned", "ridges": [0.0]}, r"keys\.best\.ridges\.0: .*above 0"),
        ("clustering.cluster_counts", [64, 64], r"clustering\.cluster_counts: lists the same entry twice"),
        ("clustering.permutations", 1, r"clustering\.permutations: .*2 or more"),
        ("evaluation.principal_dims", [8, 0], r"evaluation\.principal_dims\.1: .*above 0"),
        ("tables", {}, r"tables: .*at least 1"),
        ("tables.t.predictors", ["lines"], r"tables\.t\.predictors: 'lines' is not defined \(defined: line, net\)"),
        ("tables.t.corpora", [], r"tables\.t\.corpora: .*at least 1"),
        ("tables.t.seeds", [0, 0], r"tables\.t\.seeds: lists the same entry twice"),
        ("tables.t.seeds", [-1], r"tables\.t\.seeds\.0: .*0 or more"),
        ("tables.t.splits", ["test"], r"tables\.t\.splits\.0: .*one of train, validation, eval"),
        ("tables.t.columns", ["k", "loss"], r"tables\.t\.columns\.1: "),
        ("tables.t.horizons", [1, 3], r"tables\.t\.horizons: predictor 'line' is not trained at k = \[3\]"),
        ("tables.t.representations", ["given"], r"corpus 'speech' \(kind folder\) cannot give representation 'given'"),
        ("tables.t.corpora", ["mine"], r"corpus 'mine' \(kind latents\) cannot give representation 'logmel'"),
        (
            "tables.t.representations",
            ["var"],
            r"corpus 'speech' \(kind folder\) cannot give representation '(var|spiky)'",
        ),
        ("tables.t.representations", ["blurred"], r"corpus 'speech' .* cannot give representation 'blurred'"),
        ("tables.t.corpora", ["known"], r"corpus 'known' \(kind synthetic\) cannot give representation 'logmel'"),
        ("tables.t.predictors", ["net__unconditional"], r"tables\.t\.predictors\.0: .*a name of small"),
        ("tables.t.surrogates", ["reversed"], r"tables\.t\.surrogates\.0: .*did you mean time_reversed"),
        ("tables.t.metrics", ["dnll"], r"tables\.t\.metrics: unknown key"),
        (
            "predictors.line.window_frames",
            4,
            r"tables\.t: predictor 'line' and predictor 'net' differ in window_frames",
        ),
        ("predictors.line.horizons", [1, 2, 4, 16], r"tables\.t: .* would be measured on different frames"),
        ("clustering.window_frames", 4, r"tables\.phase0: predictor 'line' and clustering differ in window_frames"),
        ("clustering.longest_horizon", 16, r"tables\.phase0: predictor 'line' and clustering differ in .* longest"),
        ("tables.phase0.keys", ["pol"], r"tables\.phase0\.keys: 'pol' is not defined \(defined: axes, pool\)"),
        ("tables.exact.predictors", {"var": "lines"}, r"tables\.exact\.predictors: 'lines' is not defined"),
        ("tables.exact.keys", {"var": ["pol"]}, r"tables\.exact\.keys: 'pol' is not defined"),
        ("tables.exact.predictors", {"vra": "line"}, r"tables\.exact\.predictors\.vra: no repr.* named 'vra'"),
        ("tables.exact.predictors", {"logmel": "line"}, r"tables\.exact\.predictors\.logmel: not a process"),
        ("tables.exact.predictors", {"blurred": "line"}, r"tables\.exact\.predictors\.blurred: not a process whose"),
        ("tables.exact.keys", {"blurred": ["pool"]}, r"tables\.exact\.keys\.blurred: not a process whose exact"),
        (
            "tables.exact.corpora",
            ["speech"],
            r"tables\.exact: corpus 'speech' .* cannot give representation '(var|spiky)'",
        ),
        ("keys.line", {"kind": "pca"}, r"keys\.line: a predictor has this name too"),
        ("representations.steps", {"kind": "vmf_steps", "dim": 1}, r"representations\.steps\.dim: .*2 or more"),
        ("injection", {"steps": 8}, r"injection: injected_steps_b must be at most steps"),
        ("free_runs", {"steps": 100}, r"free_runs: at_steps must be at most steps"),
        (
            "tables.forecasts",
            {
                "kind": "injection",
                "corpora": ["speech"],
                "representations": ["logmel"],
                "predictors": ["line"],
                "splits": ["validation"],
            },
            r"tables\.forecasts\.splits: validation not among injection\.splits",
        ),
        (
            "tables.runs",
            {
                "kind": "free_runs",
                "corpora": ["speech"],
                "representations": ["logmel"],
                "predictors": ["line"],
                "splits": ["train"],
            },
            r"tables\.runs\.splits: train not among free_runs\.split",
        ),
        ("tables.arms", ARMS | {"against": "mdn"}, r"tables\.arms\.against: 'mdn' is not among predictors"),
        ("tables.arms", ARMS | {"predictors": ["line"]}, r"tables\.arms\.against: 'line' is the only predictor"),
        ("tables.arms", FORECAST | {"kind": "regimes"}, r"tables\.arms\.against: missing"),
        ("tables.arms", ARMS | {"predictors": ["line", "mdn"]}, r"tables\.arms\.predictors: 'mdn' is not defined"),
        ("tables.arms", ARMS | {"splits": ["validation"]}, r"tables\.arms\.splits: validation not among injection"),
        ("tables.gated", GATED | {"reference": "slow"}, r"tables\.gated\.reference: 'slow' is not among repr"),
        ("tables.gated", GATED | {"splits": ["validation"]}, r"tables\.gated\.splits: validation not among inj"),
        ("tables.gated", GATED | {"thresholds": [1]}, r"tables\.gated\.thresholds: unknown key"),
        ("corrections.c", {"sigmas": [0.01]}, r"corrections\.c: sigmas must lie from .*, unlike 0\.01"),
        ("corrections.c", {"sigmas": [0.5, 2.0]}, r"corrections\.c: sigmas must lie from .*, unlike 2\.0"),
        ("corrections.c", {"sigma_min": 1.0}, r"corrections\.c: sigma_min must be below sigma_max"),
        ("corrections.c", {"n_steps": [0]}, r"corrections\.c\.n_steps\.0: .*above 0"),
        ("corrections.c", {"step_size": 0.0}, r"corrections\.c\.step_size: .*above 0"),
        ("corrections.c", {"network": {"layers": 2}}, r"corrections\.c\.network\.layers: unknown key"),
        ("corrections.c", {"training": {"regime": {}}}, r"corrections\.c\.training\.regime: unknown key"),
        ("corrections.line", {}, r"corrections\.line: a predictor or key has this name too"),
        ("corrections.pool", {}, r"corrections\.pool: a predictor or key has this name too"),
        ("tables.corrected", CORRECTED, r"tables\.corrected\.correction: 'c' is not defined \(defined: none\)"),
        ("tables.corrected", CORRECTED | {"variants": ["both"]}, r"tables\.corrected\.variants\.0: .*score_only"),
        (
            "tables.corrected",
            CORRECTED | {"splits": ["validation"]},
            r"tables\.corrected\.splits: validation not among injection\.splits",
        ),
        ("predictors.net.starts_from", "ent", r"predictors\.net\.starts_from: no predictor is named 'ent'"),
        ("predictors.net.starts_from", "net", r"predictors\.net\.starts_from: goes round .*net -> net"),
        ("predictors.net.starts_from", "line", r"predictors\.net\.starts_from: 'line' has another .*another kind"),
        ("predictors.arm", ARM | {"n_components": 4}, r"predictors\.arm\.starts_from: 'net' has another n_components$"),
        ("predictors.arm", ARM | {"horizons": [1, 3]}, r"arm\.starts_from: 'net' is not trained at k = \[3\]"),
        ("predictors.line.starts_from", "net", r"predictors\.line\.starts_from: unknown key"),
        (
            "predictors.net.training.regime",
            {"kind": "unroled"},
            r"net\.training\.regime: .*did you mean unrolled",
        ),
        (
            "predictors.net.training.regime",
            {"kind": "unrolled", "unroll_steps": 1},
            r"predictors\.net\.training\.regime\.unroll_steps: .*2 or more",
        ),
        (
            "predictors.net.training.regime",
            {"kind": "unrolled", "first_unroll_steps": 17},
            r"predictors\.net\.training\.regime: first_unroll_steps must be at most unroll_steps",
        ),
        ("predictors.net.training.regime", {"kind": "noisy_context", "max_noise": 1.5}, r"regime\.max_noise: "),
        ("predictors.net.training.regime", {"kind": "scheduled_sampling", "p_teacher_end": -0.1}, r"\.p_teacher_end: "),
        ("tables.pairs", PAIRED, r"tables\.pairs\.predictors: 'line' alone makes no pair: name two, or surrogates$"),
        ("tables.pairs", PAIRED | {"surrogates": ["shufled"]}, r"^[^;]*tables\.pairs\.surrogates\.0: [^;]*$"),
        (
            "tables.pairs",
            PAIRED | {"surrogates": ["white"], "metrics": ["level_gain"], "horizons": [2, 4]},
            r"tables\.pairs\.metrics: level_gain is measured at k = 1 only",
        ),
        (
            "tables.exact.keys.spiky",
            ["pool"],
            r"tables\.exact\.keys\.spiky: not a process whose exact values are known",
        ),
        ("schema_version", 2, r"schema_version: "),
        ("evaluation.max_frames", None, r"evaluation\.max_frames: "),
    ],
)
def test_a_mistake_is_refused_by_its_dotted_path(path: str, value: Any, message: str):
    assert re.search(message, refusal(edited(path, value)))


@pytest.mark.parametrize(
    "pairs",
    [
        {"predictors": ["line", "net"]},
        {"surrogates": ["white"]},
        {"surrogates": ["white"], "metrics": ["level_gain"], "horizons": [1, 2]},
        {"surrogates": ["white"], "metrics": ["level_gain", "nll"], "horizons": [2]},
    ],
)
def test_a_paired_table_with_a_pair_is_accepted(pairs: dict[str, Any]):
    assert "pairs" in load_config(edited("tables.pairs", PAIRED | pairs)).tables


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (
            "representations.audio",
            {"kind": "logmel"},
            r"representations\.audio: the workflow has a folder of this name",
        ),
        ("predictors.logs", {"kind": "ar1"}, r"predictors\.logs: the workflow has a folder of this name"),
        ("representations.v", {"kind": "var", "radius": math.inf}, r"representations\.v\.radius: .* finite number"),
        (
            "corpora.speech.splits",
            {"salt": datetime.date(2026, 1, 1)},
            r"speech\.splits\.salt: 2026-01-01 is a date",
        ),
        ("tables.exact.predictors", {}, r"tables\.exact\.predictors: .* at least 1"),
    ],
)
def test_names_and_values_that_the_workflow_cannot_hold_are_refused(place: str, value: Any, words: str):
    assert re.search(words, refusal(edited(place, value)))


def test_all_mistakes_are_told_at_once():
    values = edited("predictors.net.dropuot", 0.1)
    values["corpora"]["speech"]["rot"] = "x"
    what = refusal(values)
    assert "predictors.net.dropuot" in what and "corpora.speech.rot" in what


def test_a_config_does_not_change_after_it_was_checked():
    with pytest.raises(ValueError, match="frozen"):
        load_config(SMALL).evaluation.max_frames = 1
