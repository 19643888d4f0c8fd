"""Derived stores of small sources; a speaker's first letter is the split: e... eval, v... validation, else train."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from latentdyn.representations.derive import derive_store
from latentdyn.stores.latents import LatentsStore, open_latents

Derive = Callable[..., LatentsStore]


@pytest.fixture
def derive(tmp_path: Path) -> Derive:
    """Derive a store from another one, as the step does; `split_of` overrides the splits that names give."""

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
        derive_store(source, {"source": "x", "dtype": "float32", **settings}, table, tmp_path / f"{name}.json")
        return open_latents(tmp_path / f"{name}.json")

    return make
