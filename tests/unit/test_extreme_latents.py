"""Any finite latents end in numbers that are finite or counted, or in a paragraph: never in a crash or a traceback.

Latents of sizes from 1e-30 to 1e30, denormal ones, single frames far out, constant and repeated dimensions and the like
go from their files to every measurement. The trials are drawn from a seed, so that they are the same in every run.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from latentdyn.diagnostics.archetypes.evaluation import ArchetypeSettings, archetype_records
from latentdyn.diagnostics.clusters import ClusteringSettings, cluster_contexts
from latentdyn.diagnostics.clusters.keys import PCA, Learned, MeanPool, PCABins
from latentdyn.diagnostics.free_runs import FreeRunSettings, measure_free_runs
from latentdyn.diagnostics.injection import InjectionSettings, evaluate_injection
from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.errors import UserError
from latentdyn.files import file_sha256
from latentdyn.models.fit import fit_model
from latentdyn.predictors.base import build_predictor
from latentdyn.steps.import_latents import import_latents
from latentdyn.stores.frames import check_finite_share, index_frames
from latentdyn.stores.latents import open_latents
from tests.settings import settings_of

DIM, FRAMES = 3, 36
SPLITS = {"t0": "train", "t1": "train", "t2": "train", "v0": "validation", "e0": "eval", "e1": "eval"}
REACH = {"window_frames": 2, "horizons": [1, 2]}
FEW = {"steps": 4, "batch_size": 16, "validate_every_steps": 2}
PREDICTORS = {
    "linear_gaussian": {},
    "ar1": {},
    "gaussian": {"covariance": "full"},
    "mdn": {"network": {"kind": "mlp", "width": 8}, "target_axes": "principal", "n_components": 2},
    "vmf_lognormal": {"network": {"kind": "linear"}, "kappa_depends_on_magnitude": True},
}
LAGGED = EvaluationSettings(max_frames=1000, rollout_frames=40, energy_draws=2, bootstrap_resamples=20, worst_frames=3,
                            own_frames=True, principal_dims=(2,))  # fmt: skip
INJECTION = InjectionSettings(splits=["eval"], utterances=1, segments=2, steps=4, injected_steps_b=[3], draws=2,
                              temperature=1.0, bootstrap_resamples=20)  # fmt: skip
RUNS = FreeRunSettings(split="eval", runs=4, steps=12, at_steps=(1, 12), temperature=1.0, max_frames=1000,
                       bootstrap_resamples=20)  # fmt: skip
CLUSTERS = ClusteringSettings(
    window_frames=2, longest_horizon=2, cluster_counts=(3,), max_frames=1000, kmeans_iterations=5, kmeans_restarts=1,
    kmeans_frames_per_cluster=256, min_cluster_frames=2, variance_prior_frames=5.0, permutations=2, principal_dims=(2,),
    bootstrap_resamples=20,
)  # fmt: skip
ARCHETYPES = ArchetypeSettings(cluster_counts=(2, 4), threshold_quantile=0.5, variance=0.9, kmeans_iterations=5,
                               kmeans_restarts=1, halvings=1, max_frames=1000, bootstrap_resamples=20)  # fmt: skip
KEYS = [MeanPool(), PCA(dims=2), PCABins(dims=1), Learned(dims=1, ridges=(1e-2, 1.0))]

Utterances = dict[str, np.ndarray]


def plain(rng: np.random.Generator) -> Utterances:
    """An autoregression for each speaker, float64."""
    utterances = {}
    for speaker in SPLITS:
        x = rng.normal(size=(FRAMES, DIM))
        for t in range(1, FRAMES):
            x[t] += 0.5 * x[t - 1]
        utterances[speaker] = x
    return utterances


def scaled(x: Utterances, rng: np.random.Generator) -> None:
    factor = 10.0 ** rng.uniform(-30, 30)
    for latents in x.values():
        latents *= factor


def scaled_dimensions(x: Utterances, rng: np.random.Generator) -> None:
    factors = 10.0 ** rng.uniform(-12, 12, DIM)
    for latents in x.values():
        latents *= factors


def shifted(x: Utterances, rng: np.random.Generator) -> None:
    offset = rng.normal(size=DIM) * 10.0 ** rng.uniform(0, 20)
    for latents in x.values():
        latents += offset


def denormal(x: Utterances, rng: np.random.Generator) -> None:
    for latents in x.values():
        latents *= 10.0 ** rng.uniform(-45, -38)


def lone_frames(x: Utterances, rng: np.random.Generator) -> None:
    """One frame far out, of any split, at the beginning, the end or between."""
    latents = x[rng.choice(list(SPLITS))]
    latents[rng.choice([0, 1, FRAMES - 1, rng.integers(FRAMES)])] = 10.0 ** rng.uniform(3, 38)


def far_speakers(x: Utterances, rng: np.random.Generator) -> None:
    x[rng.choice(["v0", "e0", "e1"])] *= 10.0 ** rng.uniform(5, 38)


def constant(x: Utterances, rng: np.random.Generator) -> None:
    for latents in x.values():
        latents[:, 0] = 10.0 ** rng.uniform(-30, 30)


def repeated(x: Utterances, rng: np.random.Generator) -> None:
    noise = 10.0 ** rng.uniform(-12, 0)
    for latents in x.values():
        latents[:, 1] = latents[:, 0] + noise * rng.normal(size=FRAMES)


def held(x: Utterances, rng: np.random.Generator) -> None:
    """Frames that are repeated, so that steps have length 0."""
    for latents in x.values():
        latents[rng.integers(1, FRAMES) :: 2] = latents[0]


def exact(x: Utterances, rng: np.random.Generator) -> None:
    angle = rng.uniform(0.1, 1, DIM)
    for latents in x.values():
        latents[:] = np.sin(np.arange(FRAMES)[:, None] * angle + rng.uniform(0, 6, DIM))


def holes(x: Utterances, rng: np.random.Generator) -> None:
    for latents in x.values():
        latents[rng.random(FRAMES) < 10.0 ** rng.uniform(-3, 0)] = rng.choice([np.nan, np.inf, -np.inf])


EXTREMES = (
    scaled,
    scaled_dimensions,
    shifted,
    denormal,
    lone_frames,
    far_speakers,
    constant,
    repeated,
    held,
    exact,
    holes,
)


def measured(utterances: Utterances, dtype: str, kind: str, folder: Path) -> list[str]:
    """Every measurement of these latents; what was refused, and where. Records are checked as they come."""
    refused: list[str] = []

    def part(name, make):
        try:
            return make()
        except UserError as error:
            assert error.what and error.where and error.fix
            refused.append(name)

    rows = []
    for speaker, latents in utterances.items():
        np.save(folder / f"{speaker}.npy", latents)
        rows.append({"utterance_id": speaker, "speaker_id": speaker, "path": f"{speaker}.npy", "dim": DIM,
                     "sha256": file_sha256(folder / f"{speaker}.npy")})  # fmt: skip
    provided = {"kind": "provided", "dtype": dtype}
    import_latents(pd.DataFrame(rows), folder, 12.5, provided, folder / "latents.json")
    store = open_latents(folder / "latents.json")
    part("share", lambda: check_finite_share(store, 0.05))
    if refused:
        return refused
    frames = index_frames(store, pd.DataFrame(SPLITS.items(), columns=["speaker_id", "split"]))
    resident = torch.from_numpy(store.load())
    for key in KEYS:
        part(
            f"clusters by {key.kind}",
            lambda key=key: checked(cluster_contexts(key, resident, frames, CLUSTERS, ("x",))),
        )
    part("archetypes", lambda: checked(archetype_records(resident, store.load_energy(), frames, ARCHETYPES)))
    settings = settings_of("predictors", kind, **REACH, **PREDICTORS[kind])
    if "training" in settings:
        settings["training"] |= FEW
    fitted = part("fit", lambda: fit_model(
        "predictor", settings, store, frames, seed=0, state=folder, device=torch.device("cpu")))  # fmt: skip
    if fitted is None:
        return refused
    models = {}
    for k in REACH["horizons"]:
        models[k] = build_predictor(settings, DIM).eval()
        models[k].load_state_dict(fitted.weights[f"k{k}"])
    part("lagged", lambda: checked(evaluate_lagged(models, resident, frames, 12.5, LAGGED, ("x",)).records))
    part("injection", lambda: checked(
        evaluate_injection(models[1], models, resident, frames, 12.5, INJECTION, ("x",))[0]))  # fmt: skip
    part("free runs", lambda: checked(measure_free_runs(models[1], resident, frames, RUNS, ("x",))))
    return refused


def checked(records) -> None:
    """Each value is finite, or its record says why there is none."""
    assert records
    for record in records:
        assert record.status in ("ok", "overflow", "undefined", "missing"), record
        assert (record.status == "ok") == (record.value is not None and math.isfinite(record.value)), record
        for bound in (record.ci_low, record.ci_high):
            assert bound is None or math.isfinite(bound), record


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("trial", range(44))
def test_extreme_latents_end_in_numbers_or_in_words(trial, tmp_path):
    rng = np.random.default_rng(trial)
    utterances = plain(rng)
    EXTREMES[trial % len(EXTREMES)](utterances, rng)
    if trial >= 2 * len(EXTREMES):  # two troubles at once
        rng.choice(EXTREMES)(utterances, rng)
    precision = rng.choice([np.float64, np.float32])
    with np.errstate(over="ignore"):
        utterances = {speaker: x.astype(precision) for speaker, x in utterances.items()}
    kind = list(PREDICTORS)[trial % len(PREDICTORS)]
    measured(utterances, str(rng.choice(["float32", "float32", "float16"])), kind, tmp_path)


@pytest.mark.parametrize("kind", PREDICTORS)
def test_plain_latents_are_refused_nowhere(kind, tmp_path):
    assert measured(plain(np.random.default_rng(0)), "float32", kind, tmp_path) == []
