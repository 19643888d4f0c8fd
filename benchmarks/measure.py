"""How the benchmarks measure: in turns, by medians of paired ratios, with memory taken in fresh processes."""

import argparse
import json
import platform
import re
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from tqdm import tqdm

if TYPE_CHECKING:
    from latentdyn.predictors.mdn import MDN


def parse(parser: argparse.ArgumentParser, quick: Mapping[str, object]) -> argparse.Namespace:
    """The arguments. `--quick` makes the sizes in `quick` the defaults: it shows that a benchmark runs, in seconds."""
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run? The figures mean nothing")
    if parser.parse_args().quick:
        parser.set_defaults(**quick)
    return parser.parse_args()


def machine() -> str:
    """The line that every table stands under: figures without it mean little."""
    import torch  # here, so that a step that runs without it is measured without it

    return f"{cpu_name()}, threads: {torch.get_num_threads()}, torch {torch.__version__}"


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def in_turns(ways: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, np.ndarray]:
    """Call each way in each of `repeats` rounds, after a first round that does not count; (repeats,) of each.

    A way returns its own figure. In turns, so that what else runs on the machine weighs on all alike.
    """
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for number in tqdm(range(1 + repeats), unit="round", disable=None, leave=False):
        for name, way in ways.items():
            figure = way()
            if number:
                rounds[name].append(figure)
    return {name: np.asarray(figures) for name, figures in rounds.items()}


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    """Mean seconds of one of `times` calls; what a call returns is dropped before the next."""
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


def ratio(a: np.ndarray, b: np.ndarray) -> float:
    """The median over rounds of a / b."""
    return float(np.median(a / b))


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def in_fresh_process(file: str, *arguments: object) -> Any:
    """Run this benchmark's file again with `arguments`, and return the JSON on the last line it prints."""
    command = [sys.executable, file, *map(str, arguments)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])


def step_alone(module: str, *options: object) -> tuple[float, float]:
    """Run `python -m module` with `options` in a fresh process: its seconds, start-up included, and its peak, MB."""
    start = time.perf_counter()
    peak_mb = in_fresh_process(__file__, module, *options)
    return time.perf_counter() - start, peak_mb


def own_memory(command: Sequence[object]) -> tuple[float, float]:
    """Run Python with these arguments: its seconds, start-up included, and the most memory of its own that it had, MB.

    Pages of mapped files are not its own. It is looked at every 10 ms.
    """
    start, most_kb = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([sys.executable, *map(str, command)], stderr=said)
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            most_kb = max([most_kb, *map(int, re.findall(r"RssAnon:\s+(\d+)", status))])
            time.sleep(0.01)
        said.seek(0)
        if process.returncode:
            sys.exit(said.read())
    return time.perf_counter() - start, most_kb * 1024 / 1e6


def peak_rss_mb() -> float:
    """The highest resident size of this process so far, MB.

    Linux keeps it as VmHWM. Its ru_maxrss would not do: a child begins with its parent's.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
    except OSError:
        import resource  # not on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def paper_mdn(dim: int, window_frames: int) -> "MDN":
    """A fresh MDN of the paper's size, which is that of the config's defaults."""
    from latentdyn.config.predictors import MDN as Settings
    from latentdyn.predictors.base import build_predictor

    settings = Settings(kind="mdn", window_frames=window_frames)
    return cast("MDN", build_predictor(settings.model_dump(mode="json"), dim))


def save_mimi(folder: str, small: bool = False) -> None:
    """Save a Mimi of random weights: the real architecture, or a small one that only shows that the code runs."""
    import torch
    from transformers import MimiConfig, MimiModel

    config = MimiConfig()
    if small:
        config = MimiConfig(num_filters=4, num_hidden_layers=1, intermediate_size=64, codebook_size=8)
    torch.manual_seed(0)
    MimiModel(config).save_pretrained(folder)


def utterance_lengths(n_utterances: int, n_frames: int) -> np.ndarray:
    """(n_utterances,) lengths that add up to n_frames, from a fifth to nearly twice their mean."""
    shares = np.random.default_rng(0).uniform(0.2, 1.8, n_utterances)
    edges = np.round(np.cumsum(shares) / shares.sum() * n_frames).astype(np.int64)
    return np.diff(edges, prepend=0)


def noise_blocks(lengths: np.ndarray, dim: int) -> Iterator[np.ndarray]:
    """(T, dim) float32 for each length: cut from one block of noise, so that making them costs nothing."""
    block = np.random.default_rng(0).standard_normal((2 * int(lengths.max()), dim), np.float32)
    for i, n in enumerate(lengths):
        first = i % (len(block) - int(n))
        yield block[first : first + n]


if __name__ == "__main__":  # the process of `step_alone`
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__")
    print(peak_rss_mb())
