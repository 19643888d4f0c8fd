"""State information by a mixture density network (Bishop 1994): what a straight line does not see counts, too.

    I(z_t; x_{t+j}) = NLL[x_{t+j}] - NLL[x_{t+j} | z_t]

Both densities are mixtures of K diagonal Gaussians over what a straight line leaves of x_{t+j}, in the axes and
deviations of its residual. A network reads z_t and says which mixture. Where nothing is known the line is the mean, and
the mixture is constant. Each begins as the line with one Gaussian about it (see information), is fitted to training
speakers, and keeps the weights that are best on validation speakers, the beginning included.

A fitted density has on average a higher NLL than the true one. So the second term alone makes the estimate too small,
and it is a lower bound in expectation if the first term is right. Where the constant mixture is not the true density of
frames, the first is too large as well. Less what states in random order tell, the first cancels, and what the network
misses of those stands in its place. The estimate can be below that of the line: validation speakers choose the weights,
and others are scored.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentdyn.diagnostics.learned.pair import BySpeaker, Pair
from latentdyn.diagnostics.lines import Line, fit_lines
from latentdyn.diagnostics.rate import shuffled_rows
from latentdyn.distributions.gaussian_mixture import mixture_nll
from latentdyn.errors import UserError
from latentdyn.metrics import STATE_INFORMATION_MDN, STATE_INFORMATION_MDN_OVER_LINE, STATE_INFORMATION_MDN_WHOLE
from latentdyn.predictors.networks import build_network
from latentdyn.seeds import numpy_generator, seed_torch

_VALIDATED = 8192  # validation frames that choose the weights
_BLOCK = 4096

Contexts = Callable[[np.ndarray], np.ndarray]  # rows -> whitened frames (n, W, P)


@dataclass(frozen=True)
class MDNSettings:
    """n_components: K. network: kind and options of what reads a context (see predictors.networks). context_clip: bound
    of whitened numbers that it reads. log_sigma_min, log_sigma_max: bounds of log deviations, in those of the line's
    residual. steps, batch_size, learning_rate, weight_decay, gradient_clip_norm: of AdamW. validate_every_steps,
    patience_validations: the training ends after so many validations without a new best."""

    n_components: int
    network: dict[str, Any]
    context_clip: float
    log_sigma_min: float
    log_sigma_max: float
    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    gradient_clip_norm: float
    validate_every_steps: int
    patience_validations: int


def state_information_mdn(
    pair: Pair, horizons: Sequence[int], settings: MDNSettings, *,
    window: bool, ridges: Sequence[float], max_frames: int, resamples: int, seed_names: tuple[object, ...],
) -> BySpeaker:  # fmt: skip
    """The information at every horizon: less that of shuffled states, as it is, and the first less that by a line.

    Intervals are over eval speakers, not over trainings.

    Args:
        window: beside the state (mode `frame`), tell it of W frames of the reference (`window`), a ceiling of states.
        max_frames: of the eval speakers; more are subsampled.

    Raises:
        UserError: as of `fit_lines`, there are no validation speakers, or a loss is not finite.
    """
    validation = pair.rows("validation")
    if not len(validation):
        raise UserError(
            "held-out training speakers choose the weights of the mixture, and there are none",
            "splits.validation of the corpus",
            "give splits.validation a share of the speakers, and utterances that are long enough",
        )
    scored = pair.some("eval", max_frames, seed_names)
    means = BySpeaker(scored, resamples, seed_names)
    order = shuffled_rows(pair.origins, len(pair.own.frames), (*seed_names, "order")).numpy()
    rows = _Rows(pair.rows("train"), validation, scored["row"].to_numpy())

    def told(contexts: Contexts, lines: Sequence[Line], name: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """At each horizon: NLL (n,) of the scored frames by the line, and by the mixture."""
        of = zip(horizons, lines, strict=True)
        return [
            _told(contexts, line, pair.reference.white, h, rows, settings, (*seed_names, name, h)) for h, line in of
        ]

    def of_state(contexts: Contexts, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
        def pairs(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return _flat(contexts(at)), pair.reference.white[pair.ahead_of(at, horizons)]

        return told(contexts, fit_lines(pairs, rows.train, rows.validation, ridges), name)

    nothing = [_mean_alone(pair.reference.white[rows.train + h]) for h in horizons]
    marginal = told(lambda at: np.empty((len(at), 1, 0)), nothing, "nothing")
    for mode, state in _states(pair, window).items():
        true, still = of_state(state, mode), of_state(_at(state, order), f"{mode}, shuffled")
        for h, (_, alone), (line, mdn), (line_still, mdn_still) in zip(horizons, marginal, true, still, strict=True):
            where = {"split": "eval", "slice": "all", "horizon": h, "mode": mode}
            means.add(STATE_INFORMATION_MDN, mdn_still - mdn, **where)
            means.add(STATE_INFORMATION_MDN_WHOLE, alone - mdn, **where)
            means.add(STATE_INFORMATION_MDN_OVER_LINE, mdn_still - mdn - (line_still - line), **where)
    return means


@dataclass(frozen=True)
class _Rows:
    """Rows of the store: to fit to, to choose by, to score."""

    train: np.ndarray
    validation: np.ndarray
    scored: np.ndarray


class _Mixture(nn.Module):
    """A network whose outputs, the numbers of a mixture, are scaled by trained numbers that begin at 0: one Gaussian of
    mean 0 and deviations 1 (ReZero, Bachlechner et al. 2021)."""

    def __init__(self, settings: MDNSettings, network: dict[str, Any], shape: tuple[int, int], dim: int) -> None:
        super().__init__()
        outputs = settings.n_components * (1 + 2 * dim)
        self.network = build_network(network, shape[1], shape[0], outputs)
        self.scale = nn.Parameter(torch.zeros(outputs))
        self.head = (settings.n_components, settings.log_sigma_min, settings.log_sigma_max)
        self.clip = settings.context_clip

    def nll(self, contexts: Tensor, residuals: Tensor) -> Tensor:
        """NLL (n,) of standardised residuals (n, Q) given contexts (n, W, P)."""
        return mixture_nll(self.scale * self.network(contexts.clamp(-self.clip, self.clip)), residuals, *self.head)


def _told(
    contexts: Contexts, line: Line, white: np.ndarray, ahead: int, rows: _Rows, settings: MDNSettings,
    names: tuple[object, ...],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """NLL (n,) of the scored rows' frames so many later, by the line, and by the mixture about it.

    Raises:
        UserError: the line leaves nothing of a direction, or a loss is not finite.
    """
    by_line = line.nll(_flat(contexts(rows.scored)), white[rows.scored + ahead])
    values, axes = np.linalg.eigh(line.covariance)
    into = axes / np.sqrt(values)

    def left(at: np.ndarray) -> Tensor:
        """Standardised residuals (n, Q) float32."""
        blocks = np.split(at, range(_BLOCK, len(at), _BLOCK))
        found = [(white[block + ahead] - line.mean(_flat(contexts(block)))) @ into for block in blocks]
        return torch.from_numpy(np.concatenate(found).astype(np.float32))

    def read(at: np.ndarray) -> Tensor:
        return torch.from_numpy(contexts(at).astype(np.float32))

    @torch.inference_mode()
    def nll(at: np.ndarray, residuals: Tensor) -> np.ndarray:
        blocks = zip(np.split(at, range(_BLOCK, len(at), _BLOCK)), residuals.split(_BLOCK), strict=True)
        return np.concatenate([model.nll(read(block), mine).double().numpy() for block, mine in blocks])

    seed_torch(torch.device("cpu"), *names)
    shape, known = contexts(rows.train[:1]).shape[1:], len(line.weight) > 0
    model = _Mixture(settings, settings.network if known else {"kind": "none"}, shape, len(values))
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    chosen = numpy_generator(*names, "validation").permutation(rows.validation)[:_VALIDATED]
    training, validation = left(rows.train), left(chosen)
    best, waited, kept = math.inf, 0, {}
    for step in range(settings.steps + 1):
        if step % settings.validate_every_steps == 0 or step == settings.steps:
            model.eval()
            now = float(nll(chosen, validation).mean())
            if not math.isfinite(now):
                raise _not_finite(step)
            if now < best:
                best, waited, kept = now, 0, {name: value.clone() for name, value in model.state_dict().items()}
            elif (waited := waited + 1) >= settings.patience_validations:
                break
            model.train()
        if step < settings.steps:
            drawn = numpy_generator(*names, "batch", step).integers(0, len(training), settings.batch_size)
            loss = model.nll(read(rows.train[drawn]), training[torch.from_numpy(drawn)]).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip_norm)
            optimizer.step()
    model.load_state_dict(kept)
    model.eval()
    return by_line, nll(rows.scored, left(rows.scored)) + 0.5 * float(np.log(values).sum())


def _not_finite(step: int) -> UserError:
    return UserError(
        f"the NLL of validation frames by the mixture is not finite after {step} updates",
        "the representation's latents, learning_rate and log_sigma_min of the section",
        "look for outliers in these latents, or lower learning_rate, or raise log_sigma_min",
    )


def _mean_alone(frames: np.ndarray) -> Line:
    """The line that knows nothing, of frames (n, Q)."""
    covariance = np.atleast_2d(np.cov(frames.T))
    return Line(np.empty((0, frames.shape[1])), frames.mean(axis=0), covariance)


def _states(pair: Pair, window: bool) -> dict[str, Contexts]:
    steps = range(1 - pair.window_frames, 1)
    found: dict[str, Contexts] = {"frame": lambda rows: pair.own.white[rows][:, None]}
    return found | ({"window": lambda rows: pair.reference.white[pair.ahead_of(rows, steps)]} if window else {})


def _at(state: Contexts, order: np.ndarray) -> Contexts:
    """The state of another row in place of each row's own."""
    return lambda rows: state(order[rows])


def _flat(contexts: np.ndarray) -> np.ndarray:
    return contexts.reshape(len(contexts), -1)
