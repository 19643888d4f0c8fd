"""Randomly initialised codecs of the real architectures, saved once per session, and signals to encode."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from latentdyn.codecs.base import Codec
from latentdyn.seeds import numpy_generator

from .examples import (
    SMALL_CALM_VAE,
    SMALL_DAC,
    SMALL_ENCODEC,
    SMALL_MIMI,
    SMALL_VIBEVOICE,
    save_calm_vae,
    save_dac,
    save_encodec,
    save_mimi,
    save_vibevoice,
)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads on a core that is shared wait for each other far longer than these small models compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def mimi_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Mimi: the real architecture and hop, few channels."""
    return save_mimi(tmp_path_factory.mktemp("mimi"), **SMALL_MIMI)


@pytest.fixture(scope="session")
def encodec_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small EnCodec: the real architecture and hop, few channels."""
    return save_encodec(tmp_path_factory.mktemp("encodec"), **SMALL_ENCODEC)


@pytest.fixture(scope="session")
def calm_vae_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small VAE of Pocket TTS: the real architecture and hop, few channels."""
    return save_calm_vae(tmp_path_factory.mktemp("calm_vae"), **SMALL_CALM_VAE)


@pytest.fixture(scope="session")
def dac_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small DAC: the real architecture and hop, few channels."""
    return save_dac(tmp_path_factory.mktemp("dac"), **SMALL_DAC)


@pytest.fixture(scope="session")
def vibevoice_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small VibeVoice tokenizer: the real architecture and hop, few channels and layers."""
    return save_vibevoice(tmp_path_factory.mktemp("vibevoice"), **SMALL_VIBEVOICE)


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    def make(name: str, *shape: int) -> np.ndarray:
        return (0.1 * numpy_generator("noise", name).standard_normal(shape)).astype(np.float32)

    return make


@pytest.fixture
def deviation() -> Callable[[np.ndarray, np.ndarray], float]:
    """Largest difference, in units of the latents' standard deviation."""

    def measure(latents: np.ndarray, reference: np.ndarray) -> float:
        assert latents.shape == reference.shape and latents.dtype == np.float32
        assert reference.std(axis=-2).mean() > 0.1 * reference.std()  # it moves: not all is a constant offset
        return float(np.abs(latents - reference).max() / reference.std())

    return measure


@pytest.fixture
def blocks_of() -> Callable[..., list[np.ndarray]]:
    """Cut an utterance into uneven blocks, among them an empty one and some shorter than a hop."""

    def cut(audio: np.ndarray, *sizes: int) -> list[np.ndarray]:
        blocks, start = [np.empty(0, np.float32)], 0
        while start < len(audio):
            for size in sizes:
                blocks.append(audio[start : start + size])
                start += size
        return blocks

    return cut


@pytest.fixture
def streamed() -> Callable[[Codec, list[np.ndarray]], np.ndarray]:
    return lambda codec, blocks: np.concatenate(list(codec.stream(blocks)))
