"""Make one measurement: what a diagnostic makes of a representation and, where it needs them, of fitted models."""

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from latentdyn.devices import PRECISIONS, describe_device, gpu_required, pick_device, take_card
from latentdyn.diagnostics.records import write_metrics, write_sums
from latentdyn.families import MEASUREMENTS
from latentdyn.measurements.subject import Model, Subject
from latentdyn.provenance import write_run_record
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import identity, json_object, measurement, number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--identity", type=identity, required=True,
        help="what is measured, as JSON: measurement (its kind), corpus, representation, by, regime, seed",
    )  # fmt: skip
    parser.add_argument("--latents", type=Path, required=True, help="handle of the latents")
    parser.add_argument("--frames", type=Path, required=True, help="handle of the frame index")
    parser.add_argument(
        "--models", type=json_object, default={},
        help="fitted models by their role, as JSON: the handle of each, the settings it must have been fitted with, "
        "and the handles of the latents and frames it must have been fitted to, if not those of --latents and --frames",
    )  # fmt: skip
    parser.add_argument("--settings", type=json_object, required=True, help="of this kind of measurement, as JSON")
    parser.add_argument(
        "--decoding", type=json_object, nargs="?",
        help="how latents become audio, as JSON, for kinds that decode: codec (its section of the config), chain "
        "(handles, from the codec's latents on), manifest (parquet), audio (folder of the recordings)",
    )  # fmt: skip
    parser.add_argument(
        "--chains", type=json_object, nargs="?",
        help="handles from the root on, as JSON, for kinds that compare: own (to these latents) and reference",
    )  # fmt: skip
    parser.add_argument(
        "--alignments", type=Path, nargs="?", help="parquet of when phones are spoken, for kinds that read it"
    )
    parser.add_argument(
        "--recordings", type=json_object, nargs="?",
        help="for kinds that hear them, as JSON: manifest (parquet), audio (folder of the recordings)",
    )  # fmt: skip
    parser.add_argument("--workers", type=number(int, 1), default=1, help="processes that a kind may start")
    parser.add_argument("--folder", type=Path, nargs="?", help="folder for further files of a kind that writes some")
    parser.add_argument("--device", default="any", choices=("any", "cpu"), help="cpu: a GPU is of no use to this kind")
    parser.add_argument("--float32-matmul", default="highest", choices=PRECISIONS, help="arithmetic on a GPU")
    parser.add_argument("--sums", type=Path, nargs="?", help="parquet of sums over each speaker's frames to write")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write last")


def step(arguments: argparse.Namespace) -> None:
    started = time.time()
    device = torch.device("cpu")
    if arguments.device == "any":
        take_card()
        device = pick_device(require_gpu=gpu_required(), float32_matmul=arguments.float32_matmul)
    models = {role: _model(**facts) for role, facts in arguments.models.items()}
    measure = MEASUREMENTS.load(arguments.identity.measurement)
    chains = arguments.chains and {end: [Path(handle) for handle in of] for end, of in arguments.chains.items()}
    recordings = arguments.recordings and {name: Path(path) for name, path in arguments.recordings.items()}
    further = (arguments.decoding, arguments.workers, arguments.folder, arguments.alignments, chains, recordings)
    subject = Subject(arguments.latents, arguments.frames, models, device, *further)
    measured = measure(subject, arguments.settings)
    sums = write_sums(arguments.sums, arguments.identity, measured.sums) if arguments.sums else None
    write_metrics(
        arguments.metrics,
        arguments.identity,
        [*measured.records, *subject.facts()],
        measured.worst_frames,
        data=subject.digests(),
        sums=sums,
    )
    if arguments.folder and arguments.folder.is_dir():
        files = sorted(file for file in arguments.folder.iterdir() if file.suffix != ".json")
        write_run_record(arguments.folder / "files.run.json", started=started, files=files)
    write_run_record(arguments.metrics.with_suffix(".run.json"), started=started, device=describe_device(device))


def _model(
    handle: str, settings: dict[str, Any], latents: str | None = None, frames: str | None = None, **_: Any
) -> Model:
    return Model(Path(handle), settings, *(Path(path) if path else None for path in (latents, frames)))


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step, check=measurement)
