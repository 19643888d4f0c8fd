"""Rollouts with injections of the paper's MDN: all segments and modes in batches, against a loop over segments.

Run by hand: `python benchmarks/rollout.py --threads 1`. 16 utterances x 8 segments x 16 steps x 4 modes, as in seed
003. Both compute, at each step, the likelihood of the true step and the mean. The loop is timed on few segments, for
its cost is the same for each. What modes share (C is D, B is D until truth first enters) the diagnostic computes once
and the loop each time; beside it, the batch with all four modes rolled out.
"""

import argparse

import numpy as np
import torch
from torch import Tensor

from latentdyn.diagnostics.rollout import rollout, rollout_modes
from latentdyn.predictors.mdn import MDN
from measure import in_turns, machine, paper_mdn, parse, ratio, seconds, table

W, STEPS = 8, 16
MODES = {"A": range(1, STEPS + 1), "B": (4, 8, 12), "C": (1,), "D": ()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=512, metavar="D", help="dimensions of the latents (default 512)")
    parser.add_argument("--segments", type=int, default=16 * 8, help="rolled out in one batch (default 128)")
    parser.add_argument("--loop-segments", type=int, default=4, help="the loop is timed on (default 4)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    arguments = parse(parser, quick={"dim": 8, "segments": 4, "loop_segments": 1, "repeats": 1})
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    predictor = paper_mdn(arguments.dim, W).eval()
    truth = torch.randn(arguments.segments, W + STEPS, arguments.dim)
    few = truth[: arguments.loop_segments]
    expected = loop(predictor, few)
    ways = {"batched": modes, "batched, nothing shared": all_modes}
    for way in ways.values():
        np.testing.assert_allclose(way(predictor, few), expected, rtol=1e-4)
    rounds = in_turns(
        {"loop": lambda: len(few) / seconds(lambda: loop(predictor, few))}
        | {name: lambda way=way: len(truth) / seconds(lambda: way(predictor, truth)) for name, way in ways.items()},
        arguments.repeats,
    )
    print(f"{machine()}\n\n{STEPS} steps x {len(MODES)} modes\n")
    rows = [[name, f"{np.median(rates):,.1f}", f"{ratio(rates, rounds['loop']):.1f}"] for name, rates in rounds.items()]
    print(table(["", "segments/s", "over the loop"], rows))


def modes(predictor: MDN, truth: Tensor) -> np.ndarray:
    """NLLs, (modes, segments, steps), as the diagnostic computes them."""
    found = rollout_modes(predictor, truth, STEPS, MODES["B"])
    return np.stack([found[mode].nll.numpy() for mode in MODES])


def all_modes(predictor: MDN, truth: Tensor) -> np.ndarray:
    """The same with every mode rolled out, in one batch."""
    masks = torch.tensor([[s in injected for s in range(1, STEPS + 1)] for injected in MODES.values()])
    n = len(truth)
    found = rollout(predictor, truth.repeat(len(MODES), 1, 1), STEPS, masks.repeat_interleave(n, dim=0))
    return found.nll.view(len(MODES), n, STEPS).numpy()


@torch.inference_mode()
def loop(predictor: MDN, truth: Tensor) -> np.ndarray:
    """As the definition reads: one mode, one segment, one step after another."""
    nll = np.empty((len(MODES), len(truth), STEPS))
    for m, injected in enumerate(MODES.values()):
        for b, x in enumerate(truth):
            states = list(x[:W])
            for s in range(1, STEPS + 1):
                if s in injected:
                    states[-1] = x[W + s - 2]
                density = predictor.density(torch.stack(states[-W:])[None])
                nll[m, b, s - 1] = -float(density.log_prob((x[W + s - 1] - x[W + s - 2])[None]))
                states.append(states[-1] + density.mean()[0])
    return nll


if __name__ == "__main__":
    main()
