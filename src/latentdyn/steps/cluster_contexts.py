"""Measure whether clusters of contexts tell about the next step (Phase 0), by one key, on every split."""

import argparse
import json
from pathlib import Path

import torch

from latentdyn.diagnostics.clusters import ClusteringSettings, KeySettings, cluster_contexts
from latentdyn.diagnostics.records import Identity, write_metrics
from latentdyn.steps.cli import run_step
from latentdyn.stores.frames import open_frames
from latentdyn.stores.latents import open_latents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--latents", type=Path, required=True, help="handle of the latents")
    parser.add_argument("--frames", type=Path, required=True, help="handle of the frame index")
    parser.add_argument("--key", type=json.loads, required=True, help="its section of the config, as JSON")
    parser.add_argument("--clustering", type=json.loads, required=True, help="the section of the config, as JSON")
    parser.add_argument(
        "--evaluation", type=json.loads, required=True,
        help="max_frames, principal_dims and bootstrap_resamples of the section of the config, as JSON",
    )  # fmt: skip
    parser.add_argument("--identity", type=Identity.from_json, required=True, help="what the metrics are of, as JSON")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")


def step(arguments: argparse.Namespace) -> None:
    store = open_latents(arguments.latents)
    records = cluster_contexts(
        KeySettings(**arguments.key),
        torch.from_numpy(store.load()),
        open_frames(arguments.frames, store),
        ClusteringSettings(**arguments.clustering, **arguments.evaluation),
        seed_names=("evaluate",),  # of a large split, the same frames as the predictors
    )
    write_metrics(arguments.metrics, arguments.identity, records)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
