"""Shared by all tests: hypothesis's profile, where the real data lies, and small stores of known processes."""

import os

# several processes test at a time: threads of one would wait for those of another. Libraries read it when they load.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.frames import index_frames
from latentdyn.stores.latents import LatentsStore, open_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts
from tests.workflow.warm import end_warm_python

# No deadline and no verdict on slowness, since other work may keep the machine busy; the same examples in every run.
settings.register_profile("latentdyn", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("latentdyn")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: two processes end together when nothing long is left for the end."""
    items.sort(key=lambda item: [mark not in item.keywords for mark in ("real_data", "workflow")])


def pytest_sessionfinish() -> None:
    end_warm_python()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with LibriSpeech/ and lyra-v1.2.0/; tests that need it skip where it is absent."""
    folder = os.environ.get("LATENTDYN_TEST_DATA")
    if not folder:
        pytest.skip("LATENTDYN_TEST_DATA does not name a folder with LibriSpeech/ and lyra-v1.2.0/")
    return Path(folder)


StoreMaker = Callable[..., tuple[LatentsStore, FrameIndex]]


@pytest.fixture
def make_store(tmp_path: Path) -> StoreMaker:
    return store_maker(tmp_path)


def store_maker(folder: Path) -> StoreMaker:
    """Write utterances {(utterance_id, speaker_id): (T, D)} to a store; speakers e... are eval, v... validation."""

    def make(utterances: dict[tuple[str, str], np.ndarray], name: str = "latents", **facts: object):
        dim = next(iter(utterances.values())).shape[1]
        facts = {"causal": True, **root_facts({"kind": "test"}), **facts}
        writer = LatentsWriter(folder / f"{name}.json", dim, 12.5, **facts)
        for (utterance_id, speaker_id), latents in utterances.items():
            writer.append(utterance_id, speaker_id, latents.astype(np.float32))
        writer.close()
        store = open_latents(folder / f"{name}.json")
        speakers = sorted(set(store.utterances.speaker_id))
        split = {"e": "eval", "v": "validation"}
        splits = pd.DataFrame({"speaker_id": speakers, "split": [split.get(s[0], "train") for s in speakers]})
        return store, index_frames(store, splits)

    return make


@pytest.fixture
def var_process() -> Callable[..., dict[tuple[str, str], np.ndarray]]:
    """Utterances of a stationary Gaussian VAR(1), x_t = A x_{t-1} + e_t with e ~ N(0, I), from its own seed."""

    def make(transition: np.ndarray, n_speakers: int, n_frames: int, seed: int = 0):
        rng = np.random.default_rng(seed)
        dim = len(transition)
        stationary = np.eye(dim)
        for _ in range(2000):
            stationary = transition @ stationary @ transition.T + np.eye(dim)
        names = ["t", "t", "t", "v", "e"]
        utterances = {}
        for i in range(n_speakers):
            x = np.empty((n_frames, dim))
            x[0] = np.linalg.cholesky(stationary) @ rng.normal(size=dim)
            for t in range(1, n_frames):
                x[t] = transition @ x[t - 1] + rng.normal(size=dim)
            utterances[f"u{i}", f"{names[i % 5]}{i}"] = x
        return utterances

    return make
