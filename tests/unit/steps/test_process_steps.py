"""From a corpus by number to measurements of a known process: every step between, each on what the last one wrote."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentdyn.diagnostics.records import SUMS
from latentdyn.errors import UserError
from latentdyn.files import read_json, write_json
from latentdyn.parquet import write_parquet
from latentdyn.stores.latents import open_latents

from .conftest import identity

CORPUS = {"n_speakers": 12, "utterances_per_speaker": 2, "frames_per_utterance": 60, "frame_rate_hz": 12.5}
WHITE = {"kind": "var", "dim": 2, "seed": 0, "radius": 0.0, "noise": "isotropic", "dtype": "float32"}
LINEAR = {"kind": "linear_gaussian", "window_frames": 2, "horizons": [1, 2], "covariance": "full", "ridges": [1e-6]}
SHARED = {"max_frames": 150, "bootstrap_resamples": 50, "principal_dims": [1]}  # by predictors and clusters
EVALUATION = {**SHARED, "rollout_frames": 50, "energy_draws": 2, "worst_frames": 3, "own_frames": True}
CLUSTERING = {"window_frames": 2, "longest_horizon": 2, "cluster_counts": [4, 8], "min_cluster_frames": 2,
              "variance_prior_frames": 20.0, "permutations": 2, "kmeans_iterations": 5, "kmeans_restarts": 1,
              "kmeans_frames_per_cluster": 256}  # fmt: skip


@pytest.fixture
def corpus(call, tmp_path: Path) -> dict[str, Path]:
    """Manifest and splits of the corpus."""
    paths = {"manifest": tmp_path / "manifest.parquet", "splits": tmp_path / "splits.parquet"}
    call("number_utterances", corpus=json.dumps(CORPUS), manifest=paths["manifest"], handle=tmp_path / "manifest.json")
    shares = json.dumps({"salt": "x", "validation": 0.2, "eval": 0.3})
    call("split_speakers", manifest=paths["manifest"], splits=shares, out=paths["splits"])
    return paths


@pytest.fixture
def simulate(corpus, call, tmp_path: Path):
    """The handle of a process drawn for the corpus."""

    def make(settings=WHITE, name: str = "source") -> Path:
        handle = tmp_path / name / "latents.json"
        representation = json.dumps(settings)
        call("simulate_process", manifest=corpus["manifest"], frame_rate_hz=12.5, representation=representation,
             handle=handle)  # fmt: skip
        return handle

    return make


def latents(handle: Path) -> np.ndarray:
    return open_latents(handle).load()[: CORPUS["n_speakers"] * 2 * 60]


def test_a_corpus_is_numbered_and_its_process_drawn(corpus, simulate, tmp_path):
    assert json.loads((tmp_path / "manifest.json").read_text())["n_utterances"] == 24
    splits = pd.read_parquet(corpus["splits"])
    assert splits.speaker_id.is_unique and len(splits) == 12 and set(splits["split"]) == {"train", "validation", "eval"}
    store = open_latents(simulate())
    facts = {name: store.handle[name] for name in ("kind", "dim", "dtype", "frame_rate_hz", "causal")}
    assert facts == {"kind": "var", "dim": 2, "dtype": "float32", "frame_rate_hz": 12.5, "causal": True}
    settings = {name: value for name, value in WHITE.items() if name != "kind"}
    assert store.handle["lineage"] == [{"kind": "var", "settings": settings, "source_digest": None}]
    assert store.utterances.utterance_id.tolist() == pd.read_parquet(corpus["manifest"]).utterance_id.tolist()
    np.testing.assert_allclose(np.cov(store.load().T), np.eye(2), atol=0.1)


def test_draws_follow_from_the_seed_and_not_from_the_folder(simulate):
    again, other = simulate(name="again"), simulate({**WHITE, "seed": 1}, "other")
    assert np.array_equal(latents(simulate()), latents(again)) and not np.allclose(latents(again), latents(other))


def test_a_manifest_that_is_missing_or_of_speech_is_refused(corpus, simulate):
    write_parquet(corpus["manifest"], pd.read_parquet(corpus["manifest"]).iloc[1:])
    with pytest.raises(UserError, match=r"not the one that .*manifest.json describes.*manifest.parquet.*delete .*json"):
        simulate()
    of_speech = pd.read_parquet(corpus["manifest"]).drop(columns="n_frames")
    write_json(corpus["manifest"].with_suffix(".json"), {"digest": write_parquet(corpus["manifest"], of_speech)})
    with pytest.raises(UserError, match=r"cannot be read .*manifest.parquet.*number_utterances"):
        simulate()
    corpus["manifest"].unlink()
    with pytest.raises(UserError, match=r"missing.*manifest.parquet.*number_utterances"):
        simulate()


@pytest.mark.parametrize("method", ["shuffled", "white", "phase_randomised", "time_reversed"])
def test_a_surrogate_is_of_its_source(corpus, simulate, call, tmp_path, method):
    source, handle = simulate(), tmp_path / method / "latents.json"
    settings = json.dumps({"kind": "surrogate", "source": "source", "method": method, "dtype": "float32"})
    call("derive_latents", source=source, splits=corpus["splits"], representation=settings, handle=handle)
    before, after = latents(source).reshape(24, 60, 2), latents(handle).reshape(24, 60, 2)
    assert not np.array_equal(before, after)
    if method == "time_reversed":
        np.testing.assert_array_equal(after, before[:, ::-1])
    elif method == "shuffled":
        np.testing.assert_array_equal(np.sort(after[..., 0]), np.sort(before[..., 0]))
    else:
        np.testing.assert_allclose(np.cov(after.reshape(-1, 2).T), np.eye(2), atol=0.2)


def test_outliers_hit_the_affected_split_alone(corpus, simulate, call, tmp_path):
    source, handle = simulate(), tmp_path / "outliers" / "latents.json"
    settings = {"kind": "outliers", "source": "source", "share": 0.02, "factor": 1e3, "splits": ["eval"]}
    settings = json.dumps({**settings, "dtype": "float32"})
    call("derive_latents", source=source, splits=corpus["splits"], representation=settings, handle=handle)
    before, after = latents(source), latents(handle)
    hit = (before != after).any(axis=1)
    np.testing.assert_allclose(after[hit], 1000 * before[hit], rtol=1e-6)
    split = pd.read_parquet(corpus["splits"]).set_index("speaker_id")["split"]
    of_frame = open_latents(handle).utterances.speaker_id.map(split).repeat(60).to_numpy()
    assert set(of_frame[hit]) == {"eval"} and open_latents(handle).handle["outlier_frames"] == hit.sum()


@pytest.fixture
def indexed(corpus, simulate, call, tmp_path) -> dict[str, Path]:
    """Latents and frame index, as arguments of the steps that measure."""
    paths = {"latents": simulate(), "frames": tmp_path / "frames.json"}
    frames = tmp_path / "frames.parquet"
    call("index_frames", latents=paths["latents"], splits=corpus["splits"], frames=frames, handle=paths["frames"],
         max_nonfinite_share=0.05)  # fmt: skip
    return paths


@pytest.fixture
def checkpoint(indexed, call, tmp_path) -> Path:
    handle = tmp_path / "checkpoint.json"
    call("train_model", kind="predictor", settings=json.dumps(LINEAR), **indexed, seed=0, code="x",
         state=tmp_path / "state", curve=tmp_path / "curve.parquet", handle=handle)  # fmt: skip
    return handle


def metrics(path: Path) -> pd.DataFrame:
    return pd.DataFrame(json.loads(path.read_text())["records"])


def test_predictors_and_clusters_are_measured_on_the_same_frames(indexed, checkpoint, measure, tmp_path):
    sums, evaluated, clustered = (tmp_path / name for name in ("speakers.parquet", "metrics.json", "clusters.json"))
    models = {"predictor": (checkpoint, LINEAR)}
    measure("lagged", EVALUATION, models=models, **indexed, sums=sums, metrics=evaluated)
    clustering = {"key": {"kind": "mean_pool"}, "clustering": {**CLUSTERING, **SHARED}}
    measure("clusters", clustering, by="pool", regime="clustered", **indexed, metrics=clustered)

    records = metrics(evaluated)
    assert len(json.loads(evaluated.read_text())["worst_frames"]) == 3 * 3 * 2  # of each split and horizon
    table = pd.read_parquet(sums)
    assert list(table) == list(SUMS) and set(table["split"]) == {"train", "validation", "eval"}
    keys = ["split", "slice", "horizon", "metric"]
    means = table.groupby(keys)[["total", "n"]].sum()
    value = records.set_index(keys).value
    parts = {"r2_delta_error", "r2_delta_spread"}  # of a quotient, which is what has a record
    assert set(means.index.get_level_values("metric")) - set(records.metric) == parts
    means = means.drop(list(parts), level="metric")
    np.testing.assert_allclose(means.total / means.n, value[means.index])
    dnll = records[(records.metric == "dnll") & (records["split"] == "eval") & (records["slice"] == "all")]
    assert dnll.value.tolist() == pytest.approx([-math.log(2), 0], abs=0.25)  # white noise, at k = 1 and 2

    by_cluster = metrics(clustered)
    assert set(by_cluster["clusters"]) == {4, 8} and set(by_cluster.horizon) == {1}
    scored = records[records.metric == "nll"].groupby(["split", "slice"]).n.first()
    seen = by_cluster[by_cluster.metric == "mass_excluded"].groupby(["split", "slice"]).n.first()
    assert seen.to_dict() == scored.to_dict()
    assert scored["train", "all"] == 150 and scored["train", "utterance_medial"] < 150  # one subsample for both
    again = tmp_path / "again.json"
    measure("clusters", clustering, by="pool", regime="clustered", **indexed, metrics=again)
    assert again.read_bytes() == clustered.read_bytes()


def test_a_measurement_says_what_it_is_of_and_how_it_was_made(indexed, checkpoint, measure, tmp_path):
    paths = {"sums": tmp_path / "s.parquet", "metrics": tmp_path / "metrics.json"}
    measure("lagged", EVALUATION, models={"predictor": (checkpoint, LINEAR)}, **indexed, **paths)
    names = {"measurement": "lagged", "corpus": "c", "representation": "r", "by": "p", "regime": "teacher_forced",
             "seed": 0, "fitted_on": "c"}  # fmt: skip
    assert json.loads(paths["metrics"].read_text())["identity"] == names
    (row,) = pd.read_parquet(paths["sums"])[list(names)].drop_duplicates().to_dict("records")
    assert row == names
    assert json.loads((tmp_path / "metrics.run.json").read_text())["device"]["type"] in ("cpu", "cuda")


def test_a_kind_of_measurement_that_there_is_not_is_refused(indexed, measure, tmp_path):
    with pytest.raises(
        UserError,
        match=r"there is no kind 'guess': one of lagged, .*transfer",
    ):
        measure("guess", {}, **indexed, metrics=tmp_path / "m.json")


def test_a_checkpoint_of_other_settings_is_refused(indexed, checkpoint, measure, tmp_path):
    other = {**LINEAR, "covariance": "diagonal"}
    with pytest.raises(UserError, match=r"other settings \(covariance\).*checkpoint.json"):
        measure("lagged", EVALUATION, models={"predictor": (checkpoint, other)}, **indexed,
                sums=tmp_path / "s.parquet", metrics=tmp_path / "m.json")  # fmt: skip
    assert not (tmp_path / "m.json").exists() and not (tmp_path / "s.parquet").exists()


def test_an_index_of_other_latents_is_refused(indexed, simulate, measure, tmp_path):
    other = simulate({**WHITE, "seed": 1}, "other")
    clustering = {"key": {"kind": "mean_pool"}, "clustering": {**CLUSTERING, **SHARED}}
    with pytest.raises(UserError, match=r"belongs to other latents.*frames.json.*index_frames"):
        measure("clusters", clustering, latents=other, frames=indexed["frames"], metrics=tmp_path / "m.json")


def test_a_predictor_is_measured_where_it_was_fitted(indexed, checkpoint, corpus, simulate, call, measure, tmp_path):
    """Shapes and settings agree: nothing but the digests in the handle tells that the data are others."""
    other = {"latents": simulate({**WHITE, "seed": 1}, "other"), "frames": tmp_path / "other_frames.json"}
    call("index_frames", latents=other["latents"], splits=corpus["splits"], max_nonfinite_share=0.1,
         frames=tmp_path / "other_frames.parquet",
         handle=other["frames"])  # fmt: skip
    outputs = {"sums": tmp_path / "s.parquet", "metrics": tmp_path / "m.json"}
    with pytest.raises(UserError, match=r"fitted to other latents than those it is used with.*checkpoint"):
        measure("lagged", EVALUATION, models={"predictor": (checkpoint, LINEAR)}, **other, **outputs)
    assert not outputs["metrics"].exists()
    elsewhere = {"handle": str(checkpoint), "settings": LINEAR} | {name: str(path) for name, path in indexed.items()}
    with pytest.raises(UserError, match=r"not of one representation: they differ in how they were made"):
        call("measure", identity=identity("transfer"), settings=json.dumps(EVALUATION), **other, **outputs,
             models=json.dumps({"predictor": elsewhere}))  # fmt: skip
    assert not outputs["metrics"].exists()
    with pytest.raises(UserError, match="fitted to other latents"):
        call("train_model", kind="predictor", settings=json.dumps(LINEAR), **other, seed=0, code="x", start=checkpoint,
             state=tmp_path / "state", curve=tmp_path / "c.parquet", handle=tmp_path / "on.json")  # fmt: skip


def test_what_is_of_another_corpus_of_the_same_names_is_refused(call, tmp_path):
    """Speakers, utterances and even latents of both are equal: only what an artifact says of itself tells."""
    for name, salt in (("a", "x"), ("b", "y")):
        folder = tmp_path / name
        call("number_utterances", corpus=json.dumps(CORPUS), manifest=folder / "manifest.parquet",
             handle=folder / "manifest.json")  # fmt: skip
        shares = json.dumps({"salt": salt, "validation": 0.2, "eval": 0.3})
        call("split_speakers", manifest=folder / "manifest.parquet", splits=shares, out=folder / "splits.parquet")
        call("simulate_process", manifest=folder / "manifest.parquet", frame_rate_hz=12.5,
             representation=json.dumps(WHITE), handle=folder / "white/latents.json")  # fmt: skip
        call(
            "index_frames",
            latents=folder / "white/latents.json",
            splits=folder / "splits.parquet",
            max_nonfinite_share=0.1,
            frames=folder / "white/frames.parquet",
            handle=folder / "white/frames.json",
        )
    a, b = tmp_path / "a", tmp_path / "b"
    assert read_json(a / "white/latents.json", made_by="x")["digest"] == \
        read_json(b / "white/latents.json", made_by="x")["digest"]  # fmt: skip
    for name in ("manifest.parquet", "manifest.json", "splits.parquet", "white/frames.parquet", "white/frames.json"):
        kept = (a / name).read_bytes()
        (a / name).write_bytes((b / name).read_bytes())
        (b / name).write_bytes(kept)
    shares = json.dumps({"salt": "x", "validation": 0.2, "eval": 0.3})
    with pytest.raises(UserError, match=r"was made for b, and lies in the folder of a.*manifest\.json"):
        call("split_speakers", manifest=a / "manifest.parquet", splits=shares, out=a / "s.parquet")
    with pytest.raises(UserError, match=r"was made for b, and lies in the folder of a.*splits\.parquet"):
        call("index_frames", latents=a / "white/latents.json", splits=a / "splits.parquet", max_nonfinite_share=0.1,
             frames=a / "white/f.parquet", handle=a / "white/f.json")  # fmt: skip
    with pytest.raises(UserError, match=r"was made for b/white, and lies in the folder of a/white.*frames\.json"):
        call("train_model", kind="predictor", settings=json.dumps(LINEAR), seed=0, code="x",
             latents=a / "white/latents.json", frames=a / "white/frames.json", state=a / "state",
             curve=a / "curve.parquet", handle=a / "checkpoint.json")  # fmt: skip
    assert {path.name for path in a.iterdir()} == {"manifest.parquet", "manifest.json", "splits.parquet", "white"}


def test_a_predictor_that_was_fitted_to_another_corpus(indexed, checkpoint, call, tmp_path):
    other, corpus = tmp_path / "b", json.dumps({**CORPUS, "n_speakers": 15, "frames_per_utterance": 40})
    call("number_utterances", corpus=corpus, manifest=other / "m.parquet", handle=other / "m.json")
    shares = json.dumps({"salt": "y", "validation": 0.2, "eval": 0.4})
    call("split_speakers", manifest=other / "m.parquet", splits=shares, out=other / "splits.parquet")
    call("simulate_process", manifest=other / "m.parquet", frame_rate_hz=12.5, representation=json.dumps(WHITE),
         handle=other / "latents.json")  # fmt: skip
    paths = {"latents": other / "latents.json", "frames": other / "frames.json"}
    call("index_frames", latents=paths["latents"], splits=other / "splits.parquet", max_nonfinite_share=0.1,
         frames=other / "frames.parquet", handle=paths["frames"])  # fmt: skip
    elsewhere = {"handle": str(checkpoint), "settings": LINEAR} | {name: str(path) for name, path in indexed.items()}
    who = {**json.loads(identity("transfer")), "corpus": "d", "fitted_on": "c"}
    call("measure", identity=json.dumps(who), settings=json.dumps(EVALUATION), **paths, sums=other / "s.parquet",
         models=json.dumps({"predictor": elsewhere}), metrics=other / "metrics.json")  # fmt: skip
    written = read_json(other / "metrics.json", made_by="measure_transfer")
    assert written["identity"] == who
    digests = {name: read_json(path, made_by="x")["digest"] for name, path in paths.items()}
    digests |= {f"predictor_{name}": read_json(path, made_by="x")["digest"] for name, path in indexed.items()}
    assert written["data"] == digests | {"predictor": read_json(checkpoint, made_by="x")["digest"]}
    mine, theirs = (
        pd.read_parquet(path).set_index("speaker_id")["split"]
        for path in (other / "splits.parquet", tmp_path / "splits.parquet")
    )
    known = set(theirs.index[theirs != "eval"])
    seen = metrics(other / "metrics.json")[lambda r: r.metric == "speakers_seen"].set_index("split")
    assert seen.value.to_dict() == {s: len(known & set(mine.index[mine == s])) for s in set(mine)}
    assert seen.n.to_dict() == mine.value_counts().to_dict() and 0 < seen.value["eval"] < seen.n["eval"]


def test_forecasts_and_free_runs_of_a_checkpoint(indexed, checkpoint, measure, tmp_path):
    forecasts, runs = tmp_path / "injection.json", tmp_path / "free_runs.json"
    injection = {"splits": ["eval"], "utterances": 4, "segments": 2, "steps": 6, "injected_steps_b": [3], "draws": 2,
                 "temperature": 1.0, "bootstrap_resamples": 50}  # fmt: skip
    sums = tmp_path / "injection_speakers.parquet"
    models = {"predictor": (checkpoint, LINEAR), "ceiling": (checkpoint, LINEAR)}
    paths = {**indexed, "sums": sums, "metrics": forecasts}
    measure("injection", injection, models=models, **paths)
    records = metrics(forecasts)
    pooled, mean = (found[(found["mode"] == "D") & (found.metric == "dnll") & found.step.isna()]
                    for found in (pd.read_parquet(sums), records))  # fmt: skip
    assert pooled.total.sum() / pooled.n.sum() == pytest.approx(mean.value.item())
    assert {"A", "B", "C", "D", "D_sampled", "ceiling"} <= set(records["mode"].dropna())
    ceilings = records[(records["mode"] == "ceiling") & (records.metric == "cosine") & records.step.notna()]
    assert set(ceilings.step) == {1, 2}  # the horizons that the predictor has
    assert records.horizon.isna().all()  # no table of horizons takes a rollout for its own
    free_runs = {"split": "eval", "runs": 4, "steps": 12, "at_steps": [1, 12], "temperature": 1.0, "max_frames": 200,
                 "bootstrap_resamples": 50}  # fmt: skip
    measure("free_runs", free_runs, models={"predictor": (checkpoint, LINEAR)}, **indexed, metrics=runs)
    bounded = metrics(runs)[lambda r: (r.metric == "unbounded") & (r["mode"] == "sampled")]
    assert bounded.value.tolist() == [0.0]
    with pytest.raises(UserError, match="utterances"):
        measure("injection", {**injection, "steps": 60}, models=models, **paths)
