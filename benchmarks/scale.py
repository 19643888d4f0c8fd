"""How time and memory grow with the number of frames, up to a store that is larger than the memory.

Run by hand: `python benchmarks/scale.py`. A store of noise goes through the steps of the pipeline, each in a process of
its own as in a job, start-up included: its frame index, a closed-form line, the first steps of a small MDN, and the
evaluation of the line. Memory is that of a process's own pages: those of the mapped latents are the files', and the
system takes them back where memory is short. To see that it does, run this in a control group with a limit.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from latentdyn.files import read_json
from latentdyn.parquet import write_parquet
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts
from measure import machine, noise_blocks, own_memory, parse, table

UTTERANCE_FRAMES = 1000
SPLITS = ["train"] * 7 + ["validation"] + ["eval"] * 2  # of ten speakers
OF_BOTH = {"window_frames": 8, "horizons": [1, 8]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[1_000_000, 5_000_000, 20_000_000], help="of a store")
    parser.add_argument("--dim", type=int, default=64, help="dimensions (default 64)")
    parser.add_argument("--steps", type=int, default=600, help="training steps of each horizon (default 600)")
    parser.add_argument("--folder", help="where the stores are written (default: among temporary files)")
    arguments = parse(parser, quick={"frames": [40_000], "dim": 4, "steps": 2})
    print(f"{machine()}; {arguments.dim} dimensions\n")
    rows = []
    for n in arguments.frames:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            start = time.perf_counter()
            write_store(Path(folder), n, arguments.dim)
            rows.append([f"{n:,}", "the store is written", f"{time.perf_counter() - start:.1f}", ""])
            for name, command in steps(Path(folder), arguments.steps):
                seconds, own_mb = own_memory(["-m", f"latentdyn.steps.{command[0]}", *command[1:]])
                rows.append([f"{n:,}", name, f"{seconds:.1f}", f"{own_mb:.0f}"])
    print(table(["frames", "step", "seconds", "peak of its own memory, MB"], rows))


def write_store(folder: Path, n_frames: int, dim: int) -> None:
    speakers = [f"s{s}" for s in range(len(SPLITS))]
    writer = LatentsWriter(folder / "latents.json", dim, 12.5, causal=True, **root_facts({"kind": "noise"}))
    lengths = np.full(n_frames // UTTERANCE_FRAMES, UTTERANCE_FRAMES)
    for i, block in enumerate(noise_blocks(lengths, dim)):
        writer.append(f"u{i}", speakers[i % len(speakers)], block)
    writer.close()
    write_parquet(folder / "splits.parquet", pd.DataFrame({"speaker_id": speakers, "split": SPLITS}))


def steps(folder: Path, training_steps: int) -> Iterator[tuple[str, list[object]]]:
    """Each step, by what it makes, with its command; one after the other, since the last one reads the line."""
    data = ["--latents", folder / "latents.json", "--frames", folder / "frames.json"]
    yield "index_frames", [
        "index_frames", *data[:2], "--splits", folder / "splits.parquet", "--max-nonfinite-share", 0,
        "--frames", folder / "frames.parquet", "--handle", folder / "frames.json",
    ]  # fmt: skip
    training = {"steps": training_steps, "validate_every_steps": training_steps}
    network = {"network": {"kind": "mlp", "width": 256, "layers": 2}, "n_components": 4, "training": training}
    for kind, more in (("linear_gaussian", {}), ("mdn", network)):
        (folder / kind).mkdir()
        yield f"train_model: {kind}", [
            "train_model", "--kind", "predictor", "--settings", json.dumps({"kind": kind, **OF_BOTH, **more}), *data,
            "--seed", 0, "--code", "-", "--state", folder / kind / "state", "--curve", folder / kind / "curve.parquet",
            "--handle", folder / kind / "predictor.json",
        ]  # fmt: skip
    handle = folder / "linear_gaussian/predictor.json"
    line = {"handle": str(handle), "settings": read_json(handle, made_by="the step before")["settings"]}
    identity = {"measurement": "lagged", "corpus": "c", "representation": "r", "by": "line", "regime": "", "seed": 0}
    yield "measure: lagged", [
        "measure", "--identity", json.dumps(identity), *data, "--models", json.dumps({"predictor": line}),
        "--settings", "{}", "--metrics", folder / "metrics.json", "--sums", folder / "speakers.parquet",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
