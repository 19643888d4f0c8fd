"""Rollouts with injections of the paper's MDN: all segments and modes in one batch, against a loop over segments.

Run by hand: `python benchmarks/rollout.py --threads 1`. 16 utterances x 8 segments x 16 steps x 4 modes, as in seed
003. Both compute, at each step, the likelihood of the true step and the mean. The loop is timed on few segments, for
its cost is the same for each. Of the modes C is D (see latentdyn.diagnostics.rollout), which the diagnostic makes use
of and the loop does not; the batch is timed with C rolled out too, beside it.
"""

import argparse

import numpy as np
import torch
from torch import Tensor

from latentdyn.diagnostics.rollout import rollout
from latentdyn.predictors.mdn import MDN
from measure import in_turns, machine, ratio, seconds, table

W, D, STEPS = 8, 512, 16
MODES = {"A": range(1, STEPS + 1), "B": (4, 8, 12), "C": (1,), "D": ()}
ROLLED = {"batched, C is D": "ABD", "batched, C too": "ABCD"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=16 * 8, help="rolled out in one batch (default 128)")
    parser.add_argument("--loop-segments", type=int, default=4, help="the loop is timed on (default 4)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    predictor = MDN(D, W, network={"kind": "mlp", "width": 1024, "layers": 2}).eval()
    truth = torch.randn(arguments.segments, W + STEPS, D)
    few = truth[: arguments.loop_segments]
    expected = loop(predictor, few)
    for rolled in ROLLED.values():
        np.testing.assert_allclose(batch(predictor, few, rolled), expected, rtol=1e-4)
    rounds = in_turns(
        {"loop": lambda: len(few) / seconds(lambda: loop(predictor, few))}
        | {
            name: lambda rolled=rolled: len(truth) / seconds(lambda: batch(predictor, truth, rolled))
            for name, rolled in ROLLED.items()
        },
        arguments.repeats,
    )
    print(f"{machine()}\n\n{STEPS} steps x {len(MODES)} modes\n")
    rows = [[name, f"{np.median(rates):,.1f}", f"{ratio(rates, rounds['loop']):.1f}"] for name, rates in rounds.items()]
    print(table(["", "segments/s", "over the loop"], rows))


def batch(predictor: MDN, truth: Tensor, rolled: str) -> np.ndarray:
    """NLLs, (modes, segments, steps); a mode that is not among those rolled out is C, and has D's."""
    masks = torch.tensor([[s in MODES[mode] for s in range(1, STEPS + 1)] for mode in rolled])
    n = len(truth)
    found = rollout(predictor, truth.repeat(len(rolled), 1, 1), STEPS, masks.repeat_interleave(n, dim=0))
    nll = dict(zip(rolled, found.nll.view(len(rolled), n, STEPS).numpy(), strict=True))
    return np.stack([nll[mode if mode in nll else "D"] for mode in MODES])


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
