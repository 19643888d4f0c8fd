"""von Mises-Fisher on the sphere of R^512: the log-normaliser and the sampler against what one would write first.

Run by hand: `python benchmarks/von_mises_fisher.py`. In turns, ways of

- log C_D of a million concentrations, with values and with gradients besides: ours, and scipy's `ive` (whose order is
  fixed, so that it needs no loop; its gradient takes `ive` once more). Ours is right for all of them, where `ive`
  underflows at small ones;
- draws with one concentration a row, as a head gives them: ours in one batch, Wood's algorithm in a loop over rows as
  published (in numpy), and `scipy.stats.vonmises_fisher` row by row, which rotates by a D x D matrix each time.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from scipy.special import ive
from scipy.stats import vonmises_fisher
from torch import Tensor

from latentdyn.distributions.bessel import log_vmf_normalizer, mean_resultant_length
from latentdyn.distributions.von_mises_fisher import sample_vmf
from measure import in_turns, machine, parse, ratio, seconds, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=512, metavar="D")
    parser.add_argument("--concentrations", type=int, default=1_000_000, help="of the normaliser (default 1000000)")
    parser.add_argument("--rows", type=int, default=8192, help="of our sampler; others take fewer (default 8192)")
    parser.add_argument("--repeats", type=int, default=7, help="rounds (default 7)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    arguments = parse(parser, quick={"dim": 16, "concentrations": 1000, "rows": 64, "repeats": 1})
    torch.set_num_threads(arguments.threads)
    print(f"{machine()}, D = {arguments.dim}\n")
    compare_normalizers(arguments.dim, arguments.concentrations, arguments.repeats)
    compare_samplers(arguments.dim, arguments.rows, arguments.repeats)


def compare_normalizers(dim: int, n: int, repeats: int) -> None:
    kappa = torch.logspace(0, 6, n, dtype=torch.float64)
    as_numpy = kappa.numpy()

    def rate(work: Callable[[], object]) -> Callable[[], float]:
        return lambda: n / seconds(work)

    def ours_with_gradient() -> None:
        log_vmf_normalizer(kappa, dim)
        mean_resultant_length(kappa, dim)

    pairs = {
        "values": (lambda: log_vmf_normalizer(kappa, dim), lambda: scipy_normalizer(as_numpy, dim)),
        "values and gradients": (ours_with_gradient, lambda: scipy_normalizer(as_numpy, dim, gradient=True)),
    }
    rows = []
    for name, (ours, scipys) in pairs.items():
        rounds = in_turns({"ours": rate(ours), "scipy": rate(scipys)}, repeats)
        rows.append([name, *(f"{np.median(r) / 1e6:.1f}" for r in rounds.values()), f"{ratio(*rounds.values()):.1f}"])
    print(table(["log C_D", "ours, million/s", "scipy ive, million/s", "ratio"], rows))
    lost = int((~np.isfinite(scipy_normalizer(as_numpy, dim))).sum())
    print(f"\nnot finite, of {n:,} from 1 to 1e6: scipy {lost:,}, ours ", end="")
    print(f"{int((~log_vmf_normalizer(kappa, dim).isfinite()).sum())}\n")


def scipy_normalizer(kappa: np.ndarray, dim: int, gradient: bool = False) -> np.ndarray:
    order = dim / 2 - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        bessel = ive(order, kappa)
        if gradient:
            ive(order + 1, kappa) / bessel
        log_c: np.ndarray = order * np.log(kappa) - (order + 1) * np.log(2 * np.pi) - np.log(bessel) - kappa
    return log_c


def compare_samplers(dim: int, rows: int, repeats: int) -> None:
    generator = torch.Generator().manual_seed(0)
    mu = torch.nn.functional.normalize(torch.randn(rows, dim, generator=generator), dim=1)
    kappa = 100 + 1000 * torch.rand(rows, generator=generator)
    rng = np.random.default_rng(0)

    def rate(draw: Callable[[Tensor, Tensor], object], n: int) -> Callable[[], float]:
        return lambda: n / seconds(lambda: draw(mu[:n], kappa[:n]))

    def loop(mu: Tensor, kappa: Tensor) -> list[np.ndarray]:
        return [wood(m, float(k), rng) for m, k in zip(mu.double().numpy(), kappa, strict=True)]

    def scipys(mu: Tensor, kappa: Tensor) -> list[np.ndarray]:
        pairs = zip(mu.double().numpy(), kappa.tolist(), strict=True)
        return [vonmises_fisher(m / np.linalg.norm(m), k).rvs(1, random_state=rng) for m, k in pairs]

    rounds = in_turns(
        {
            "ours, one batch": rate(lambda mu, kappa: sample_vmf(mu, kappa, generator), rows),
            "ours, one batch in float64": rate(lambda mu, kappa: sample_vmf(mu.double(), kappa, generator), rows),
            "Wood, row by row": rate(loop, rows // 8),
            "scipy, row by row": rate(scipys, max(1, rows // 512)),
        },
        repeats,
    )
    ours = rounds["ours, one batch"]
    print(
        table(
            ["one draw a row", "draws/s", "ours over it"],
            [[name, f"{np.median(rates):,.0f}", f"{ratio(ours, rates):.1f}"] for name, rates in rounds.items()],
        )
    )


def wood(mu: np.ndarray, kappa: float, rng: np.random.Generator) -> np.ndarray:
    """One draw, by the algorithm as it is published (Wood 1994)."""
    n = len(mu) - 1
    b = n / (2 * kappa + np.sqrt(4 * kappa**2 + n**2))
    x0 = (1 - b) / (1 + b)
    c = kappa * x0 + n * np.log(1 - x0**2)
    while True:
        z = rng.beta(n / 2, n / 2)
        w = (1 - (1 + b) * z) / (1 - (1 - b) * z)
        if kappa * w + n * np.log(1 - x0 * w) - c >= np.log(rng.uniform()):
            break
    v = rng.standard_normal(len(mu))
    v -= (v @ mu) * mu
    drawn: np.ndarray = w * mu + np.sqrt(1 - w**2) * v / np.linalg.norm(v)
    return drawn


if __name__ == "__main__":
    main()
