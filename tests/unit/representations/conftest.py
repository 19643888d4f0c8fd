"""Derived stores of small sources; a speaker's first letter is the split: e... eval, v... validation, else train."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from latentdyn.config.kinds import kinds_of
from latentdyn.config.representations.learned import LearnedRepresentation
from latentdyn.models.checkpoint import save_checkpoint
from latentdyn.models.fit import fit_model
from latentdyn.representations.derive import derive_store
from latentdyn.stores.frames import index_frames
from latentdyn.stores.latents import LatentsStore, open_latents
from tests.settings import kind_of

Derive = Callable[..., LatentsStore]


@pytest.fixture
def derive(tmp_path: Path) -> Derive:
    return deriver(tmp_path)


def deriver(folder: Path) -> Derive:
    """Derive a store from another one, as the steps do; `split_of` overrides the splits that names give."""

    def make(
        source: LatentsStore,
        settings: Mapping[str, Any],
        name: str = "derived",
        split_of: Mapping[str, str] | None = None,
    ) -> LatentsStore:
        speakers = sorted(set(source.utterances.speaker_id))
        by_name = {s: {"e": "eval", "v": "validation"}.get(s[0], "train") for s in speakers}
        splits = by_name if split_of is None else split_of
        table = pd.DataFrame({"speaker_id": list(splits), "split": list(splits.values())})
        whole, handle = {"source": "x", "dtype": "float32", **settings}, folder / f"{name}.json"
        derive_store(source, whole, table, handle, trained(source, whole, table, folder / f"{name}_model.json"))
        return open_latents(handle)

    return make


def trained(source: LatentsStore, settings: Mapping[str, Any], splits: pd.DataFrame, handle: Path) -> Path | None:
    """The model of a learned kind, as rule train_... makes it; None for another kind."""
    section = {kind_of(kind): kind for kind in kinds_of(LearnedRepresentation)}.get(settings["kind"])
    if section is None:
        return None
    own = section.model_validate(settings)
    fitted = fit_model(
        own.kind, own.model_settings(), source, index_frames(source, splits), seed=own.seed,
        state=handle.with_suffix(".state"), device=torch.device("cpu"),
    )  # fmt: skip
    data = {"latents": source.handle["digest"], "frames": "f"}
    save_checkpoint(
        handle, fitted.weights, kind=own.kind, settings=own.model_settings(), dim=source.dim, seed=own.seed, data=data
    )
    return handle
