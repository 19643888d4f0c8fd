"""Latents of a hidden linear process, of sixty speakers, for what measures factorizers."""

from pathlib import Path

import pandas as pd

from latentdyn.processes.base import write_process
from latentdyn.stores.latents import LatentsStore, open_latents
from tests.settings import settings_of

HEALTH = {"ridges": [1e-6, 1e-3], "max_frames": 20_000, "bootstrap_resamples": 40}
SPEAKERS = [f"{'tttve'[i % 5]}{i}" for i in range(60)]
SPLITS = pd.DataFrame(
    {"speaker_id": SPEAKERS, "split": [{"t": "train", "v": "validation", "e": "eval"}[s[0]] for s in SPEAKERS]}
)


def write_source(folder: Path) -> LatentsStore:
    """The store of the process, 200 frames of each speaker."""
    manifest = pd.DataFrame({"utterance_id": [f"u{s}" for s in SPEAKERS], "speaker_id": SPEAKERS, "n_frames": 200})
    write_process(settings_of("representations", "state_space", dim=4), manifest, folder / "x.json", 12.5, ("t",))
    return open_latents(folder / "x.json")
