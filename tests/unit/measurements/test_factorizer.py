"""The health of a factorizer on held-out speakers: exact values of a hidden linear state, through stores and chains."""

import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.measurements.factorizer import measure
from latentdyn.measurements.subject import Subject
from latentdyn.metrics import MEASURED
from latentdyn.models.checkpoint import save_checkpoint
from latentdyn.models.fit import fit_model
from latentdyn.representations.derive import derive_store
from latentdyn.stores.frames import index_frames, write_frames
from latentdyn.stores.latents import open_latents
from tests.unit.models.factorizer.examples import PROCESS, section

from .state_space import HEALTH, SPLITS, write_source


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Latents of the process, and the states of a strict and of an inclusive factorizer."""
    folder = tmp_path_factory.mktemp("factorizer")
    source = write_source(folder)
    for timing in ("strict", "inclusive"):
        own = section({"steps": 10, "batch_size": 16}, window_frames=8, timing=timing, dynamics={"weight": 0.0})
        settings, index = own.model_settings(), index_frames(source, SPLITS)
        fitted = fit_model(
            "factorizer", settings, source, index, seed=0, state=folder / timing, device=torch.device("cpu")
        )
        model, data = folder / f"{timing}_model.json", {"latents": source.handle["digest"]}
        save_checkpoint(model, fitted.weights, kind="factorizer", settings=settings, dim=4, seed=0, data=data)
        derive_store(source, own.model_dump(mode="json"), SPLITS, folder / f"{timing}.json", model)
    for name in ("x", "strict", "inclusive"):
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


def test_rate_nll_and_information_are_the_exact_ones_within_their_intervals(folder):
    measured = measure(subject(folder, "strict"), HEALTH)
    found, given = {r.metric: r for r in measured.records}, PROCESS.given_past()
    assert found.keys() == {metric.name for metric in MEASURED["factorizer"]}
    exact = {"innovation_nats": PROCESS.rate(), "frame_nll": PROCESS.nll(given),
             "next_frame_information": PROCESS.information(given)}  # fmt: skip
    for name, value in exact.items():
        width = found[name].ci_high - found[name].ci_low
        assert found[name].value == pytest.approx(value, abs=width) and 0 < width < 0.2 * value, name
    assert found["window_information"].value == pytest.approx(exact["next_frame_information"], rel=0.1)
    assert found["innovation_kbit_per_s"].value == pytest.approx(found["innovation_nats"].value * 12.5 / 693.147)
    assert found["alarms"].value == 0
    assert {record.split for record in measured.records} == {"eval"}
    sums = measured.sums.groupby("metric")[["total", "n"]].sum()
    for name in exact:
        assert sums.total[name] / sums.n[name] == pytest.approx(found[name].value)


def test_of_an_inclusive_state_no_nll_is_told_and_its_alarm_rings(folder):
    found = {r.metric: r.value for r in measure(subject(folder, "inclusive"), HEALTH).records}
    assert "frame_nll" not in found
    assert found["alarm_leak"] == 1 and found["alarms"] >= 1


def test_latents_of_another_kind_are_refused(folder):
    with pytest.raises(UserError, match="not the state of a factorizer"):
        measure(subject(folder, "x"), HEALTH)
