"""What the steps share that measure a fitted predictor: which one, on which latents, on which device."""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from latentdyn.devices import PRECISIONS, describe_device, gpu_required, pick_device
from latentdyn.models.predictor.loading import load_predictors
from latentdyn.predictors.base import Predictor
from latentdyn.provenance import write_run_record
from latentdyn.stores.frames import open_frames
from latentdyn.stores.latents import LatentsStore, open_latents


def add_measuring_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--latents", type=Path, required=True, help="handle of the latents")
    parser.add_argument("--frames", type=Path, required=True, help="handle of the frame index")
    parser.add_argument("--checkpoint", type=Path, required=True, help="handle of the fitted predictor")
    parser.add_argument("--predictor", type=json.loads, required=True, help="its section of the config, as JSON")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write last")
    parser.add_argument("--float32-matmul", default="highest", choices=PRECISIONS, help="arithmetic on a GPU")


def add_forecasting_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of forecasts beside a ceiling."""
    parser.add_argument(
        "--ceiling", type=Path, required=True, help="handle of the predictor whose horizons are the ceiling"
    )
    parser.add_argument("--injection", type=json.loads, required=True, help="the section of the config, as JSON")
    parser.add_argument("--resamples", type=int, required=True, help="of the speakers, for 95 %% intervals")
    parser.add_argument("--speakers", type=Path, required=True, help="parquet to write: sums over speakers' frames")


@dataclass(frozen=True)
class Measuring:
    """predictors: by k. latents: (n_rows, D), resident on `device`. frames: the frame index. started: seconds."""

    store: LatentsStore
    frames: pd.DataFrame
    predictors: dict[int, Predictor]
    latents: Tensor
    device: torch.device
    started: float

    @classmethod
    def begin(cls, arguments: argparse.Namespace) -> "Measuring":
        """Open what the arguments name.

        Raises:
            UserError: as the opening functions do; no GPU where one is required.
        """
        started = time.time()
        store = open_latents(arguments.latents)
        frames = open_frames(arguments.frames, store)
        device = pick_device(require_gpu=gpu_required(), float32_matmul=arguments.float32_matmul)
        predictors = load_predictors(arguments.checkpoint, arguments.predictor, store.dim, device)
        return cls(store, frames, predictors, torch.from_numpy(store.load()).to(device), device, started)

    def end(self, metrics: Path) -> None:
        """Write the run record beside the metrics."""
        write_run_record(metrics.with_suffix(".run.json"), started=self.started, device=describe_device(self.device))
