"""Evaluation of the paper's MDN: our batches against loops over frames that compute the same, and the bootstrap.

Run by hand: `python benchmarks/evaluation.py`. Both on one thread or on all, as torch is set. The loop of the rollout
feeds one frame's own predictions back at a time. Loops are timed on few frames, for their cost is the same for each.
"""

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.bootstrap import mean_intervals
from latentdyn.diagnostics.rollout import rollout_gap, rollout_reach
from latentdyn.diagnostics.scores import score_frames
from latentdyn.distributions.gaussian import FullGaussian
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.predictors.mdn import MDN
from latentdyn.stores.windows import Scaling, Windows
from latentdyn.training.likelihood import mean_nll
from latentdyn.training.regimes import TeacherForced
from measure import in_turns, machine, paper_mdn, parse, ratio, seconds, table

W, HORIZON = 8, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=512, metavar="D", help="dimensions of the latents (default 512)")
    parser.add_argument("--frames", type=int, default=8192, help="frames scored in batches (default 8192)")
    parser.add_argument("--rollout-frames", type=int, default=2048, help="frames rolled out in batches (default 2048)")
    parser.add_argument("--loop-frames", type=int, default=64, help="frames the loops are timed on (default 64)")
    parser.add_argument("--bootstrap-frames", type=int, default=100_000, help="default 100000, of 100 speakers")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    arguments = parse(
        parser,
        quick={"dim": 8, "frames": 64, "rollout_frames": 16, "loop_frames": 4, "bootstrap_frames": 2000, "repeats": 1},
    )
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    first = rollout_reach(W, HORIZON) + 1
    latents = torch.randn(first + arguments.frames, arguments.dim)
    targets = torch.arange(first, len(latents))
    windows = Windows(latents, targets, W, t=targets)  # one long utterance
    scaling = Scaling.fit(windows)
    predictor = paper_mdn(arguments.dim, W)
    predictor.set_scaling(scaling)
    predictor.eval()
    few = windows.rows[: arguments.loop_frames]
    rolled = windows.only(torch.arange(min(arguments.rollout_frames, len(windows))))

    def frame_rate(work: Callable[[], object], frames: int) -> Callable[[], float]:
        return lambda: frames / seconds(work)

    pairs = {
        "NLL": (
            frame_rate(lambda: loop_nll(predictor, latents, few), len(few)),
            frame_rate(lambda: mean_nll(predictor, windows, HORIZON, TeacherForced(), ()), len(windows)),
        ),
        "all scores": (
            frame_rate(lambda: loop_scores(predictor, latents, few, scaling), len(few)),
            frame_rate(lambda: score_frames(predictor, windows, HORIZON, scaling), len(windows)),
        ),
        "rollout gap": (
            frame_rate(lambda: loop_rollout_gap(predictor, latents, few), len(few)),
            frame_rate(lambda: rollout_gap(predictor, rolled, HORIZON), len(rolled)),
        ),
    }
    check(predictor, latents, windows, few, scaling)
    print(f"{machine()}\n")
    rows = []
    for name, (loop, batched) in pairs.items():
        rounds = in_turns({"loop": loop, "batched": batched}, arguments.repeats)
        rates = (f"{np.median(rounds[way]):,.0f}" for way in ("loop", "batched"))
        rows.append([name, *rates, f"{ratio(rounds['batched'], rounds['loop']):.1f}"])
    print(table(["", "loop, frames/s", "batched, frames/s", "ratio"], rows) + "\n")
    compare_bootstraps(arguments.bootstrap_frames, arguments.repeats)


def compare_bootstraps(n_frames: int, repeats: int, n_speakers: int = 100, resamples: int = 1000) -> None:
    rng = np.random.default_rng(0)
    speakers = np.sort(rng.integers(n_speakers, size=n_frames))
    values = rng.standard_normal((n_frames, 4)) + rng.standard_normal((n_speakers, 4))[speakers]

    def loop() -> np.ndarray:
        """As the definition reads: draw speakers, pool their frames, take the mean."""
        generator = np.random.default_rng(0)
        frames_of = [np.flatnonzero(speakers == speaker) for speaker in range(n_speakers)]
        means = []
        for _ in range(resamples):
            drawn = generator.integers(n_speakers, size=n_speakers)
            means.append(values[np.concatenate([frames_of[speaker] for speaker in drawn])].mean(axis=0))
        interval: np.ndarray = np.quantile(means, [0.025, 0.975], axis=0).T
        return interval

    def ours() -> np.ndarray:
        return mean_intervals(values, speakers, resamples, np.random.default_rng(0))

    np.testing.assert_allclose(ours(), loop(), atol=0.05)  # two draws of one quantity
    rounds = in_turns({"loop": lambda: seconds(loop), "ours": lambda: seconds(ours)}, min(3, repeats))
    print(f"bootstrap of {n_speakers} speakers, {n_frames} frames, 4 quantities, {resamples} resamples\n")
    cells = [f"{np.median(rounds['loop']):.2f}", f"{np.median(rounds['ours']):.3f}"]
    print(table(["loop, s", "ours, s", "ratio"], [[*cells, f"{ratio(rounds['loop'], rounds['ours']):.0f}"]]))


def check(predictor: MDN, latents: Tensor, windows: Windows, few: Tensor, scaling: Scaling) -> None:
    """The loops compute what the batches do."""
    scores = score_frames(predictor, Windows(latents, few, W), HORIZON, scaling)
    np.testing.assert_allclose(scores.nll, loop_nll(predictor, latents, few), rtol=1e-5)
    np.testing.assert_allclose(scores, loop_scores(predictor, latents, few, scaling)[list(scores)], rtol=1e-3)
    gaps = rollout_gap(predictor, windows.only(torch.arange(len(few))), HORIZON)
    np.testing.assert_allclose(gaps, loop_rollout_gap(predictor, latents, few), rtol=1e-2, atol=1e-2)


@torch.inference_mode()
def loop_nll(predictor: MDN, latents: Tensor, rows: Tensor) -> list[float]:
    scores = []
    for t in rows.tolist():
        context = latents[t - HORIZON - W + 1 : t - HORIZON + 1]
        delta = latents[t] - latents[t - 1]
        scores.append(-float(predictor.density(context[None]).log_prob(delta[None])))
    return scores


@torch.inference_mode()
def loop_scores(predictor: MDN, latents: Tensor, rows: Tensor, scaling: Scaling) -> pd.DataFrame:
    moments = (scaling.delta_mean, scaling.delta_std, scaling.frame_mean, scaling.frame_std)
    delta_mean, delta_std, frame_mean, frame_std = (moment.float() for moment in moments)
    diagonal = diagonal_gaussian(delta_mean[None], delta_std.log()[None])
    full = FullGaussian(delta_mean[None], torch.linalg.cholesky(scaling.delta_covariance).float())
    level = diagonal_gaussian(frame_mean[None], frame_std.log()[None])
    scores = []
    for t in rows.tolist():
        delta = latents[t] - latents[t - 1]
        density = predictor.density(latents[t - HORIZON - W + 1 : t - HORIZON + 1][None])
        mean = density.mean()[0]
        values = {
            "nll": -density.log_prob(delta[None]),
            "nll_baseline": -diagonal.log_prob(delta[None]),
            "nll_full": -full.log_prob(delta[None]),
            "nll_level": -level.log_prob(latents[t][None]),
            "cosine": torch.cosine_similarity(mean, delta, dim=0),
            "log_norm": delta.norm().log(),
            "log_norm_of_mean": mean.norm().log(),
            "mean_log_norm": density.mean_log_norm(),
            "error": (delta - mean).square().sum(),
            "spread": (delta - delta_mean).square().sum(),
        }
        facts = {f"fact_{name}": value for name, value in density.facts().items()}
        scores.append({name: float(value) for name, value in (values | facts).items()})
    return pd.DataFrame(scores)


@torch.inference_mode()
def loop_rollout_gap(predictor: MDN, latents: Tensor, rows: Tensor) -> list[float]:
    gaps = []
    for t in rows.tolist():
        states = list(latents[: t - HORIZON - W + 1][-(HORIZON + W) :])  # true frames up to t - k - W
        for _ in range(W):
            context = torch.stack(states[len(states) - HORIZON - W + 1 : len(states) - HORIZON + 1])
            states.append(states[-1] + predictor.density(context[None]).mean()[0])
        own = torch.stack(states[-W:])
        true = latents[t - HORIZON - W + 1 : t - HORIZON + 1]
        delta = (latents[t] - latents[t - 1])[None]
        own_nll, true_nll = (-float(predictor.density(c[None]).log_prob(delta)) for c in (own, true))
        gaps.append(own_nll - true_nll)
    return gaps


if __name__ == "__main__":
    main()
