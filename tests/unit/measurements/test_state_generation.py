"""Frames generated from states of a hidden linear process: exact moments of each way to get the innovation.

V is the covariance of a frame given its past, S that of frames, σ² that of the noise. Given its state, a frame is drawn
with covariance V by the prior and the noise, V - σ² I by the prior alone, and 0 by the mean.
"""

import dataclasses

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.measurements.factorizer import measure as measure_health
from latentdyn.measurements.state_generation import measure
from latentdyn.measurements.subject import Subject
from latentdyn.metrics import MEASURED
from latentdyn.models.checkpoint import save_checkpoint
from latentdyn.models.fit import fit_model
from latentdyn.representations.derive import derive_store
from latentdyn.representations.inversion import invert_chain, open_chain
from latentdyn.stores.frames import index_frames, write_frames
from latentdyn.stores.latents import open_latents
from latentdyn.stores.windows import Scaling, Windows, common_runs
from tests.settings import predictor_of
from tests.unit.models.factorizer.examples import PROCESS, section

from .state_space import HEALTH, SPLITS, write_source

V, S, NOISE = PROCESS.given_past(), PROCESS.frame_covariance, PROCESS.noise**2 * np.eye(4)
WAYS = {"mean": {"kind": "mean"}, "prior": {"kind": "prior"}, "flow": {"kind": "flow", "steps": 200},
        "noisy": {"kind": "prior", "noise": True}}  # fmt: skip
DRAWN = {"mean": 0 * V, "prior": V - NOISE, "flow": V - NOISE, "noisy": V}  # covariances
SETTINGS = {"split": "eval", "runs": 60, "steps": 100, "at_steps": [1], "temperature": 1.0, "max_frames": 4000,
            "bootstrap_resamples": 40, "energy_draws": 8}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Latents of the process, one trained factorizer, and its states with every way back."""
    folder = tmp_path_factory.mktemp("generation")
    source, model = write_source(folder), folder / "model.json"
    own = section({"steps": 10, "batch_size": 16}, window_frames=8, dynamics={"weight": 0.0})
    settings, device = own.model_settings(), torch.device("cpu")
    index = index_frames(source, SPLITS)
    fitted = fit_model("factorizer", settings, source, index, seed=0, state=folder / "state", device=device)
    data = {"latents": source.handle["digest"]}
    save_checkpoint(model, fitted.weights, kind="factorizer", settings=settings, dim=4, seed=0, data=data)
    for name, way in WAYS.items():
        asked = section({"steps": 10, "batch_size": 16}, window_frames=8, dynamics={"weight": 0.0}, way_back=way)
        assert asked.model_settings() == settings, "what trains is the same, whatever the way back"
        derive_store(source, asked.model_dump(mode="json"), SPLITS, folder / f"{name}.json", model)
    for name in ("x", *WAYS):
        store = open_latents(folder / f"{name}.json")
        write_frames(
            folder / f"{name}_frames.parquet", folder / f"{name}_frames.json", index_frames(store, SPLITS), store
        )
    return folder


def subject(folder, name):
    chain = [folder / "x.json", *([] if name == "x" else [folder / f"{name}.json"])]
    return Subject(
        folder / f"{name}.json", folder / f"{name}_frames.json", {}, torch.device("cpu"),
        chains={"own": chain, "reference": chain[:1]},
    )  # fmt: skip


@pytest.fixture(scope="module")
def measured(folder):
    """Records by metric, mode and step, of each way back: by the best line of 8 states."""
    found = {}
    for way in WAYS:
        made = subject(folder, way)
        frames = common_runs(made.index, 8, [1])
        train = Windows.of(made.latents, frames.of_splits("train"), 8)
        line = predictor_of("linear_gaussian", 4, window_frames=8, ridges=[1e-8])
        line.set_scaling(Scaling.fit(train))
        line.solve(train, None, 1)

        class Given(Subject):
            def predictors(self, role="predictor", line=line):
                return {1: line}

        given = Given(**{field.name: getattr(made, field.name) for field in dataclasses.fields(made)})
        records = measure(given, SETTINGS).records
        found[way] = {(record.metric, record.mode, record.step): record for record in records}
    return found


def drawn_given_states(folder, way, n=200):
    """Frames (n, T, D) that the way back makes of the states of one utterance, again and again."""
    (link,) = open_chain([folder / "x.json", folder / f"{way}.json"])
    states = open_latents(folder / f"{way}.json").load()[:200]
    noise = [torch.Generator().manual_seed(i) for i in range(n)]
    return np.stack([link.draw(states, "u", of) for of in noise]), link.invert(states, "u")


@pytest.mark.parametrize("way", ["prior", "flow", "noisy"])
def test_draws_have_the_moments_of_a_frame_given_its_state(folder, way):
    draws, mean = drawn_given_states(folder, way)
    assert np.abs((draws.mean(0) - mean)[1:]).max() < 5 * np.sqrt(np.trace(V) / 200)
    covariance = np.cov((draws - mean)[:, 1:].reshape(-1, 4).T)
    np.testing.assert_allclose(covariance, DRAWN[way], atol=0.08 * np.trace(V) / 4)
    again, _ = drawn_given_states(folder, way, 2)
    np.testing.assert_array_equal(again, draws[:2])


def test_the_mean_draws_nothing(folder):
    draws, mean = drawn_given_states(folder, "mean", 2)
    np.testing.assert_array_equal(draws, np.stack([mean, mean]))


@pytest.mark.parametrize("way", ["prior", "flow"])
def test_what_is_judged_by_its_error_draws_nothing(folder, way):
    states = open_latents(folder / "mean.json").load()
    np.testing.assert_array_equal(open_latents(folder / f"{way}.json").load(), states)
    chains = [open_chain([folder / "x.json", folder / f"{name}.json"]) for name in (way, "mean")]
    back, by_mean = (invert_chain(links, states[:50], "u") for links in chains)
    np.testing.assert_array_equal(back, by_mean)
    noise = torch.Generator().manual_seed(0)
    assert not np.array_equal(invert_chain(chains[0], states[:50], "u", noise), back)
    np.testing.assert_array_equal(invert_chain(chains[1], states[:50], "u", noise), back)


def exact_energy_score(drawn_covariance, covariance):
    """Of draws N(m, drawn) at x ~ N(m, covariance), by 200,000 normals, in deviations of frames."""
    rng, std = np.random.default_rng(0), np.sqrt(np.diag(S))

    def mean_norm(of):
        values, axes = np.linalg.eigh(of / np.outer(std, std))
        normals = rng.standard_normal((200_000, 4)) * np.sqrt(values.clip(min=0))
        return np.linalg.norm(normals @ axes.T, axis=1).mean()

    return mean_norm(covariance + drawn_covariance) - mean_norm(2 * drawn_covariance) / 2


def test_the_energy_score_at_true_states_is_the_exact_one_and_orders_the_ways(measured):
    exact = {way: exact_energy_score(covariance, V) for way, covariance in DRAWN.items()}
    scores = {way: found["energy_score_state", "true_states", None] for way, found in measured.items()}
    for way, value in exact.items():
        assert scores[way].value == pytest.approx(value, rel=0.05), way
        assert scores[way].ci_low < scores[way].value < scores[way].ci_high
        marginal = measured[way]["energy_score_state", "marginal", None]
        assert marginal.value == pytest.approx(exact_energy_score(S, S), rel=0.05)
        assert scores[way].value < marginal.value
    assert exact["noisy"] < exact["prior"] < exact["mean"], "no law scores better than the frame's own"
    assert all(scores[way].ci_high < scores["mean"].ci_low for way in ("prior", "flow", "noisy"))


def test_runs_and_true_states_have_the_energy_of_what_is_drawn(measured):
    exact = {way: np.trace(S - V + covariance) for way, covariance in DRAWN.items()}
    for way, found in measured.items():
        for mode in ("true_states", "sampled"):
            value = found["energy", mode, None].value
            assert value == pytest.approx(exact[way] / np.trace(S), rel=0.1), (way, mode)
        assert found["energy", "half", None].value == pytest.approx(1, abs=0.1)
        assert found["unbounded", "sampled", None].value == 0
    off = {way: abs(found["step_length", "sampled", None].value - 1) for way, found in measured.items()}
    assert all(off[way] < off["mean"] / 2 for way in ("prior", "flow", "noisy"))


def test_innovations_that_are_drawn_beside_the_states_miss_what_they_do_to_later_ones(measured):
    """Lag 1: Cov(E[x_t | past], E[x_{t-1} | past]) = C A (I - P) Cᵀ is in the states; what the innovation of x_{t-1}
    tells of x_t is not, and data have all of C A Cᵀ."""
    filtered = np.linalg.lstsq(PROCESS.emission, S - V, rcond=None)[0]  # (I - P) Cᵀ
    of_states = np.trace(PROCESS.emission @ PROCESS.transition @ filtered)
    of_data = np.trace(PROCESS.emission @ PROCESS.transition @ PROCESS.emission.T) / np.trace(S)
    exact = {way: of_states / np.trace(S - V + covariance) for way, covariance in DRAWN.items()}
    for way, found in measured.items():
        for mode in ("sampled", "true_states"):
            value = found["autocorrelation_latents", mode, 1].value
            # true states come with the innovations of their frames, which are not those that are drawn
            assert value == pytest.approx(exact[way], abs=0.05), (way, mode)
        assert found["autocorrelation_latents", "data", 1].value == pytest.approx(of_data, abs=0.05)
    assert exact["prior"] < of_data - 0.05


def test_the_rate_of_the_innovation_is_that_of_the_health_whatever_the_way_back(folder, measured):
    health = {r.metric: r.value for r in measure_health(subject(folder, "mean"), HEALTH).records}
    for found in measured.values():
        nats = found["innovation_nats", "true_states", None]
        assert nats.ci_low < health["innovation_nats"] < nats.ci_high
        assert found["innovation_kbit_per_s", "true_states", None].value == pytest.approx(
            nats.value * 12.5 / np.log(2) / 1000
        )
        assert {metric for metric, *_ in found} == {metric.name for metric in MEASURED["state_generation"]}


def test_latents_of_another_kind_are_refused(folder):
    with pytest.raises(UserError, match="not the state of a factorizer"):
        measure(subject(folder, "x"), SETTINGS)
