"""Score correction from a corpus by number to its table: every step on what the last one wrote."""

import json

import numpy as np
import pandas as pd
import pytest

from latentdyn.errors import UserError

CORPUS = {"n_speakers": 12, "utterances_per_speaker": 2, "frames_per_utterance": 40, "frame_rate_hz": 12.5}
VAR = {"kind": "var", "dim": 2, "seed": 0, "radius": 0.5, "noise": "isotropic", "dtype": "float32"}
LINEAR = {"kind": "linear_gaussian", "window_frames": 2, "horizons": [1, 2], "covariance": "full", "ridges": [1e-6]}
TRAINING = {"steps": 6, "batch_size": 32, "learning_rate": 1e-3, "weight_decay": 0.0, "gradient_clip_norm": 1.0,
            "validate_every_steps": 3, "select": "best_validation", "patience_validations": None}  # fmt: skip
MODEL = {"network": {"width": 8, "blocks": 1}, "sigma_min": 0.1, "sigma_max": 1.0, "training": TRAINING}
SAMPLING = {"sigmas": [0.5], "step_size": 0.2, "n_steps": [1]}
INJECTION = {"splits": ["eval"], "utterances": 4, "segments": 2, "steps": 6, "injected_steps_b": [3], "draws": 2,
             "temperature": 1.0, "bootstrap_resamples": 50}  # fmt: skip


@pytest.fixture
def made(call, tmp_path):
    """Latents, frame index, checkpoint and score model, as arguments of the step that corrects."""
    manifest, splits, latents, frames = (tmp_path / n for n in ("m.parquet", "s.parquet", "l.json", "f.json"))
    shares = json.dumps({"salt": "x", "validation": 0.2, "eval": 0.3})
    call("number_utterances", corpus=json.dumps(CORPUS), manifest=manifest, handle=tmp_path / "m.json")
    call("split_speakers", manifest=manifest, splits=shares, out=splits)
    call("simulate_process", manifest=manifest, frame_rate_hz=12.5, representation=json.dumps(VAR), handle=latents)
    call("index_frames", latents=latents, splits=splits, frames=tmp_path / "f.parquet", handle=frames,
         max_nonfinite_share=0.05)  # fmt: skip
    of = {"latents": latents, "frames": frames}
    trained = {"seed": 0, "code": "x", "curve": tmp_path / "curve.parquet"}
    predictor, score = tmp_path / "predictor.json", tmp_path / "score.json"
    call("train_model", kind="predictor", settings=json.dumps(LINEAR), **of, **trained, state=tmp_path / "a",
         handle=predictor)  # fmt: skip
    call("train_model", kind="score", settings=json.dumps(MODEL), **of, **trained, state=tmp_path / "b", handle=score)
    assert not (tmp_path / "b").exists()
    assert pd.read_parquet(trained["curve"]).step.tolist() == [0, 3, 6]
    models = {"predictor": (predictor, LINEAR), "ceiling": (predictor, LINEAR), "score": (score, MODEL)}
    return {**of, "models": models, "settings": {"sampling": SAMPLING, "injection": INJECTION}}


def test_a_table_and_its_figure_follow_from_what_the_steps_wrote(made, call, measure, tmp_path):
    metrics, speakers = tmp_path / "corrected.json", tmp_path / "corrected_speakers.parquet"
    measure("corrections", **made, metrics=metrics, sums=speakers)
    joined = {name: tmp_path / f"{name}.parquet" for name in ("metrics", "speakers", "worst_frames")}
    outputs = dict(zip(("metrics_out", "sums_out", "worst_frames_out"), joined.values(), strict=True))
    call("collect_metrics", metrics=metrics, sums=speakers, **outputs)
    table = {"kind": "score_correction", "corpora": ["c"], "representations": ["r"], "predictors": ["p"], "seeds": [0],
             "splits": ["eval"], "correction": "k", "variants": ["none", "langevin", "score_only"]}  # fmt: skip
    plan = {"corpus": "c", "bootstrap_resamples": 200, "rows": ["r"], "sampling": SAMPLING,
             "kinds": {"representations": {"r": "var"}, "predictors": {"p": "linear_gaussian"}}}  # fmt: skip
    shown = {"table": json.dumps(table), "plan": json.dumps(plan)}
    files = {name: tmp_path / f"t.{name}" for name in ("csv", "markdown", "latex", "sheet")}
    call("tabulate_metrics", **joined, **shown, **files)
    rows = pd.read_csv(files["csv"])
    assert rows["variant"].tolist() == ["none", "langevin", "score_only"] * 2 + ["ceiling"]
    assert rows["forecast"].fillna("-").tolist() == ["D"] * 3 + ["D_sampled"] * 3 + ["-"]
    records = pd.DataFrame(json.loads(metrics.read_text())["records"])
    mean = records[(records.metric == "cosine") & records.step.isna()].set_index(["mode", "correction"]).value
    change = mean["D", "langevin"] - mean["D", "none"]
    np.testing.assert_allclose(rows["cosine_change"][1], change)
    assert rows["cosine_change_ci_low"][1] <= change <= rows["cosine_change_ci_high"][1]
    assert files["markdown"].read_text().count("Gate (seed 003 §6.2") == 2
    call("plot_metrics", **joined, **shown, png=tmp_path / "t.png", svg=tmp_path / "t.svg")
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")


def test_a_score_model_of_other_settings_is_refused(made, measure, tmp_path):
    score, _ = made["models"]["score"]
    other = {**made["models"], "score": (score, {**MODEL, "sigma_max": 2.0})}
    with pytest.raises(UserError, match=r"other settings \(sigma_max\).*score\.json"):
        measure("corrections", **{**made, "models": other}, metrics=tmp_path / "m", sums=tmp_path / "s")
    assert not (tmp_path / "m").exists()
