"""A corpus of 60,000 hours, planned: its table of utterances alone, no audio and no latents.

Run by hand: `python benchmarks/plan_scale.py`. A made-up manifest (18 million utterances of 12 s by 7,000 speakers)
goes through the steps that read it whole: the splits, and a part of it for one job. Then the frames of its 2.7 billion
are planned from utterances, as a training and an evaluation draw them: which rows of the store a batch and an
evaluation read, and which shards the store has. Each in a process of its own, start-up included; memory is its own.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from latentdyn.files import write_json
from latentdyn.parquet import read_parquet, write_parquet_blocks
from measure import machine, own_memory, parse, table

SECONDS, FRAME_RATE_HZ, SAMPLE_RATE_HZ = 12, 12.5, 16_000
AT_ONCE = 2**20  # utterances of the manifest
WINDOW_FRAMES, HORIZONS, BATCH = 8, [1, 8], 1024
EVALUATED, SHARED = 200_000, 10_000_000  # frames
TRAINING, SHARE, EVALUATION = "training", "training with max_frames", "evaluation"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=60_000, help="of the corpus (default 60000)")
    parser.add_argument("--speakers", type=int, default=7_000, help="default 7000")
    parser.add_argument("--parts", type=int, default=64, help="of the corpus, of which one is made (default 64)")
    parser.add_argument("--folder", help="where the manifest is written (default: among temporary files)")
    parser.add_argument("--frames-of", nargs=2, help=argparse.SUPPRESS)  # what is planned, and the folder
    arguments = parse(parser, quick={"hours": 20, "speakers": 40, "parts": 2})
    if arguments.frames_of:
        plan_frames(arguments.frames_of[0], Path(arguments.frames_of[1]))
        return
    n = round(arguments.hours * 3600 / SECONDS)
    print(
        f"{machine()}\n\n{n:,} utterances, {arguments.speakers} speakers, {n * SECONDS * FRAME_RATE_HZ:,.0f} frames\n"
    )
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        digest = write_parquet_blocks(folder / "manifest.parquet", manifest(n, arguments.speakers))
        write_json(folder / "manifest.json", {"digest": digest})
        of = ["--manifest", folder / "manifest.parquet"]
        shares = json.dumps({"salt": "benchmark", "validation": 0.1, "eval": 0.2})
        commands = {
            "split_speakers": [
                "-m", "latentdyn.steps.split_speakers", *of, "--splits", shares, "--out", folder / "splits.parquet",
            ],
            f"partition_manifest, one of {arguments.parts} parts": [
                "-m", "latentdyn.steps.partition_manifest", *of, "--part", 0, "--n-parts", arguments.parts,
                "--out", folder / "part.parquet",
            ],
            **{what: [__file__, "--frames-of", what, folder] for what in (TRAINING, SHARE, EVALUATION)},
        }  # fmt: skip
        rows: list[list[str]] = []
        planned: dict[tuple[str, str], int] = {}
        for what, command in commands.items():
            seconds, own_mb = own_memory(command)
            rows.append([what, f"{seconds:.0f}", f"{own_mb:.0f}"])
            if what in (TRAINING, SHARE, EVALUATION):
                planned |= {(what, name): n for name, n in json.loads((folder / "planned.json").read_text()).items()}
        print(table(["planned", "seconds", "peak of its own memory, MB"], rows) + "\n")
        print(table(["of", "planned", ""], [[*what, f"{n:,}"] for what, n in planned.items()]))


def manifest(n: int, speakers: int) -> Iterator[pd.DataFrame]:
    """What `build_manifest` would write of utterances from a fifth to nearly twice as long as their mean, in blocks."""
    rng = np.random.default_rng(0)
    for first in range(0, n, AT_ONCE):
        number = np.arange(first, min(first + AT_ONCE, n))
        speaker = (number * speakers // n).tolist()
        n_samples = (SECONDS * SAMPLE_RATE_HZ * rng.uniform(0.2, 1.8, len(number))).astype(np.int64)
        digests = rng.bytes(32 * len(number)).hex()
        yield pd.DataFrame(
            {
                "utterance_id": [f"{s}-{i:08}" for s, i in zip(speaker, number, strict=True)],
                "speaker_id": [f"{s}" for s in speaker],
                "sex": ["FM"[s % 2] for s in speaker],
                "path": [f"{s}/{s}-{i:08}.flac" for s, i in zip(speaker, number, strict=True)],
                "sha256": [digests[i : i + 64] for i in range(0, len(digests), 64)],
                "duration_s": n_samples / SAMPLE_RATE_HZ,
                "sample_rate_hz": SAMPLE_RATE_HZ,
                "n_samples": n_samples,
                "split": pd.array([None] * len(number), "string"),
            }
        )


def plan_frames(what: str, folder: Path) -> None:
    """Draw as a training or an evaluation does, from the table of utterances that a store of this corpus would have."""
    import pyarrow as pa
    import torch  # the steps that are planned here load it, too

    from latentdyn.seeds import numpy_generator
    from latentdyn.stores.frame_index import FrameIndex
    from latentdyn.stores.latents import SHARD_FRAMES
    from latentdyn.stores.windows import Windows, common_runs

    split_of = read_parquet(folder / "splits.parquet", ["speaker_id", "split"], made_by="split_speakers")
    utterances = read_parquet(
        folder / "manifest.parquet", ["utterance_id", "speaker_id", "n_samples"], made_by="build_manifest",
        categories=["speaker_id"],
    )  # fmt: skip
    pa.default_memory_pool().release_unused()  # what reading parquet keeps: a store's table is none
    n_frames = (utterances.pop("n_samples") * FRAME_RATE_HZ / SAMPLE_RATE_HZ).astype(np.int32)
    utterances["start"] = np.cumsum(n_frames.to_numpy(), dtype=np.int64) - n_frames
    utterances["n_frames"] = n_frames
    del n_frames
    last = utterances.iloc[-1]
    total = int(last["start"] + last["n_frames"])
    loud = np.ones(total // 8 + 1, np.uint8) if what == EVALUATION else np.zeros(0, np.uint8)
    splits = dict(zip(split_of["speaker_id"], split_of["split"], strict=True))
    index = FrameIndex.whole(utterances, splits, np.zeros(0, np.int64), loud)
    usable = common_runs(index, WINDOW_FRAMES, HORIZONS)
    planned = {"frames": total, "shards": -(-total // SHARD_FRAMES)}
    if what == EVALUATION:
        rows = [usable.of_splits(split).draw(EVALUATED, ("plan", split))["row"] for split in usable.splits]
        of = f"shards read for {EVALUATED:,} frames of each split"
        planned[of] = len(np.unique(pd.concat(rows) // SHARD_FRAMES))
    else:
        train = usable.of_splits("train")
        del usable
        if what == SHARE:
            train = train.share_of_speakers(SHARED, ("plan",))
            planned["frames trained on"] = len(train)
            planned["shards that hold them"] = len(np.unique(train.runs()[0] // SHARD_FRAMES))
        windows = Windows.of(torch.zeros(1, 1), train, WINDOW_FRAMES)
        drawn = torch.from_numpy(numpy_generator("plan").integers(0, len(windows), BATCH))
        planned["training frames"] = len(windows)
        planned[f"shards read by a batch of {BATCH}"] = len(torch.unique(windows.rows[drawn] // SHARD_FRAMES))
    (folder / "planned.json").write_text(json.dumps(planned))


if __name__ == "__main__":
    main()
