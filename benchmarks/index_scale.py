"""LibriSpeech-100's scale without its audio: from the manifest to the frame index, and planning the workflow.

Run by hand, in the repository: `python benchmarks/index_scale.py`. A made-up manifest of 28,539 utterances by 251
speakers and 4.5M frames goes through the steps of the pipeline, each in its own process as in a job, start-up
included. The store is of few dimensions (--dim), since the index reads levels and the table of utterances, not latents.

Then `snakemake -n` of a configuration (--configfile), and, with --finished, a run of the demo when
there is nothing left to do; this one is refused where there is.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from latentdyn.files import write_json
from latentdyn.parquet import write_parquet
from latentdyn.stores.latents_writer import LatentsWriter
from measure import machine, noise_blocks, parse, seconds, step_alone, table, utterance_lengths

DEMO = ("--configfile", "config/demo.yaml")
FRAME_RATE_HZ, SAMPLE_RATE_HZ = 12.5, 16_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=28_539, help="default 28539")
    parser.add_argument("--frames", type=int, default=4_500_000, help="default 4500000")
    parser.add_argument("--speakers", type=int, default=251, help="default 251")
    parser.add_argument("--dim", type=int, default=4, help="dimensions of the store (default 4)")
    parser.add_argument("--parts", type=int, default=8, help="parts of the corpus, of which one is made (default 8)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; medians are shown (default 3)")
    parser.add_argument("--configfile", default="config/librispeech100.yaml", help="what snakemake -n plans")
    parser.add_argument("--finished", action="store_true", help="time a run with nothing to do, too")
    arguments = parse(parser, quick={"utterances": 40, "frames": 2000, "speakers": 10, "repeats": 1})
    print(f"{machine()}\n")
    print(f"{arguments.utterances} utterances, {arguments.speakers} speakers, {arguments.frames} frames\n")
    with tempfile.TemporaryDirectory() as folder:
        steps = prepare(Path(folder), arguments)
        rows, total = [], 0.0
        for name, options in steps.items():
            runs = [step_alone(f"latentdyn.steps.{name}", *options) for _ in range(arguments.repeats)]
            run_s, peak_mb = np.median(runs, axis=0)
            total += run_s
            rows.append([name, f"{run_s:.1f}", f"{peak_mb:.0f}"])
        print(table(["step", "seconds", "peak memory, MB"], [*rows, ["together", f"{total:.1f}", ""]]) + "\n")
    rows = []
    if Path(arguments.configfile).exists():
        plan = ["-n", "--quiet", "all", "--configfile", arguments.configfile]
        rows.append([f"plan {arguments.configfile}", time_snakemake(plan, arguments.repeats)])
    if arguments.finished:
        if "Nothing to be done" not in snakemake(["-n", *DEMO]):
            sys.exit("there is work left: run the workflow first, then this")
        rows.append(["run with nothing to do", time_snakemake(["--cores", "1", *DEMO], arguments.repeats)])
    if rows:
        print(table(["snakemake", "seconds"], rows))


def prepare(folder: Path, arguments: argparse.Namespace) -> dict[str, list[object]]:
    """Make a manifest and a store of its frames; the steps, by name, with their options."""
    lengths = utterance_lengths(arguments.utterances, arguments.frames)
    speaker = np.arange(arguments.utterances) % arguments.speakers
    manifest = pd.DataFrame(
        {
            "utterance_id": [f"{s}-{i:06}" for i, s in enumerate(speaker)],
            "speaker_id": speaker.astype(str),
            "sex": np.where(speaker % 2, "F", "M"),
            "path": [f"{s}/{i:06}.flac" for i, s in enumerate(speaker)],
            "sha256": [f"{i:064x}" for i in range(arguments.utterances)],
            "duration_s": lengths / FRAME_RATE_HZ,
            "sample_rate_hz": SAMPLE_RATE_HZ,
            "n_samples": (lengths * SAMPLE_RATE_HZ / FRAME_RATE_HZ).astype(np.int64),
            "split": None,
        }
    )
    digest = write_parquet(folder / "manifest.parquet", manifest)
    write_json(folder / "manifest.json", {"digest": digest})
    writer = LatentsWriter(folder / "latents.json", arguments.dim, FRAME_RATE_HZ)
    rng = np.random.default_rng(0)
    for row, latents in zip(manifest.itertuples(), noise_blocks(lengths, arguments.dim), strict=True):
        writer.append(row.utterance_id, row.speaker_id, latents, rng.normal(-30, 10, len(latents)).astype(np.float32))
    writer.close()
    shares = json.dumps({"salt": "benchmark", "validation": 0.1, "eval": 0.2})
    splits = folder / "splits.parquet"
    return {
        "split_speakers": ["--manifest", folder / "manifest.parquet", "--splits", shares, "--out", splits],
        "partition_manifest": [
            *("--manifest", folder / "manifest.parquet", "--part", 0, "--n-parts", arguments.parts),
            *("--out", folder / "part.parquet"),
        ],
        "index_frames": [
            *("--latents", folder / "latents.json", "--splits", splits, "--max-nonfinite-share", "0.05"),
            *("--frames", folder / "frames.parquet", "--handle", folder / "frames.json"),
        ],
    }


def time_snakemake(options: list[str], repeats: int) -> str:
    return f"{np.median([seconds(lambda: snakemake(options)) for _ in range(repeats)]):.1f}"


def snakemake(options: list[str]) -> str:
    command = [sys.executable, "-m", "snakemake", *options]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


if __name__ == "__main__":
    main()
