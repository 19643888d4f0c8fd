"""Speech-like recordings under a codec that loses nothing, derived stores, and the experiments' settings."""

import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from latentdyn.codecs.base import open_codec
from latentdyn.codecs.encoding import encode_stream
from latentdyn.codecs.tiling import Tile, TiledCodec
from latentdyn.corpus.audio import read_audio
from latentdyn.files import file_sha256
from latentdyn.measurements.subject import Subject
from latentdyn.parquet import write_parquet
from latentdyn.representations.derive import derive_store
from latentdyn.stores.frames import index_frames, write_frames
from latentdyn.stores.latents import open_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts

RATE_HZ = 16_000


class Flat(torch.nn.Module):
    """Frames (B, D, T) one after another, times a gain."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return self.gain * latents.transpose(1, 2).flatten(1)


class Samples(TiledCodec):
    """The samples of each hop as a frame, at a rate of 8 kHz."""

    tile_frames = 256

    def __init__(self, hop_samples: int, device: str = "cpu") -> None:
        self.sample_rate_hz, self.hop_samples, self.dim = 8000, hop_samples, hop_samples
        self.decoder = Flat()

    def _start(self, batch: int) -> None:
        return None

    def _advance(self, audio: np.ndarray, state: None) -> np.ndarray:
        return audio.reshape(len(audio), -1, self.dim)

    def _start_decoding(self) -> None:
        return None

    def _decode_tile(self, tile: Tile, state: None) -> np.ndarray:
        frames = torch.from_numpy(tile.latents[tile.start - tile.first : tile.stop - tile.first])
        return self.decoder(frames.T[None])[0].numpy()

    def decoder_module(self) -> torch.nn.Module:
        return self.decoder


CODEC = {"kind": "samples", "dtype": "float32", "hop_samples": 80}  # 100 Hz


@pytest.fixture(autouse=True)
def samples(monkeypatch):
    module = types.ModuleType("latentdyn.codecs.samples")
    module.CODEC = Samples
    monkeypatch.setitem(sys.modules, module.__name__, module)


def speech_like(seconds: float, seed: int = 0) -> np.ndarray:
    """Harmonics of a voice whose level goes up and down as syllables do, and a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch = rng.uniform(100, 200)
    voice = sum(np.sin(2 * np.pi * pitch * h * t + rng.uniform(0, 6)) / h for h in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 3 * t + rng.uniform(0, 6)), 0, None)
    return (0.1 * voice * syllables + 0.001 * rng.standard_normal(len(t))).astype(np.float32)


Corpus = Callable[..., dict[str, Any]]


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    """Recordings, their manifest, the codec's store and what is derived from it; speakers e... are eval, else train.

    Gives what a subject's `decoding` holds, `frames` and `latents` (handles of the last store of the chain).
    """

    def make(
        *derived: Mapping[str, Any], codec: Mapping[str, Any] = CODEC, audio: Mapping[str, np.ndarray] | None = None,
        quantizer: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        recordings = audio or {f"{who}{i}": speech_like(2.0, seed=i) for i, who in enumerate("tteee")}
        rows = []
        for name, samples in recordings.items():
            path = tmp_path / "audio" / f"{name}-a.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
            rows.append((f"{name}-a", name, path.name, file_sha256(path), len(samples), RATE_HZ))
        columns = ["utterance_id", "speaker_id", "path", "sha256", "n_samples", "sample_rate_hz"]
        write_parquet(tmp_path / "manifest.parquet", pd.DataFrame(rows, columns=columns))
        opened = open_codec(codec)
        chain = [tmp_path / "root.json"]
        facts = {"causal": True, "weights_sha256": opened.weights_sha256, **root_facts(codec)}
        writer = LatentsWriter(chain[0], opened.dim, opened.frame_rate_hz, fitted=quantizer, **facts)
        for name, speaker, path, *_ in rows:
            blocks = iter([read_audio(tmp_path / "audio" / path, opened.sample_rate_hz)])
            latents, levels = (np.concatenate(part) for part in zip(*encode_stream(opened, blocks), strict=True))
            writer.append(name, speaker, latents, levels)
        writer.close()
        speakers = sorted(recordings)
        split = ["eval" if speaker.startswith("e") else "train" for speaker in speakers]
        splits = pd.DataFrame({"speaker_id": speakers, "split": split})
        for i, settings in enumerate(derived):
            chain.append(tmp_path / f"derived{i}.json")
            whole = {"dtype": "float32", "source": "s", **settings}
            derive_store(open_latents(chain[-2]), whole, splits, chain[-1])
        store = open_latents(chain[-1])
        frames = tmp_path / "frames.json"
        write_frames(frames.with_suffix(".parquet"), frames, index_frames(store, splits), store)
        decoding = {"codec": dict(codec), "chain": [str(h) for h in chain],
                    "manifest": str(tmp_path / "manifest.parquet"), "audio": str(tmp_path / "audio")}  # fmt: skip
        return {"decoding": decoding, "latents": chain[-1], "frames": frames}

    return make


@pytest.fixture
def subject(corpus, tmp_path):
    """The subject of a corpus, made by `corpus`."""

    def make(*derived: Mapping[str, Any], workers: int = 1, models: Mapping[str, Any] | None = None, **how: Any):
        made = corpus(*derived, **how)
        cpu = torch.device("cpu")
        folder = Path(tmp_path / "heard")
        return Subject(made["latents"], made["frames"], models or {}, cpu, made["decoding"], workers, folder)

    return make
