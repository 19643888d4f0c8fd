"""A training step of the paper's MDN: our loop against what one would write first, and against its GEMMs alone.

Run by hand: `python benchmarks/training_step.py`. The network is 4096 -> 1024 -> 1024 -> mixture of 8 over 512
dimensions, batches of 256 contexts of 8 frames. Ways of one step, in turns:

- ours: `latentdyn.training.loop.train` itself, from a resident tensor, timed from batch to batch;
- usual, in memory: torch.distributions.MixtureSameFamily, the default AdamW, the same resident batches;
- usual, from zarr: the same behind a DataLoader whose dataset reads one context at a time from a zarr array, once
  laid out by zarr's defaults (compressed chunks of its own choice), once in uncompressed chunks of 256 frames;
- GEMMs alone: the network's matrix products, forward and backward, into buffers that are there already, without the
  first layer's product towards its input, which nobody needs.

Then contexts a second from three sources, without a network.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.utils.data import DataLoader, Dataset

from latentdyn.distributions.gaussian_mixture import mixture_nll
from latentdyn.stores.windows import Windows
from latentdyn.training.likelihood import Likelihood
from latentdyn.training.loop import TrainingSettings, train
from latentdyn.training.regimes import TeacherForced
from measure import in_turns, machine, paper_mdn, parse, ratio, seconds, table

W, K, WIDTH, BATCH, HORIZON = 8, 8, 1024, 256, 1
CLAMP = (-5.0, 3.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=512, metavar="D", help="dimensions of the latents (default 512)")
    parser.add_argument("--frames", type=int, default=500_000, help="frames of latents (default 500000: 1 GB)")
    parser.add_argument("--repeats", type=int, default=9, help="rounds (default 9)")
    parser.add_argument("--steps", type=int, default=3, help="steps of each way in a round (default 3)")
    parser.add_argument("--workers", type=int, default=0, help="worker processes of the DataLoader (default 0)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    arguments = parse(parser, quick={"dim": 8, "frames": 1000, "repeats": 1, "steps": 1})
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    latents = torch.randn(arguments.frames, arguments.dim)
    rows = torch.arange(W + HORIZON, arguments.frames)
    print(f"{machine()}, {arguments.frames} frames, DataLoader workers: {arguments.workers}\n")
    with tempfile.TemporaryDirectory() as folder:
        arrays = {
            "zarr": zarr_array(Path(folder) / "defaults.zarr", latents),
            "uncompressed zarr": zarr_array(
                Path(folder) / "uncompressed.zarr", latents, chunks=(256, arguments.dim), compressors=None
            ),
        }
        compare_steps(latents, rows, arrays, Path(folder), arguments)
        compare_parts(arguments.dim, arguments.repeats)
        compare_sources(latents, rows, arrays, arguments)


def compare_steps(
    latents: Tensor, rows: Tensor, arrays: dict[str, zarr.Array[Any]], folder: Path, arguments: argparse.Namespace
) -> None:
    gather_share: list[float] = []
    resident = Windows(latents, rows, W)

    def ours() -> float:
        step_s, gather_s = time_our_loop(resident, folder / "state.pt", arguments.steps)
        gather_share.append(gather_s / step_s)
        return step_s

    def usual(batch: Callable[[], tuple[Tensor, Tensor]]) -> Callable[[], float]:
        step = usual_step(batch, arguments.dim)
        return lambda: seconds(step, arguments.steps)

    gemms = gemms_alone(arguments.dim)
    rounds = in_turns(
        {
            "ours": ours,
            "usual, in memory": usual(lambda: resident.batch(torch.randint(len(rows), (BATCH,)), HORIZON)),
            **{
                f"usual, from {name}": usual(forever(loader(Contexts(array, rows), arguments.workers)))
                for name, array in arrays.items()
            },
            "GEMMs alone": lambda: seconds(gemms, arguments.steps),
        },
        arguments.repeats,
    )
    print(
        table(
            ["step", "ms", "over ours"],
            [[name, f"{1e3 * np.median(s):.0f}", f"{ratio(s, rounds['ours']):.2f}"] for name, s in rounds.items()],
        )
    )
    print(f"\nours over its GEMMs alone: {ratio(rounds['ours'], rounds['GEMMs alone']):.2f}")
    print(f"share of our step that gathers the batch: {100 * np.median(gather_share[1:]):.1f} %\n")


def compare_parts(dim: int, repeats: int) -> None:
    """The two parts in which our step differs from the usual one."""
    raw, target = torch.randn(BATCH, outputs(dim)).requires_grad_(), torch.randn(BATCH, dim)

    def backward(nll: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], float]:
        def work() -> None:
            raw.grad = None
            nll(raw, target).mean().backward()

        return lambda: seconds(work)

    def update(fused: bool | None) -> Callable[[], float]:
        network = mlp(dim)
        for parameter in network.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4, fused=fused)
        return lambda: seconds(optimizer.step)

    pairs = {
        "mixture likelihood, forward and backward": (backward(usual_nll), backward(our_nll)),
        "AdamW": (update(None), update(True)),
    }
    rows = []
    for name, (usual, ours) in pairs.items():
        rounds = in_turns({"usual": usual, "ours": ours}, 2 * repeats)
        rows.append([name, *(f"{1e3 * np.median(s):.1f}" for s in rounds.values()), f"{ratio(*rounds.values()):.2f}"])
    print(table(["part of a step", "usual, ms", "ours, ms", "ratio"], rows) + "\n")


def compare_sources(
    latents: Tensor, rows: Tensor, arrays: dict[str, zarr.Array[Any]], arguments: argparse.Namespace
) -> None:
    resident = Windows(latents, rows, W)

    def rate(batch: Callable[[], object], batches: int) -> Callable[[], float]:
        return lambda: BATCH / seconds(batch, batches)

    rounds = in_turns(
        {
            "ours, one gather": rate(lambda: resident.batch(torch.randint(len(rows), (BATCH,)), HORIZON), 100),
            "DataLoader, in memory": rate(forever(loader(Contexts(latents, rows), arguments.workers)), 20),
            **{
                f"DataLoader, {name}": rate(forever(loader(Contexts(array, rows), arguments.workers)), 1)
                for name, array in arrays.items()
            },
        },
        arguments.repeats,
    )
    ours = rounds["ours, one gather"]
    print(
        table(
            ["source of contexts", "contexts/s", "ours over it"],
            [[name, f"{np.median(rates):,.0f}", f"{ratio(ours, rates):.1f}"] for name, rates in rounds.items()],
        )
    )


def time_our_loop(windows: Windows, state_file: Path, steps: int) -> tuple[float, float]:
    """Seconds of a step of `train` and of its gather, from batch to batch; set-up and the final save stay outside."""
    gathered: list[tuple[float, float]] = []

    class Timed(Windows):
        def stretch(self, index: Tensor | slice, k: int, steps: int) -> Tensor:
            start = time.perf_counter()
            stretch = super().stretch(index, k, steps)
            gathered.append((start, time.perf_counter()))
            return stretch

    state_file.unlink(missing_ok=True)
    settings = TrainingSettings(
        steps=steps + 2,
        batch_size=BATCH,
        learning_rate=1e-3,
        weight_decay=1e-4,
        gradient_clip_norm=1.0,
        validate_every_steps=steps + 2,
        select="last",
        patience_validations=None,
    )
    timed = Timed(windows.latents, windows.rows, windows.window_frames)
    predictor = paper_mdn(windows.latents.shape[1], W)
    objective = Likelihood(predictor, timed, None, HORIZON, TeacherForced(), BATCH, ("benchmark",))
    train(predictor, objective, settings, state_file=state_file)
    starts = np.array(gathered)[1:]  # the first step allocates the optimizer's moments
    return (starts[-1, 0] - starts[0, 0]) / steps, float(np.diff(starts[:-1]).mean())


def usual_step(batch: Callable[[], tuple[Tensor, Tensor]], dim: int) -> Callable[[], None]:
    """A step as one writes it first: the library's mixture, the default optimizer."""
    network = mlp(dim)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)

    def step() -> None:
        context, delta = batch()
        loss = usual_nll(network(context.flatten(1)), delta).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        loss.item()

    return step


def usual_nll(raw: Tensor, target: Tensor) -> Tensor:
    dim = target.shape[1]
    logits, means, log_sigmas = raw.split([K, K * dim, K * dim], dim=1)
    sigmas = log_sigmas.unflatten(1, (K, dim)).clamp(*CLAMP).exp()
    components = Independent(Normal(means.unflatten(1, (K, dim)), sigmas), 1)
    log_prob: Tensor = MixtureSameFamily(Categorical(logits=logits), components).log_prob(target)
    return -log_prob


def our_nll(raw: Tensor, target: Tensor) -> Tensor:
    return mixture_nll(raw, target, K, *CLAMP)


def gemms_alone(dim: int) -> Callable[[], None]:
    widths = [W * dim, WIDTH, WIDTH, outputs(dim)]
    weights = [torch.randn(b, a) / a**0.5 for a, b in itertools.pairwise(widths)]
    values = [torch.randn(BATCH, width) for width in widths]
    gradients = [torch.empty_like(weight) for weight in weights]

    def step() -> None:
        for i, weight in enumerate(weights):
            torch.mm(values[i], weight.T, out=values[i + 1])
        for i, weight in reversed(list(enumerate(weights))):
            torch.mm(values[i + 1].T, values[i], out=gradients[i])
            if i:
                torch.mm(values[i + 1], weight, out=values[i])

    return step


def outputs(dim: int) -> int:
    """How many numbers describe a mixture of K diagonal Gaussians."""
    return K * (1 + 2 * dim)


def mlp(dim: int) -> nn.Sequential:
    hidden = [nn.Linear(W * dim, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH), nn.GELU()]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, outputs(dim)))


class Contexts(Dataset[tuple[Tensor, Tensor]]):
    """One context and delta at a time, from anything that slices."""

    def __init__(self, source: Tensor | zarr.Array[Any], rows: Tensor) -> None:
        self.source, self.rows = source, rows.tolist()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        t = self.rows[i]
        frames = torch.as_tensor(self.source[t - HORIZON - W + 1 : t + 1])
        return frames[:W], frames[-1] - frames[-2]


def loader(contexts: Contexts, workers: int) -> DataLoader[tuple[Tensor, Tensor]]:
    # with replacement, as ours: a permutation of all frames is drawn at each epoch otherwise
    sampler = torch.utils.data.RandomSampler(contexts, replacement=True)
    return DataLoader(contexts, BATCH, sampler=sampler, num_workers=workers, drop_last=True)


def forever(batches: DataLoader[tuple[Tensor, Tensor]]) -> Callable[[], tuple[Tensor, Tensor]]:
    def endless() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from batches

    return endless().__next__


def zarr_array(path: Path, latents: Tensor, **layout: Any) -> zarr.Array[Any]:
    array = zarr.create_array(path, shape=tuple(latents.shape), dtype="float32", **layout)
    for start in range(0, len(latents), 1 << 14):
        array[start : start + (1 << 14)] = latents[start : start + (1 << 14)].numpy()
    return array


if __name__ == "__main__":
    main()
