"""Stage 1 of the paper (seed 003) as the workflow runs it, from latents to tables: how long the whole takes.

Run by hand, in the repository, where a GPU is: `python benchmarks/stage1.py`. Predictors, sizes and tables are those of
config/librispeech100.yaml (Exp 1, 1B, 3 and 4, with one training seed as in the published runs, or more). In place of
LibriSpeech's latents there are as many frames of AR(1), 4.5 million of 512 dimensions and of 128, so that nothing is
downloaded or encoded. They are made before the clock starts. Exp 3B decodes and is left out (5 s).

A run that was stopped continues: the time it says is then that of the rest. `--quick` tries it out anywhere.
"""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.signal import lfilter

from latentdyn.provenance.jobs import runs
from measure import machine, parse, table

PAPER = Path("config/librispeech100.yaml")
TABLES = ("exp1_vmf", "exp4_pca", "injection", "injection_readouts", "exp1b_rollout_finetune")
READOUTS = ("pca", "cca", "sfa", "leaky", "random_projection")
FRAMES_PER_UTTERANCE = 158


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/stage1"), help="default build/stage1")
    parser.add_argument("--utterances", type=int, default=114, help="of each of 251 speakers (default 114)")
    parser.add_argument("--dim", type=int, default=512, help="dimensions of the first latents (default 512)")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, help="default all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of trainings (default 0)")
    parser.add_argument("--cores", default="all", help="default all")
    parser.add_argument("--at-once", type=int, default=3, metavar="N", help="jobs that share the GPU (default 3)")
    parser.add_argument("--arithmetic", default="high", choices=["highest", "high"], help="default high, which is TF32")
    quick = {"utterances": 1, "dim": 8, "tables": TABLES[-1:], "folder": Path("build/stage1_quick")}
    arguments = parse(parser, quick=quick)
    indices = {
        name: str(write_latents(arguments.folder.resolve() / name, arguments.utterances, dim))
        for name, dim in (("mimi", arguments.dim), ("encodec_12hz", arguments.dim // 4))
    }
    config = arguments.folder / "config.yaml"
    config.write_text(yaml.safe_dump(stage_1(arguments, indices), sort_keys=False))
    latents = [f"results/{corpus}/latents/frames.json" for corpus in indices]
    print(f"{card() or machine()}\n")
    print(f"latents: {snakemake(arguments, config, latents):.0f} s, before the clock starts", flush=True)
    total = snakemake(arguments, config, ["all"])
    print(f"Stage 1, {len(arguments.seeds)} training seed(s): {total:.0f} s\n")
    print(table(["rule", "jobs", "seconds of its jobs together", "longest"], by_rule(arguments.folder)))


def write_latents(folder: Path, utterances: int, dim: int) -> Path:
    """Latents of 251 speakers, and the index of them, which is returned. What is there is left as it is."""
    if (folder / "index.csv").exists():
        return folder / "index.csv"
    folder.mkdir(parents=True, exist_ok=True)
    n = 251 * utterances
    with ProcessPoolExecutor() as pool:
        list(pool.map(write_utterance, (folder / f"{i}.npy" for i in range(n)), repeat(dim), range(n), chunksize=64))
    rows = [(f"u{i:05}", f"s{i % 251:03}", f"{i}.npy") for i in range(n)]
    pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "path"]).to_csv(folder / "index.csv", index=False)
    return folder / "index.csv"


def write_utterance(file: Path, dim: int, seed: int) -> None:
    """Independent AR(1) in each dimension."""
    noise = np.random.default_rng(seed).standard_normal((FRAMES_PER_UTTERANCE, dim), np.float32)
    np.save(file, lfilter([1.0], [1.0, -0.9], noise, axis=0).astype(np.float32))


def stage_1(arguments: argparse.Namespace, indices: dict[str, str]) -> dict[str, object]:
    """The paper's config on these latents, and Stage 1's tables alone, of these seeds."""
    paper = yaml.safe_load(PAPER.read_text())
    made = {
        name: made_of | ({"source": "latents"} if made_of["source"] == "mimi" else {})
        for name, made_of in paper["representations"].items()
        if made_of["kind"] in READOUTS
    }
    tables = {name: paper["tables"][name] for name in arguments.tables}
    for asked in tables.values():
        derived = [name for name in asked["representations"] if name in made]
        codecs = [name for name in indices if name in asked["representations"]]
        asked |= {"seeds": arguments.seeds, "representations": [*(["latents"] if codecs else []), *derived]}
        asked["corpora"] = codecs or ["mimi"]
    wanted = used(paper, tables)
    if arguments.quick:
        for predictor in (paper["predictors"][name] for name in wanted if name != "linear_gaussian"):
            predictor["network"] = {**predictor["network"], "width": 8}
            training = predictor["training"] = {**predictor.get("training", {}), "steps": 2, "validate_every_steps": 2}
            if training.get("regime", {}).get("kind") == "scheduled_sampling":
                training["regime"] = {**training["regime"], "decay_steps": 2}
        paper["evaluation"] = {"max_frames": 500, "rollout_frames": 32, "bootstrap_resamples": 40}
    return {
        "schema_version": 1,
        "corpora": {
            name: {"kind": "latents", "index": index, "frame_rate_hz": 12.5} for name, index in indices.items()
        },
        "representations": {"latents": {"kind": "provided"}, **made},
        "predictors": {name: paper["predictors"][name] for name in sorted(wanted)},
        "evaluation": paper.get("evaluation", {}),
        "tables": tables,
        "compute": {"float32_matmul": arguments.arithmetic, "jobs_per_gpu": arguments.at_once},
    }


def used(paper: dict[str, Any], tables: dict[str, Any]) -> set[str]:
    """The predictors of these tables, and those that they start from."""
    names = {name for asked in tables.values() for name in asked["predictors"]}
    starts = {paper["predictors"][name].get("starts_from") for name in names}
    return names | (starts - {None})


def snakemake(arguments: argparse.Namespace, config: Path, targets: list[str]) -> float:
    """Seconds of one call, planning included."""
    command = [
        *(sys.executable, "-m", "snakemake", "--directory", str(arguments.folder), "--quiet", "rules"),
        *("--snakefile", "Snakefile", "--configfile", str(config.resolve()), "--cores", arguments.cores),
        *("--resources", f"gpu={arguments.at_once}", "--rerun-incomplete", "--", *targets),
    ]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def by_rule(folder: Path) -> list[list[str]]:
    """What the manifest says of each rule's jobs."""
    jobs = pd.DataFrame(runs(folder / "results/.state/jobs", folder / "results/manifest.jsonl"))
    done = jobs[jobs["status"] == "done"].groupby("rule")["seconds"].agg(["size", "sum", "max"])
    ordered = done.sort_values("sum", ascending=False)
    return [[rule, str(n), f"{total:.0f}", f"{longest:.0f}"] for rule, n, total, longest in ordered.itertuples()]


def card() -> str | None:
    import torch

    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}" if torch.cuda.is_available() else None


if __name__ == "__main__":
    main()
