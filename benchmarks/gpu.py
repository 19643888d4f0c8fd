"""The paper's Exp 1 on a GPU: training, evaluation, free running and encoding, beside the same on the CPU.

Run by hand where a GPU is: `make bench-gpu`. The latents are random, in a tensor of LibriSpeech-100's size (4.5 million
frames of 512), and Mimi's weights too: speed does not depend on their values. Exp 1 is run whole: 4 horizons of 25,000
steps, side by side, validated every 500 steps, from the first step to the selected weights. The likelihoods of both
devices are compared on the same frames and weights. `--quick` tries it out anywhere.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import soundfile
import torch
from torch import Tensor

from latentdyn.codecs.encoding import encode_recordings
from latentdyn.codecs.mimi import Mimi
from latentdyn.diagnostics.rollout import rollout_gap, rollout_reach
from latentdyn.diagnostics.scores import score_frames
from latentdyn.files import file_sha256
from latentdyn.predictors.mdn import MDN
from latentdyn.stores.spool import Spool
from latentdyn.stores.windows import Scaling, Windows
from latentdyn.training.likelihood import Likelihood
from latentdyn.training.loop import Training, TrainingSettings, run
from latentdyn.training.regimes import TeacherForced, build_regime
from latentdyn.training.updates import Updates
from measure import cpu_name, paper_mdn, parse, save_mimi, table

W, HORIZONS, STEPS = 8, (1, 2, 4, 8), 25_000  # seed 001, Appendix B
_BATCH, _VALIDATE_EVERY, _SCORED, _ROLLED = 256, 500, 200_000, 4096  # as the config's defaults

_ROLLED_OUT: dict[str, Any] = {"unroll_steps": 16, "target": "step", "backpropagate": True}
_FADING = {"p_teacher_start": 1.0, "p_teacher_end": 0.1, "decay_steps": 1000}
REGIMES = {
    "unrolled, 16 steps": {"kind": "unrolled", **_ROLLED_OUT, "first_unroll_steps": 16, "grow_steps": 1},
    "scheduled sampling, 16 steps": {"kind": "scheduled_sampling", **_ROLLED_OUT, **_FADING},
}

_T = TypeVar("_T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="default cuda")
    parser.add_argument("--dim", type=int, default=512, metavar="D", help="dimensions of the latents (default 512)")
    parser.add_argument("--frames", type=int, default=4_500_000, help="of the store (default 4500000)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of each horizon of Exp 1 (default {STEPS})")
    parser.add_argument("--clip-s", type=float, default=15.0, help="length of an encoded clip (default 15)")
    arguments = parse(parser, quick={"device": "cpu", "dim": 8, "frames": 1000, "steps": 1, "clip_s": 1.0})
    device = torch.device(arguments.device)
    generator = torch.Generator(device).manual_seed(0)
    latents = torch.empty(arguments.frames, arguments.dim, device=device).normal_(generator=generator)
    first = rollout_reach(W, max(HORIZONS)) + 1
    targets = torch.arange(first, len(latents), device=device)
    windows = Windows(latents, targets, W, t=targets)  # one long utterance
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    print(f"{card}, torch {torch.__version__}, {len(latents):,} frames of {arguments.dim}\n")
    scaling_s, scaling = timed(lambda: Scaling.fit(windows), device)
    rows = [["moments of the training frames", f"{scaling_s:.1f} s", ""]]
    for precision, arithmetic in (("highest", "float32"), ("high", "TF32")):
        torch.set_float32_matmul_precision(precision)
        rows.append([f"Exp 1, {arithmetic}", *training_row(windows, scaling, HORIZONS, arguments.steps, device)])
        few = max(1, arguments.steps // 10)
        rows.append([f"one horizon alone, {arithmetic}", *training_row(windows, scaling, (1,), few, device)])
    torch.set_float32_matmul_precision("highest")
    predictor = fresh(scaling, device)
    some = Windows(latents, windows.rows[:_SCORED], W)
    score_frames(predictor, windows.only(torch.arange(min(4096, len(windows)))), 8, scaling, (8,))  # loads kernels
    seconds, _ = timed(lambda: score_frames(predictor, some, 8, scaling, (8,)), device)
    rows.append(["scores of a horizon", f"{seconds:.2f} s", f"{len(some) / seconds:,.0f} frames/s"])
    rolled = windows.only(torch.arange(min(_ROLLED, len(windows)), device=device))
    seconds, _ = timed(lambda: rollout_gap(predictor, rolled, 8), device)
    rows.append(["rollout gap of a horizon", f"{seconds:.2f} s", f"{len(rolled) / seconds:,.0f} frames/s"])
    rows.append(["gathering a batch, captured", *gather_row(windows, device)])
    for kind, regime in REGIMES.items():
        for captured in (False, True):
            name = f"{kind}, {'captured' if captured else 'as it is'}"
            rows.append([name, *regime_row(windows, scaling, regime, min(40, arguments.steps), captured, device)])
    mimi = random_mimi(device, small=arguments.quick)
    for clips in (1, 4, 16, 64):
        name = f"Mimi, clips of {arguments.clip_s:g} s, {clips} at a time"
        rows.append([name, *encoding_row(mimi, arguments.clip_s, clips, device)])
    clips = 4 if arguments.quick else 1000
    for precision, arithmetic in (("high", "TF32"), ("highest", "float32")):
        torch.set_float32_matmul_precision(precision)
        name = f"{clips} FLACs, from file to file, {arithmetic}"
        rows.append([name, *corpus_row(mimi, arguments.clip_s, clips, device)])
    print(table(["", "takes", "that is"], rows))
    print(f"\nlargest difference of the NLL to the CPU's: {difference(predictor, some, device):.2e} nats of a frame")


def fresh(scaling: Scaling, device: torch.device) -> MDN:
    torch.manual_seed(0)
    predictor = paper_mdn(len(scaling.frame_mean), W).to(device)
    predictor.set_scaling(scaling)
    return predictor.eval()


def timed(work: Callable[[], _T], device: torch.device) -> tuple[float, _T]:
    """Seconds of one call, the device's queue included, and what it returns."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start, result


def training_row(
    windows: Windows, scaling: Scaling, horizons: Sequence[int], steps: int, device: torch.device
) -> list[str]:
    """What it takes to train so many horizons side by side, and a step of one of them."""
    settings = TrainingSettings(steps, _BATCH, 1e-3, 1e-4, 1.0, _VALIDATE_EVERY, "best_validation", None)
    cut = len(windows) * 9 // 10
    train, held_out = windows.only(torch.arange(cut)), windows.only(torch.arange(cut, len(windows)))

    def work(folder: Path) -> None:
        trainings = []
        for k in horizons:
            predictor = fresh(scaling, device)
            objective = Likelihood(predictor, train, held_out, k, TeacherForced(), _BATCH, ("benchmark",))
            trainings.append(Training(predictor, objective, settings, state_file=folder / f"k{k}.pt", name=f"k={k}: "))
        for _ in run(trainings):
            pass

    with tempfile.TemporaryDirectory() as folder:
        seconds, _ = timed(lambda: work(Path(folder)), device)
    return [f"{seconds:.1f} s", f"{1000 * seconds / steps / len(horizons):.3f} ms a step of a horizon"]


def gather_row(windows: Windows, device: torch.device) -> list[str]:
    """The data of a step: a gather on the device, as a graph launches it."""
    if device.type != "cuda":
        return ["", ""]
    index = torch.randint(len(windows), (_BATCH,), device=device)
    windows.stretch(index, 1, 1)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(100):
            windows.stretch(index, 1, 1)
    graph.replay()
    seconds, _ = timed(graph.replay, device)
    return [f"{10 * seconds:.4f} ms", ""]


class Uncaptured(Likelihood):
    def arithmetic(self, step: int) -> None:
        return None


def regime_row(
    windows: Windows, scaling: Scaling, regime: dict[str, object], steps: int, captured: bool, device: torch.device
) -> list[str]:
    """A step of a regime whose contexts are generated."""
    kind = Likelihood if captured else Uncaptured
    predictor, longest = fresh(scaling, device), _ROLLED_OUT["unroll_steps"]
    windows = windows.only(torch.arange(len(windows) - longest))
    objective = kind(predictor, windows, None, 1, build_regime(regime), _BATCH, ("benchmark",))
    predictor.train()
    updates = Updates(predictor, objective, 1e-3, 1e-4, 1.0)
    for step in range(4):
        updates.update(step)
    seconds, _ = timed(lambda: [updates.update(4 + step) for step in range(steps)], device)
    return [f"{1000 * seconds / steps:.2f} ms a step", ""]


def random_mimi(device: torch.device, small: bool) -> Mimi:
    with tempfile.TemporaryDirectory() as folder:
        save_mimi(folder, small)
        return Mimi(folder, revision=None, untrained=False, frames="latent", tile_s=20.48, device=str(device))


def corpus_row(mimi: Mimi, clip_s: float, clips: int, device: torch.device) -> list[str]:
    """From FLACs at 16 kHz to latents on the disk."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), []
        noise = rng.normal(scale=0.1, size=round(16_000 * 1.3 * clip_s)).astype(np.float32)
        for number in range(clips):
            file = f"{number}.flac"
            length = round(16_000 * clip_s * rng.uniform(0.7, 1.3))
            soundfile.write(folder / file, noise[:length], 16_000)
            sha256 = file_sha256(folder / file)
            rows.append({"utterance_id": file, "path": file, "sha256": sha256, "n_samples": length})
        part = pd.DataFrame(rows).assign(sample_rate_hz=16_000)
        spool = Spool(folder / "spool", mimi.dim)
        batch_s = 960.0 if device.type == "cuda" else 0.0
        seconds, _ = timed(lambda: encode_recordings(part, folder, mimi, spool, batch_s), device)
    total = float(part["n_samples"].sum()) / 16_000
    return [f"{seconds:.1f} s", f"{total / seconds:,.0f} times real time"]


def encoding_row(mimi: Mimi, clip_s: float, clips: int, device: torch.device) -> list[str]:
    n = mimi.hop_samples * round(24_000 * clip_s / mimi.hop_samples)
    audio = np.random.default_rng(0).normal(scale=0.1, size=(clips, n)).astype(np.float32)
    mimi.encode(audio)
    seconds, _ = timed(lambda: [mimi.encode(audio) for _ in range(5)], device)
    return [f"{seconds / 5:.3f} s", f"{5 * clips * clip_s / seconds:,.0f} times real time"]


@torch.inference_mode()
def difference(predictor: MDN, windows: Windows, device: torch.device) -> float:
    context, delta = windows.batch(slice(0, 2048), 1)
    on_cpu = copy.deepcopy(predictor).cpu()

    def nll(model: MDN, c: Tensor, x: Tensor) -> Tensor:
        return -model.density(c).log_prob(x).double().cpu()

    return float((nll(predictor, context, delta) - nll(on_cpu, context.cpu(), delta.cpu())).abs().max())


if __name__ == "__main__":
    main()
