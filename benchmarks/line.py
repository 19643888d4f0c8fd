"""Fitting the closed-form line at several horizons: moments by lags, and moments of contexts laid side by side.

Run by hand: `OMP_NUM_THREADS=1 python benchmarks/line.py`. Everything is in CPU seconds of this process, so that other
work on the machine weighs little and threads win nothing. In turns, over the same noise in memory,

- moments: ours, of which one pass serves every k; and those of blocks of contexts and steps laid side by side, once for
  each k, as one would write it. Beside them how far the two are apart, relative to the largest of each;
- the solutions for the config's five ridges at each k: ours, by Cholesky for each; and from one eigendecomposition
  of the contexts' covariance. Beside them how far the weights are apart.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from latentdyn.predictors.linear_gaussian import LinearGaussian, Moments
from latentdyn.stores.windows import Scaling, Windows
from measure import in_turns, machine, parse, ratio, table, utterance_lengths

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_BLOCK = 8192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=120, help="default 120")
    parser.add_argument("--frames", type=int, default=20_000, help="of all utterances (default 20000)")
    parser.add_argument("--dim", type=int, default=512, help="D (default 512)")
    parser.add_argument("--window-frames", type=int, default=8, help="W (default 8)")
    parser.add_argument("--horizons", type=int, nargs="+", default=[1, 2, 4, 8], help="k (default 1 2 4 8)")
    parser.add_argument("--repeats", type=int, default=1, help="rounds (default 1)")
    arguments = parse(parser, quick={"utterances": 4, "frames": 400, "dim": 3, "horizons": [1, 2], "repeats": 1})
    print(f"{machine()}\n")
    lengths = utterance_lengths(arguments.utterances, arguments.frames)
    noise = np.random.default_rng(0).standard_normal((int(lengths.sum()), arguments.dim), np.float32)
    latents = torch.from_numpy(noise)
    reach = arguments.window_frames - 1 + max(arguments.horizons)
    ends = np.cumsum(lengths)
    rows = np.concatenate([np.arange(end - n + reach, end) for n, end in zip(lengths, ends, strict=True) if n > reach])
    compare(Windows(latents, torch.from_numpy(rows), arguments.window_frames), arguments.horizons, arguments.repeats)


def compare(windows: Windows, horizons: list[int], repeats: int) -> None:
    line = LinearGaussian(windows.dim, windows.window_frames, covariance="full", ridges=[1e-4])
    line.set_scaling(Scaling.fit(windows))
    found: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def by_lags() -> float:
        start = time.process_time()
        fresh = Windows(windows.latents, windows.rows, windows.window_frames, max(horizons))
        found["lags"] = [(m.gram, m.cross) for m in (line.moments(fresh, k) for k in horizons)]
        return time.process_time() - start

    def side_by_side() -> float:
        start = time.process_time()
        found["side by side"] = [contexts_side_by_side(line, windows, k) for k in horizons]
        return time.process_time() - start

    moments = line.moments(windows, horizons[0])
    weights: dict[str, list[torch.Tensor]] = {}

    def solutions(name: str, solve: Callable[[], list[torch.Tensor]]) -> float:
        start = time.process_time()
        weights[name] = solve()
        return (time.process_time() - start) * len(horizons)

    ways = {
        "ours": by_lags,
        "side by side": side_by_side,
        "Cholesky": lambda: solutions("ours", lambda: [moments.solution(ridge)[0] for ridge in RIDGES]),
        "eigenvectors": lambda: solutions("eigenvectors", lambda: by_eigenvectors(moments)),
    }
    taken = in_turns(ways, repeats)
    apart = farthest(sum(found["lags"], ()), sum(found["side by side"], ()))
    size = f"{len(windows):,} frames, D = {windows.dim}, W = {windows.window_frames}, k = {horizons}"
    rows = [
        ["moments, ours", f"{np.median(taken['ours']):.3g}", "", f"{apart:.0e}"],
        ["moments, contexts side by side", f"{np.median(taken['side by side']):.3g}",
         f"{ratio(taken['side by side'], taken['ours']):.1f}", ""],
        ["solutions, ours", f"{np.median(taken['Cholesky']):.3g}", "",
         f"{farthest(weights['ours'], weights['eigenvectors']):.0e}"],
        ["solutions from eigenvectors", f"{np.median(taken['eigenvectors']):.3g}",
         f"{ratio(taken['eigenvectors'], taken['Cholesky']):.1f}", ""],
    ]  # fmt: skip
    print(table([size, "CPU s", "ours is faster by", "apart"], rows))


def farthest(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> float:
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, theirs, strict=True))


def by_eigenvectors(moments: Moments) -> list[torch.Tensor]:
    """Weights and residuals of all ridges; the weights are returned."""
    values, vectors = torch.linalg.eigh(moments.gram)
    rotated, weights = vectors.T @ moments.cross, []
    for ridge in RIDGES:
        weight = vectors @ (rotated / (values.clamp_min(0) + ridge * values.mean())[:, None])
        explained = weight.T @ moments.cross
        moments.square - explained - explained.T + weight.T @ moments.gram @ weight  # as ours does
        weights.append(weight)
    return weights


def contexts_side_by_side(line: LinearGaussian, windows: Windows, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Covariance of contexts (W D, W D), and of contexts and steps (W D, D)."""
    width, dim = line.weight.shape
    gram, cross = torch.zeros(width, width, dtype=torch.float64), torch.zeros(width, dim, dtype=torch.float64)
    of_x, of_y = torch.zeros(width, dtype=torch.float64), torch.zeros(dim, dtype=torch.float64)
    for start in range(0, len(windows), _BLOCK):
        context, _ = windows.batch(slice(start, start + _BLOCK), k)
        rows = windows.rows[start : start + _BLOCK]
        x = line.standardized(context.double()).flatten(1)
        y = windows.latents[rows].double() - windows.latents[rows - 1].double()  # exact, as ours
        gram, cross, of_x, of_y = gram + x.T @ x, cross + x.T @ y, of_x + x.sum(0), of_y + y.sum(0)
    n = len(windows)
    return gram / n - torch.outer(of_x, of_x) / n**2, cross / n - torch.outer(of_x, of_y) / n**2


if __name__ == "__main__":
    main()
