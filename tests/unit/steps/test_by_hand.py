"""Steps that a person runs by hand: a mistake on the command line is one paragraph, and nothing is written."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from latentdyn.config.measurements import MeasurementKind, measurement_kinds
from latentdyn.corpus.splits import read_splits
from latentdyn.errors import UserError
from latentdyn.parquet import write_parquet
from latentdyn.steps.settings import checked

from ..config.examples import merged
from .conftest import identity

PATHS = {"latents": "l.json", "frames": "f.json"}
FAR = {"kind": "log_det_gain", "weight": 1.0, "horizons": [24]}
LISTENING = {"reconstruction": {"kind": "waveform"}}
TRAINING = {**PATHS, "seed": 0, "code": "x", "state": "s", "curve": "c.parquet", "handle": "h.json"}
MEASURING = {**PATHS, "metrics": "m.json"}
SHOWING = {"metrics": "m.parquet", "speakers": "s.parquet", "worst-frames": "w.parquet", "csv": "t.csv",
           "markdown": "t.md", "latex": "t.tex", "sheet": "t.sheet.json"}  # fmt: skip
DERIVING = {"source": "s.json", "splits": "p.parquet", "handle": "h.json"}
TABLE = {"kind": "outlier_audit", "corpora": ["c"], "representations": ["r"], "predictors": ["p"]}
PLAN = {
    "corpus": "c",
    "bootstrap_resamples": 50,
    "rows": ["r"],
    "kinds": {"representations": {"r": "var"}, "predictors": {}},
}
PREDICTOR = {"predictor": {"handle": "h.json", "settings": {"kind": "ar1"}}}


def refused(monkeypatch: pytest.MonkeyPatch, step: str, arguments: Any) -> str:
    """What a step says when it ends with a mistake of its user."""
    command = [step]
    for name, value in arguments.items():
        command += [f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module(f"latentdyn.steps.{step}", run_name="__main__")
    said = str(caught.value.code)
    assert said.startswith("error: ") and "Where: " in said and "What to do: " in said and "\n" not in said
    assert not list(Path().iterdir()), "nothing is written"
    return said


@pytest.mark.parametrize(
    ("step", "arguments", "words"),
    [
        (
            "measure",
            {**MEASURING, "identity": identity("lagged"), "settings": {}},
            "reads predictor, and the models given are none",
        ),
        (
            "measure",
            {
                **MEASURING,
                "identity": identity("clusters"),
                "settings": {"key": {"kind": "pca"}, "clustering": {}},
                "models": PREDICTOR,
            },
            "reads no model, and the models given are predictor",
        ),
        (
            "measure",
            {**MEASURING, "identity": identity("lagged"), "settings": {"max_frame": 9}, "models": PREDICTOR},
            "max_frame: unknown key (did you mean max_frames?)",
        ),
        ("measure", {**MEASURING, "identity": identity("clusters"), "settings": {"clustering": {}}}, "key: missing"),
        (
            "measure",
            {**MEASURING, "identity": identity("injection"), "settings": {"steps": 0}, "models": {}},
            "steps: must be 1 or more, not 0",
        ),
        (
            "measure",
            {
                **MEASURING,
                "identity": identity("free_runs"),
                "settings": {"steps": 8, "at_steps": [1]},
                "models": PREDICTOR,
            },
            "steps: must be 9 or more, not 8",
        ),
        (
            "measure",
            {**MEASURING, "identity": identity("lagged"), "settings": {}, "models": {"predictor": "h.json"}},
            "a model is given as {handle, settings}",
        ),
        (
            "measure",
            {
                **MEASURING,
                "identity": identity("lagged"),
                "settings": {},
                "models": {"predictor": {"handle": "h", "settings": {}}},
            },
            "kind is missing; one of mdn",
        ),
        (
            "measure",
            {
                **MEASURING,
                "identity": identity("lagged"),
                "settings": {},
                "models": {"predictor": {**PREDICTOR["predictor"], "latents": "x.json", "frames": "y.json"}},
            },
            "a measurement of transfer, and no other one, is of a model that was fitted to another corpus",
        ),
        (
            "measure",
            {**MEASURING, "identity": identity("transfer"), "settings": {}, "models": PREDICTOR},
            "give the model's latents and frames, and its corpus as fitted_on of the identity",
        ),
        ("measure", {**MEASURING, "identity": identity("learned"), "settings": {}}, "how they are made is not said"),
        (
            "measure",
            {**MEASURING, "identity": identity("learned"), "settings": {}, "chains": {"own": ["a"], "reference": []}},
            "handles of latents, the root first",
        ),
        ("measure", {**MEASURING, "identity": "{", "settings": {}}, "'{' is not JSON"),
        (
            "measure",
            {**MEASURING, "identity": {"corpus": "c", "seed": "0", "extra": 1}, "settings": {}},
            "measurement: missing; representation: missing; by: missing; regime: missing; extra: unknown key",
        ),
        (
            "measure",
            {**MEASURING, "identity": identity("guess"), "settings": {}},
            "there is no kind 'guess': one of lagged",
        ),
        ("measure", {**MEASURING, "identity": identity("lagged"), "settings": "[1]"}, "'[1]' is not a JSON object"),
        ("measure", {**MEASURING, "settings": {}}, "the following arguments are required: --identity"),
        (
            "train_model",
            {**TRAINING, "kind": "predictor", "settings": {}},
            "kind is missing; one of mdn, vmf_lognormal",
        ),
        (
            "train_model",
            {**TRAINING, "kind": "predicter", "settings": {}},
            "there is no fitted model of kind 'predicter'",
        ),
        (
            "train_model",
            {**TRAINING, "kind": "predictor", "settings": {"kind": "gaussian", "covariance": "oops"}},
            "covariance: 'oops' is not allowed: one of diagonal, full",
        ),
        (
            "train_model",
            {**TRAINING, "kind": "predictor", "settings": {"kind": "linear_gaussian", "ridges": [-1]}},
            "ridges.0: must be 0 or more, not -1",
        ),
        ("train_model", {**TRAINING, "kind": "score", "settings": {"sigmas": [0.1]}}, "sigmas: unknown key"),
        ("train_model", {**TRAINING, "kind": "score", "settings": '{"sigma_min": NaN}'}, "NaN is no number"),
        (
            "train_model",
            {**TRAINING, "kind": "vae", "settings": {"dim": 2, "posterior": "mean"}},
            "posterior: unknown key",
        ),
        (
            "train_model",
            {**TRAINING, "kind": "vae", "settings": {"dim": 2, "objective": {"terms": [FAR]}}},
            "training.sequence_frames: 24 latents are too few",
        ),
        (
            "train_model",
            {**TRAINING, "kind": "vae", "settings": {"dim": 2}, "codec": {"kind": "logmel"}},
            "a codec is given, and nothing of this training is decoded",
        ),
        (
            "train_model",
            {
                **TRAINING,
                "kind": "vae",
                "settings": {"dim": 2, "objective": LISTENING},
                "codec": {"kind": "soundstream"},
            },
            "folder: missing",
        ),
        (
            "train_model",
            {
                **TRAINING,
                "kind": "vae",
                "settings": {"dim": 2, "objective": {"reconstruction": {"kind": "mel_metric"}}},
                "codec": {"kind": "soundstream"},
            },
            "folder: missing",
        ),
        (
            "train_model",
            {**TRAINING, "kind": "vae", "settings": {"dim": 2, "static_dim": 2}},
            "static_dim: 2 of 2 dimensions stay",
        ),
        (
            "train_model",
            {**TRAINING, "kind": "factorizer", "settings": {"dim": 2, "training": {"batch_size": 0}}},
            "training.batch_size: must be above 0",
        ),
        (
            "train_model",
            {**TRAINING, "kind": "predictor", "settings": {"kind": "ar1"}, "seed": -1},
            "argument --seed: '-1' is not a whole number, 0 or more",
        ),
        (
            "derive_latents",
            {**DERIVING, "representation": {"source": "x"}},
            "kind is missing; one of factorizer, vae, pooled",
        ),
        ("derive_latents", {**DERIVING, "representation": {"kind": "logmel"}}, "there is no kind 'logmel' here"),
        (
            "derive_latents",
            {**DERIVING, "representation": {"kind": "surrogate", "source": "x", "method": "whit"}},
            "did you mean white?",
        ),
        (
            "encode_latents",
            {
                "part": "p",
                "audio": "a",
                "code": "x",
                "state": "s",
                "handle": "h",
                "representation": {"kind": "logmel", "n_mels": 5000},
            },
            "n_mels: 5000 is too many",
        ),
        (
            "simulate_process",
            {"manifest": "m", "frame-rate-hz": 12.5, "handle": "h", "representation": {"kind": "vra"}},
            "did you mean var?",
        ),
        (
            "simulate_process",
            {"manifest": "m", "frame-rate-hz": "nan", "handle": "h", "representation": {"kind": "var"}},
            "argument --frame-rate-hz: 'nan' is not a number above 0",
        ),
        (
            "number_utterances",
            {"manifest": "m", "handle": "h", "corpus": {"n_speakers": 1}},
            "n_speakers: must be 3 or",
        ),
        (
            "build_manifest",
            {"root": "r", "manifest": "m", "excluded": "e", "handle": "h", "corpus": {}},
            "kind is missing; one of librispeech, folder",
        ),
        (
            "split_speakers",
            {"manifest": "m", "out": "o", "splits": {"validation": 0.5, "eval": 0.5}},
            "must leave a share",
        ),
        ("partition_manifest", {"manifest": "m", "out": "o", "part": 2, "n-parts": 2}, "part 2 is none of 2"),
        ("tabulate_metrics", {**SHOWING, "table": TABLE, "plan": {}}, "corpus: missing"),
        ("tabulate_metrics", {**SHOWING, "table": TABLE, "plan": PLAN | {"rows": ["q"]}}, "'q' of rows is missing"),
        ("tabulate_metrics", {**SHOWING, "table": {"kind": "nope"}, "plan": PLAN}, "there is no kind 'nope'"),
        (
            "tabulate_metrics",
            {**SHOWING, "table": {**TABLE, "kind": "regimes", "against": "p", "predictors": ["p", "q"]}, "plan": PLAN},
            "steps: missing",
        ),
    ],
)
def test_a_mistake_on_the_command_line_is_one_paragraph(
    step: str, arguments: Any, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    assert words in refused(monkeypatch, step, arguments)


def test_a_table_of_splits_with_an_unknown_split_is_refused(tmp_path: Path):
    path = tmp_path / "splits.parquet"
    write_parquet(path, pd.DataFrame({"speaker_id": ["a", "b"], "split": ["trian", "eval"]}))
    with pytest.raises(UserError, match=r"unknown splits \(trian\)"):
        read_splits(path)
    write_parquet(path, pd.DataFrame({"speaker_id": ["a", "a"], "split": ["train", "eval"]}))
    with pytest.raises(UserError, match="lists speaker a twice"):
        read_splits(path)


@pytest.mark.parametrize("kind", measurement_kinds(), ids=lambda kind: kind.measurement)
def test_what_a_rule_passes_goes_through_as_it_is(kind: type[MeasurementKind]):
    config = merged("soundstream")
    others = {"clusters": ("pca", None), "corrections": ("vmf", "score"), "learned": ("vmf", "soundstream")}
    others["state_information"] = others["learned"]
    by, variant = others.get(kind.measurement, ("vmf", None))
    section = config.section(kind)
    settings = section.settings(config, by, variant)
    assert checked(kind.form(), settings, "") == settings
    models = section.models(config, by, variant)
    assert {role: model.kind for role, model in models.items()} == kind.roles


def test_every_section_that_a_rule_passes_goes_through_as_it_is():
    config = merged("soundstream", "calibration")
    entries = [*config.all_representations.values(), *config.all_predictors.values(), *config.tables.values()]
    for entry in entries:
        given = json.loads(entry.canonical())
        assert checked(type(entry), given, "") == given
    for correction in config.corrections.values():
        assert checked(type(correction).of_model(), correction.score_model(), "") == correction.score_model()
    for table in config.tables.values():
        plan = table.plan(config, table.corpora[0])
        assert table.adds_to_plan == plan.keys() - {"corpus", "bootstrap_resamples", "rows", "kinds"}, table.kind
