"""What a small run costs, in CPU seconds, by kind of process: the example of docs/own_latents.md.

Run by hand, on Linux: `python benchmarks/fixed_costs.py`. 40 utterances of 500 frames of 16 dimensions, `mdn_small` and
`linear_gaussian` at four horizons: 15 jobs, in a temporary folder, by Snakemake with one core. In turns with the server
of which jobs are copies, and without it (LATENTDYN_FORK_SERVER=none): there each job loads its libraries. All processes
count, also those that Snakemake starts. They are looked at every 20 ms, and the system tells their sum. So what they
used after the last look at them has a row of its own.
"""

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import psutil
import yaml

from latentdyn.forkserver import SERVER_FILE, VARIABLE, client
from measure import cpu_name, parse, table

ROOT = Path(__file__).resolve().parents[1]
DIM, AR = 16, 0.5
LOOK_S = 0.02
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER: processes whose parent has ended become children of this one, so that they count
SNAKEMAKE, SERVER, CLIENT, UNSEEN = "Snakemake", "server", "clients and shells", "not seen"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=40, help="default 40")
    parser.add_argument("--frames", type=int, default=500, help="of an utterance (default 500)")
    parser.add_argument("--predictors", nargs="+", default=["mdn_small", "linear_gaussian"], help="as in the example")
    parser.add_argument("--rounds", type=int, default=1, help="default 1; medians of several")
    few = {"utterances": 12, "frames": 60, "predictors": ["linear_gaussian"]}
    arguments = parse(parser, quick=few)
    ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)
    ways = {"with the server": {}, "without": {VARIABLE: "none"}}
    found: dict[str, list[tuple[dict[str, float], float]]] = {way: [] for way in ways}
    for _ in range(arguments.rounds):
        for way, more in ways.items():
            with tempfile.TemporaryDirectory() as name:
                write_example(Path(name), arguments)
                found[way].append(run(Path(name), more))
    print(f"{cpu_name()}, one core, load {os.getloadavg()[0]:.1f}\n")
    kinds = sorted({kind for rounds in found.values() for of, _ in rounds for kind in of})
    rows = [[kind, *(f"{median(of.get(kind, 0.0) for of, _ in found[way]):.2f}" for way in ways)] for kind in kinds]
    rows.append(["all", *(f"{median(sum(of.values()) for of, _ in found[way]):.2f}" for way in ways)])
    rows.append(["from start to end", *(f"{median(wall for _, wall in found[way]):.2f}" for way in ways)])
    print(table(["CPU seconds", *ways], rows))


def median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))


def write_example(folder: Path, arguments: argparse.Namespace) -> None:
    """The files of docs/own_latents.md: AR(1) processes, their index and the config."""
    mine, rng = folder / "my", np.random.default_rng(0)
    mine.mkdir()
    lines = ["utterance_id,speaker_id,path"]
    for i in range(arguments.utterances):
        x = rng.normal(size=(arguments.frames, DIM)).astype(np.float32)
        x[0] /= np.sqrt(1 - AR**2)
        for t in range(1, len(x)):
            x[t] += AR * x[t - 1]
        np.save(mine / f"u{i:02}.npy", x)
        lines.append(f"u{i:02},s{i:02},u{i:02}.npy")
    (mine / "index.csv").write_text("\n".join(lines) + "\n")
    asked = {"kind": "lagged", "corpora": ["mine"], "representations": ["mine"], "predictors": arguments.predictors}
    corpus = {"kind": "latents", "index": "my/index.csv", "frame_rate_hz": 12.5}
    config = {
        "corpora": {"mine": corpus}, "representations": {"mine": {"kind": "provided"}}, "tables": {"mine": asked},
    }  # fmt: skip
    (mine / "latents.yaml").write_text(yaml.safe_dump(config))


def run(folder: Path, more: Mapping[str, str]) -> tuple[dict[str, float], float]:
    """CPU seconds by kind of process, and seconds from start to end, of one run of Snakemake."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment |= {"OMP_NUM_THREADS": "1", **more}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    before, started = cpu_seconds(), time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--configfile", "my/latents.yaml"], cwd=folder, env=environment, stdout=log, stderr=log
        )
        seen: dict[tuple[int, float], tuple[str, float]] = {}
        while process.poll() is None:
            look(seen)
            time.sleep(LOOK_S)
    if process.returncode:
        sys.exit((folder / "log").read_text())
    wall = time.perf_counter() - started
    while psutil.Process().children():  # the server ends by itself
        try:
            os.wait()
        except ChildProcessError:
            break
    by_kind: dict[str, float] = defaultdict(float)
    for kind, seconds in seen.values():
        by_kind[kind] += seconds
    by_kind[UNSEEN] = cpu_seconds() - before - sum(by_kind.values())
    return dict(by_kind), wall


def cpu_seconds() -> float:
    """Of all processes that this one has started, and those that they have, once they have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def look(seen: dict[tuple[int, float], tuple[str, float]]) -> None:
    """Note of each process below this one its kind and its CPU seconds so far."""
    for process in psutil.Process().children(recursive=True):
        try:
            with process.oneshot():
                used = process.cpu_times()
                kind = kind_of(process.cmdline(), process.name())
                seen[process.pid, process.create_time()] = kind, used.user + used.system
        except psutil.Error:  # it has ended
            continue


def kind_of(command: list[str], name: str) -> str:
    """A job is called by its step; a copy of the server has its command, and the name of the step that it runs."""
    if str(SERVER_FILE) in command:
        return SERVER if name.startswith("python") else name
    if client()[-1] in command or not command or Path(command[0]).name in ("bash", "sh"):
        return CLIENT
    steps = [word.rpartition(".")[2] for word in command[:3] if word.startswith("latentdyn.steps.")]
    return steps[0][:15] if steps else SNAKEMAKE


if __name__ == "__main__":
    main()
