"""Windows over small stores, and moments to scale by."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch

from latentdyn.stores.latents import LatentsStore
from latentdyn.stores.windows import Scaling, Windows, common_runs


@pytest.fixture
def windows_of() -> Callable[..., Windows]:
    """Windows over the frames of one split that all horizons share."""

    def of(store: LatentsStore, frames: pd.DataFrame, window: int, horizons: list[int], split: str) -> Windows:
        usable = common_runs(frames, window, horizons)
        return Windows.of(torch.from_numpy(store.load()), usable.of_splits(split), window)

    return of


@pytest.fixture
def scaling() -> Scaling:
    """Moments in four dimensions, none of them 0 or 1, with correlated deltas."""
    root = torch.randn(4, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    covariance = root @ root.T + 0.1 * torch.eye(4, dtype=torch.float64)
    frame_std = torch.tensor([0.5, 1.5, 2, 10], dtype=torch.float64)
    return Scaling(frame_std + 1, frame_std, frame_std - 3, covariance.diagonal().sqrt(), covariance)
