"""The judge on a hidden linear state, whose values are exact, through stores and chains."""

import numpy as np
import pandas as pd
import pytest
import torch

from latentdyn.config.measurements.state_information import StateInformation
from latentdyn.errors import UserError
from latentdyn.measurements.learned import measure
from latentdyn.measurements.state_information import measure as measure_by_network
from latentdyn.measurements.subject import Subject
from latentdyn.processes.base import build_process, write_process
from latentdyn.representations.derive import derive_store
from latentdyn.stores.frames import index_frames, write_frames
from latentdyn.stores.latents import open_latents
from tests.settings import settings_of

W = 4
SETTINGS = {"window_frames": W, "horizons": [1, 2], "information_horizons": [1, 2], "ridges": [1e-6, 1e-3],
            "max_forecasts": 2000, "damage": 0.05, "max_frames": 20000, "bootstrap_resamples": 20}  # fmt: skip
PROCESS = settings_of("representations", "state_space", dim=4, state_dim=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Latents of the process, what is derived of them, and a frame index of each."""
    folder = tmp_path_factory.mktemp("learned")
    speakers = [f"{'tttve'[i % 5]}{i}" for i in range(100)]
    manifest = pd.DataFrame({"utterance_id": [f"u{s}" for s in speakers], "speaker_id": speakers, "n_frames": 150})
    split = {"t": "train", "v": "validation", "e": "eval"}
    splits = pd.DataFrame({"speaker_id": speakers, "split": [split[s[0]] for s in speakers]})
    write_process(PROCESS, manifest, folder / "x.json", 12.5, ("t",))
    for name, source, settings in (
        ("pca", "x", {"kind": "pca", "dim": 4, "whiten": True}),
        ("gru", "x", {"kind": "random_gru", "dim": 6, "seed": 0}),
        ("slow", "x", {"kind": "pooled", "frame_rate_hz": 6.25}),
    ):
        store = open_latents(folder / f"{source}.json")
        derive_store(store, {"source": source, "dtype": "float32", **settings}, splits, folder / f"{name}.json")
    for name in ("x", "pca", "gru"):
        store = open_latents(folder / f"{name}.json")
        write_frames(
            folder / f"{name}_frames.parquet", folder / f"{name}_frames.json", index_frames(store, splits), store
        )
    return folder


def subject(folder, name, reference="x"):
    chain = [folder / "x.json", *([] if name == "x" else [folder / f"{name}.json"])]
    other = [folder / "x.json", *([] if reference == "x" else [folder / f"{reference}.json"])]
    return Subject(
        folder / f"{name}.json", folder / f"{name}_frames.json", {}, torch.device("cpu"),
        chains={"own": chain, "reference": other},
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(folder):
    def values(name):
        records = measure(subject(folder, name), SETTINGS).records
        return {(r.metric, r.mode, r.horizon): r.value for r in records}

    return {name: values(name) for name in ("x", "pca", "gru")}


def test_frames_of_the_process_have_its_exact_values(found):
    process, mine = build_process(PROCESS), found["x"]
    total = float(np.trace(process.frame_covariance))
    for k in (1, 2):
        given_one, given_window = process.given_window(k, 1), process.given_window(k, W)
        skill = 1 - float(np.trace(given_window)) / total
        assert mine["decoded_skill", "exact", k] == pytest.approx(skill, abs=0.02)
        assert mine["decoded_nll", "exact", k] == pytest.approx(process.nll(given_window), abs=0.08)
        for mode, covariance in (("frame", given_one), ("window", given_window)):
            exact = process.information(covariance)
            assert mine["state_information", mode, k] == pytest.approx(exact, rel=0.05)
        # two numbers a frame are all that a window can tell of a state of two dimensions
        assert mine["state_information", "cca", k] == pytest.approx(process.information(given_window), rel=0.05)


def test_all_principal_components_are_the_reference_and_a_random_network_is_less(found):
    x, pca, gru = (found[name] for name in ("x", "pca", "gru"))
    for k in (1, 2):
        assert pca["decoded_skill", "exact", k] == pytest.approx(x["decoded_skill", "exact", k], abs=1e-4)
        assert pca["state_information", "frame", k] == pytest.approx(x["state_information", "frame", k], abs=1e-3)
        assert gru["decoded_skill", "line", k] < x["decoded_skill", "exact", k]
    assert pca["reconstruction", "exact", None] == pytest.approx(1, abs=1e-6)
    assert gru["dim", None, None] == 6 and 0 < gru["reconstruction", "line", None] < 1


def test_what_cannot_be_compared_is_refused(folder):
    with pytest.raises(UserError, match=r"--chains"):
        measure(Subject(folder / "x.json", folder / "x_frames.json", {}, torch.device("cpu")), SETTINGS)
    with pytest.raises(UserError, match=r"12\.5 and 6\.25 frames a second"):
        measure(subject(folder, "x", "slow"), SETTINGS)


def test_a_network_of_the_window_tells_what_is_exact_and_is_asked_of_the_reference_alone(folder):
    own = SETTINGS | StateInformation(steps=300).model_dump(mode="json")
    process = build_process(PROCESS)
    for name, modes in (("x", {"frame", "window"}), ("pca", {"frame"})):
        found = {(r.metric, r.mode, r.horizon): r.value for r in measure_by_network(subject(folder, name), own).records}
        assert {mode for _, mode, _ in found} == modes
        for k in (1, 2):
            exact = process.information(process.given_window(k, 1))
            assert found["state_information_mdn_whole", "frame", k] == pytest.approx(exact, rel=0.05)
            if "window" in modes:
                exact = process.information(process.given_window(k, W))
                assert found["state_information_mdn_whole", "window", k] == pytest.approx(exact, rel=0.05)
