"""Fitting linear readouts from a store on disk: PCA against scikit-learn's IncrementalPCA, and windows' moments.

Run by hand: `OMP_NUM_THREADS=1 python benchmarks/readouts.py`. Everything is in CPU seconds of this process, reading
included, so that other work on the machine weighs little and threads win nothing. In turns,

- PCA: ours, the whole fit with its way back; and IncrementalPCA to as many components, which takes blocks of frames as
  it asks for by default (5 D). Beside them how far each is from the eigenvalues of the float64 covariance of all frames
  in memory, relative to each. The frames' spectrum falls by a factor of 100;
- the moments of windows of 1 + W frames: ours, by lags; and the covariance of the windows laid side by side.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import IncrementalPCA

from latentdyn.representations.base import Source, Utterances
from latentdyn.representations.pca import PCA
from latentdyn.stores.latents import LatentsStore, open_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts
from latentdyn.stores.window_moments import window_moments
from measure import in_turns, machine, noise_blocks, parse, ratio, table, utterance_lengths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=600, help="default 600")
    parser.add_argument("--frames", type=int, default=100_000, help="of all utterances (default 100000)")
    parser.add_argument("--dim", type=int, default=512, help="D of PCA (default 512)")
    parser.add_argument("--components", type=int, default=64, help="of IncrementalPCA besides all (default 64)")
    parser.add_argument("--window-dim", type=int, default=64, help="D of windows (default 64)")
    parser.add_argument("--window-frames", type=int, default=8, help="W (default 8)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default 3)")
    arguments = parse(
        parser, quick={"utterances": 20, "frames": 2000, "dim": 8, "components": 2, "window_dim": 3, "repeats": 1}
    )
    print(f"{machine()}\n")
    lengths = utterance_lengths(arguments.utterances, arguments.frames)
    with tempfile.TemporaryDirectory() as folder:
        compare_pca(write(Path(folder, "pca.json"), lengths, arguments.dim), arguments)
        compare_windows(write(Path(folder, "windows.json"), lengths, arguments.window_dim), arguments)


def write(handle: Path, lengths: np.ndarray, dim: int) -> LatentsStore:
    """A store of noise whose dimensions are mixed, with a spectrum that falls from 1 to 1/100, away from zero."""
    axes = np.linalg.qr(np.random.default_rng(1).standard_normal((dim, dim)))[0]
    mixing = (axes * np.geomspace(1, 0.1, dim)).T.astype(np.float32)
    writer = LatentsWriter(handle, dim, 12.5, causal=True, **root_facts({"kind": "noise"}))
    for number, block in enumerate(noise_blocks(lengths, dim)):
        writer.append(f"u{number}", "speaker", block @ mixing + 3)
    writer.close()
    return open_latents(handle)


def compare_pca(store: LatentsStore, arguments: argparse.Namespace) -> None:
    dim, found = store.dim, {}  # variances

    def ours() -> None:
        transform = PCA(Source(dim, 12.5), "float32", dim, whiten=False)
        transform.fit(Utterances(store, {"speaker": "train"}))
        found["ours, all components"] = transform.variances

    def incremental(name: str, n: int) -> None:
        model = IncrementalPCA(n)
        for block in blocks(store, 5 * dim):
            model.partial_fit(block)
        found[name] = model.explained_variance_

    frames = store.load().astype(np.float64)
    exact = np.linalg.eigvalsh(np.cov(frames.T, bias=True))[::-1]
    ways: dict[str, Callable[[], None]] = {"ours, all components": ours}
    for n, name in ((dim, "IncrementalPCA, all components"), (arguments.components, "IncrementalPCA, some")):
        ways[name] = partial(incremental, name, n)
    rounds = in_turns({name: cpu_rate(way, len(frames)) for name, way in ways.items()}, arguments.repeats)
    rows = []
    for name, figures in rounds.items():
        n = len(found[name])
        off = np.abs(found[name] / exact[:n] - 1).max()
        faster = ratio(rounds["ours, all components"], figures)
        rows.append([name, n, f"{np.median(figures):,.0f}", f"{faster:.1f}", f"{off:.1e}"])
    header = [f"PCA, D = {dim}", "components", "frames/CPU-s", "ours is faster by", "variances off"]
    print(table(header, rows), end="\n\n")


def compare_windows(store: LatentsStore, arguments: argparse.Namespace) -> None:
    reach, found = arguments.window_frames, {}

    def by_lags() -> None:
        found["by lags"] = window_moments(store, store.utterances, reach).covariance

    def side_by_side() -> None:
        size = (reach + 1) * store.dim
        n, first, second = 0, np.zeros(size), np.zeros((size, size))
        for _, latents, _ in store.iterate():
            view = np.lib.stride_tricks.sliding_window_view(latents.astype(np.float64), reach + 1, axis=0)
            windows = view[..., ::-1].transpose(0, 2, 1).reshape(-1, size)
            n, first, second = n + len(windows), first + windows.sum(axis=0), second + windows.T @ windows
        covariance = second / n - np.outer(first, first) / n**2
        found["windows side by side"] = covariance.reshape(2 * (reach + 1, store.dim))

    ways = {"by lags": by_lags, "windows side by side": side_by_side}
    n_frames = store.handle["n_frames"]
    rounds = in_turns({name: cpu_rate(way, n_frames) for name, way in ways.items()}, arguments.repeats)
    one, other = found.values()
    off = np.abs(one - other).max() / np.abs(other).max()
    rows = [
        [name, f"{np.median(figures):,.0f}", f"{ratio(figures, rounds['windows side by side']):.1f}", f"{off:.1e}"]
        for name, figures in rounds.items()
    ]
    print(table([f"windows, D = {store.dim}, W = {reach}", "frames/CPU-s", "ratio", "apart"], rows))


def cpu_rate(work: Callable[[], None], n_frames: int) -> Callable[[], float]:
    """Frames a second of this process's CPU time, all its threads together."""

    def figure() -> float:
        start = time.process_time()
        work()
        return n_frames / (time.process_time() - start)

    return figure


def blocks(store: LatentsStore, size: int) -> Iterator[Any]:
    """Blocks of frames in order; the last one is left out where it is too short to be fitted to."""
    array = store.array()
    for start in range(0, store.n_rows - size // 2, size):
        yield array[start : start + size]


if __name__ == "__main__":
    main()
