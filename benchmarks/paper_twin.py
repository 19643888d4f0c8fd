"""The paper's whole DAG, small: does every table of config/librispeech100.yaml come to be, and what does it cost?

Run by hand: `python benchmarks/paper_twin.py`. Half an hour of two cores. The config is taken as it is; only sizes
change: the demo's speech in place of LibriSpeech, codecs of the real architectures with few channels and random
weights, networks of width 16, a few updates, few utterances and prototypes. So it finds what stops a job, what a table
lacks, and what Snakemake itself costs with so many jobs. It says nothing of real weights, nor of time and memory at
full size. A run continues in the same --folder; without one, all is deleted at the end. With --quick it makes one
table, of 12 speakers.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from latentdyn.corpus.audio import read_audio
from latentdyn.corpus.synthesis import write_corpus
from measure import cpu_name, parse, table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.settings import codec_of  # noqa: E402
from tests.unit.codecs import examples  # noqa: E402 (small codecs of the real architectures)

WIDTH, UPDATES = 16, 24
MIMI = {**examples.SMALL_MIMI, "hidden_size": 96, "upsample_groups": 96, "codebook_size": 64, "num_quantizers": 32,
        "codebook_dim": 96, "vector_quantization_hidden_dimension": 96}  # fmt: skip
ENCODEC = {**examples.SMALL_ENCODEC, "hidden_size": 32}
DAC = {**examples.SMALL_DAC, "sampling_rate": 16000, "n_codebooks": 4}
SCHEDULES = {"scheduled_sampling": "decay_steps", "unrolled": "grow_steps"}  # that may not be longer than the training
MEASURED = {  # how much each measurement looks at
    "evaluation": {"max_frames": 2000, "rollout_frames": 256, "bootstrap_resamples": 50},
    "injection": {"utterances": 6, "segments": 2},
    "rate_quality": {"utterances": 4, "shaping": {"utterances": 8}},
    "decoder_tolerance": {"utterances": 4, "max_duration_s": 3},
    "exp3b_synthetic": {"utterances": 4},
    "perceptual_rollouts": {"utterances": 4},
    "robustness": {"utterances": 4},
    "archetypes": {"cluster_counts": [16, 32]},
    "free_listening": {"utterances": 4, "reference_utterances": 8, "duration_s": 2.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to run, and its log; default: one that is deleted")
    parser.add_argument("--speakers", type=int, default=40, help="of the demo's speech (default 40)")
    parser.add_argument("--sentences", type=int, default=6, help="of a speaker (default 6)")
    parser.add_argument("--cores", type=int, default=2, help="default 2")
    parser.add_argument("--tables", nargs="*", default=[], help="default: all")
    arguments = parse(parser, quick={"speakers": 12, "sentences": 3, "tables": ["outliers"]})
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        tables = write_twin(folder, arguments.speakers, arguments.sentences)
        wanted = arguments.tables or tables
        code, seconds, own = run(folder, [] if set(wanted) == set(tables) else wanted, arguments.cores)
        report(folder, wanted, seconds, own)
    sys.exit(code)


def write_twin(folder: Path, speakers: int, sentences: int) -> list[str]:
    """The codecs and the config; the names of its tables."""
    weights = folder / "weights"
    if not (folder / "twin.yaml").exists():
        examples.save_mimi(weights / "mimi", **MIMI)
        examples.save_encodec(weights / "encodec", **ENCODEC)
        examples.save_dac(weights / "dac", **DAC)
        write_corpus(folder / "speech", folder / "speech.json", n_speakers=4, sentences_per_speaker=2)
        for kind in ("mimi", "encodec"):
            draw_codebooks(weights / kind, kind, folder / "speech")
    config = yaml.safe_load((ROOT / "config/librispeech100.yaml").read_text())
    (corpus,) = config["corpora"]
    config["corpora"] = {
        corpus: {"kind": "demo", "n_speakers": speakers, "sentences_per_speaker": sentences, "manifest_parts": 2}
    }
    for section in config["representations"].values():
        shrink_representation(section, weights)
    for section in config["predictors"].values():
        shrink_predictor(section)
    config["corrections"]["score"] = {"network": {"width": WIDTH, "blocks": 1}, "training": {"steps": UPDATES}}
    config |= MEASURED
    (folder / "twin.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return list(config["tables"])


def draw_codebooks(folder: Path, kind: str, speech: Path) -> None:
    """Codes like the codec's own latents of speech, and like differences of these: others would be so far away that one
    of them is nearest to all frames."""
    from transformers import AutoModel

    codec = codec_of(kind, checkpoint=str(folder))
    audio = np.concatenate([read_audio(file, codec.sample_rate_hz) for file in sorted(speech.rglob("*.wav"))])
    latents = codec.encode(audio[None, : len(audio) // codec.hop_samples * codec.hop_samples])[0]
    model, rng = AutoModel.from_pretrained(folder), np.random.default_rng(0)
    for name, buffer in model.named_buffers():
        if name.endswith(("embed_sum", "embed", "embed_avg")):
            one, other = latents[rng.integers(len(latents), size=(2, len(buffer)))]
            buffer.copy_(torch.from_numpy(one if "layers.0." in name else one - other))
        elif name.endswith(("cluster_usage", "cluster_size", "initialized", "inited")):
            buffer.fill_(1)
    model.save_pretrained(folder)


def shrink_representation(section: dict[str, Any], weights: Path) -> None:
    if section["kind"] in ("mimi", "encodec", "dac"):
        del section["revision"]
        section |= {"checkpoint": str(weights / section["kind"]), "tile_s": 5.12}
    if "training" in section:
        section["training"] |= {"steps": UPDATES, "batch_size": 8, "validate_every_steps": UPDATES // 2}
    for part in ("network", "encoder"):
        if part in section:
            section[part]["width"] = WIDTH
    if section["kind"] == "factorizer":
        section["dim"] = 24


def shrink_predictor(section: dict[str, Any]) -> None:
    if "network" in section:
        section["network"]["width"] = WIDTH
    if section["kind"] in ("mdn", "vmf_lognormal") or "training" in section:
        training = section.setdefault("training", {})
        training |= {"steps": UPDATES, "batch_size": 64, "validate_every_steps": UPDATES // 4}
        if section.get("reads") == "past":
            training["sequence_frames"] = 32  # sentences of the demo are short
        if regime := training.get("regime"):
            regime |= {schedule: UPDATES // 4 for kind, schedule in SCHEDULES.items() if kind == regime["kind"]}
    if section.get("lookup", {}).get("kind") == "engram":
        section["lookup"] |= {"n_codes": 8, "rows": 64}


def run(folder: Path, tables: list[str], cores: int) -> tuple[int, float, float]:
    """Snakemake's status, its seconds, and its CPU seconds with those of shells. Copies of the server do not count."""
    corpus = next(iter(yaml.safe_load((folder / "twin.yaml").read_text())["corpora"]))
    asked = [f"results/{corpus}/tables/{name}.md" for name in tables]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--keep-going"]
    command += ["--cores", str(cores), "--max-threads", "1", "--configfile", "twin.yaml", "--", *asked]
    started = time.perf_counter()
    with (folder / "log").open("w") as log:
        code = subprocess.run(command, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=log).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return code, time.perf_counter() - started, used.ru_utime + used.ru_stime


def report(folder: Path, wanted: list[str], seconds: float, used: float) -> None:
    jobs = [json.loads(line) for line in (folder / "results/manifest.jsonl").read_text().splitlines()]
    of_rule: Counter[str] = Counter()
    for job in jobs:
        of_rule[job["rule"]] += job["seconds"]
    made = [name for name in wanted if list(folder.glob(f"results/*/tables/{name}.md"))]
    print(f"{cpu_name()}, {seconds:.0f} s, load {os.getloadavg()[0]:.1f}; {len(jobs)} jobs, of earlier runs too\n")
    lacking = ", ".join(sorted(set(wanted) - set(made))) or "none"
    print(f"{len(made)} of {len(wanted)} tables. Not made: {lacking}.\n")
    counts = Counter(job["rule"] for job in jobs)
    rows = [[rule, str(counts[rule]), f"{total:.1f}"] for rule, total in of_rule.most_common()]
    print(table(["rule", "jobs", "seconds"], [*rows, ["Snakemake and shells, CPU seconds", "", f"{used:.1f}"]]))


if __name__ == "__main__":
    main()
