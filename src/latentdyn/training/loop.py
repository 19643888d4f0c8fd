"""The training loop: likelihood by AdamW, a held-out curve, and a state from which a killed run continues bit for bit.

What a step draws is a function of (seed names, step), so a resumed run needs no sampler state: on a CPU it equals the
uninterrupted run exactly.
"""

import io
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from latentdyn.errors import UserError
from latentdyn.files import atomic_path
from latentdyn.predictors.base import TrainedPredictor
from latentdyn.seeds import numpy_generator, seed_for
from latentdyn.stores.windows import Windows

log = logging.getLogger(__name__)

_VALIDATION_FRAMES = 16_384
_EVALUATION_BATCH = 2048


@dataclass(frozen=True)
class TrainingSettings:
    """Hyperparameters of one training (seed 001, Appendix B gives the defaults of the config)."""

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    gradient_clip_norm: float
    validate_every_steps: int
    select: str
    patience_validations: int | None


@dataclass
class TrainingState:
    """All that changes while training; saved whole, and nothing else is needed to continue."""

    step: int = 0
    model: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_step: int = 0
    best_nll: float = float("inf")
    curve: list[dict[str, float]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)  # of the steps since the last validation


def train(
    predictor: TrainedPredictor,
    train_windows: Windows,
    validation_windows: Windows | None,
    k: int,
    settings: TrainingSettings,
    *,
    seed_names: tuple[object, ...],
    state_file: Path,
    checkpoint_interval_s: float = 60.0,
) -> list[dict[str, float]]:
    """Fit `predictor` at staleness k, continuing from `state_file` where it exists.

    Args:
        seed_names: what names this run's random numbers.
        state_file: written every `checkpoint_interval_s` and at the end; the caller removes it.

    Returns:
        The held-out curve: a record {k, step, train_nll, validation_nll} for each validation. The predictor holds the
        selected weights.

    Raises:
        UserError: the loss stopped being finite; the batch is saved beside the state.
    """
    if settings.select == "best_validation" and validation_windows is None:
        raise UserError(
            "the best step is chosen by held-out training speakers, and there are none",
            "training.select of the predictor, splits.validation of the corpus",
            "give splits.validation a share of the speakers, or set training.select to last",
        )
    device = train_windows.latents.device
    optimizer = torch.optim.AdamW(
        predictor.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    state = _load_state(state_file)
    if state.step:
        predictor.load_state_dict(state.model)
        optimizer.load_state_dict(state.optimizer)
        log.info("k=%d: continuing at step %d", k, state.step)
    held_out = _validation_subset(validation_windows, seed_names)
    parameters = list(predictor.parameters())
    check_every = 1 if device.type == "cpu" else 50  # reading a loss stalls a GPU
    saved = time.monotonic()
    bar = tqdm(
        total=settings.steps, initial=state.step, desc=f"k={k}", unit="step", disable=None, mininterval=1.0, leave=False
    )
    try:
        while state.step < settings.steps and not _out_of_patience(state, settings):
            index = _batch_index(len(train_windows), settings.batch_size, seed_names, state.step).to(device)
            torch.manual_seed(seed_for(*seed_names, "dropout", state.step))
            context, delta = train_windows.batch(index, k)
            predictor.train()
            loss = predictor.nll(context, delta).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, settings.gradient_clip_norm)
            state.losses.append(loss.detach())
            at_validation = (state.step + 1) % settings.validate_every_steps == 0 or state.step + 1 == settings.steps
            if at_validation or len(state.losses) % check_every == 0:
                _check_finite(state.losses, state.step, k, train_windows, settings, seed_names, state_file.parent)
            optimizer.step()
            state.step += 1
            bar.update()
            if at_validation:
                _validate(predictor, held_out, k, state, settings)
            if time.monotonic() - saved > checkpoint_interval_s:
                _save_state(state_file, state, predictor, optimizer)
                saved = time.monotonic()
    finally:  # an interrupted run continues from its last whole save: a step cut off half-way is no state
        bar.close()
    _save_state(state_file, state, predictor, optimizer)
    if settings.select == "best_validation":
        predictor.load_state_dict(state.best)
        log.info("k=%d: step %d of %d is best on held-out speakers", k, state.best_step, state.step)
    predictor.eval()
    return state.curve


@torch.inference_mode()
def mean_nll(predictor: TrainedPredictor, windows: Windows, k: int) -> float:
    """Mean NLL over all frames of `windows`, nats a frame, summed in float64."""
    predictor.eval()
    total = 0.0
    for start in range(0, len(windows), _EVALUATION_BATCH):
        total += float(predictor.nll(*windows.batch(slice(start, start + _EVALUATION_BATCH), k)).double().sum())
    return total / len(windows)


def _validate(
    predictor: TrainedPredictor,
    held_out: Windows | None,
    k: int,
    state: TrainingState,
    settings: TrainingSettings,
) -> None:
    train_nll = float(torch.stack(state.losses).double().mean())
    state.losses.clear()
    validation_nll = mean_nll(predictor, held_out, k) if held_out is not None else float("nan")
    state.curve.append({"k": k, "step": state.step, "train_nll": train_nll, "validation_nll": validation_nll})
    log.info("k=%d step %d: train %.3f, held-out %.3f nats/frame", k, state.step, train_nll, validation_nll)
    if validation_nll < state.best_nll and settings.select == "best_validation":
        state.best_nll, state.best_step = validation_nll, state.step
        state.best = {name: value.detach().clone() for name, value in predictor.state_dict().items()}


def _out_of_patience(state: TrainingState, settings: TrainingSettings) -> bool:
    if settings.patience_validations is None or settings.select != "best_validation" or not state.curve:
        return False
    return sum(point["step"] > state.best_step for point in state.curve) >= settings.patience_validations


def _batch_index(n: int, batch_size: int, seed_names: tuple[object, ...], step: int) -> Tensor:
    return torch.from_numpy(numpy_generator(*seed_names, "batch", step).integers(0, n, batch_size))


def _validation_subset(windows: Windows | None, seed_names: tuple[object, ...]) -> Windows | None:
    if windows is None or len(windows) <= _VALIDATION_FRAMES:
        return windows
    chosen = numpy_generator(*seed_names, "validation").choice(len(windows), _VALIDATION_FRAMES, replace=False)
    return Windows(
        windows.latents, windows.rows[torch.from_numpy(np.sort(chosen)).to(windows.rows.device)], windows.window_frames
    )


def _check_finite(
    losses: list[Tensor],
    step: int,
    k: int,
    windows: Windows,
    settings: TrainingSettings,
    seed_names: tuple[object, ...],
    folder: Path,
) -> None:
    finite = torch.isfinite(torch.stack(losses))
    if finite.all():
        return
    bad_step = step - len(losses) + 1 + int((~finite).nonzero()[0])
    index = _batch_index(len(windows), settings.batch_size, seed_names, bad_step).to(windows.rows.device)
    context, delta = windows.batch(index, k)
    with atomic_path(folder / f"nonfinite_batch_k{k}.npz") as temporary, open(temporary, "wb") as file:
        np.savez(file, rows=windows.rows[index].cpu(), context=context.cpu(), delta=delta.cpu(), step=bad_step)
    norm, worst = delta.norm(dim=1).max(0)
    raise UserError(
        f"training stopped: the loss is not finite at step {bad_step} of horizon k={k} (largest ||Δx|| in its batch: "
        f"{float(norm):.4g}, at store row {int(windows.rows[index][worst])})",
        folder / f"nonfinite_batch_k{k}.npz, the batch",
        "look for outliers in these latents, lower training.learning_rate or raise log_sigma_min",
    )


def _save_state(
    file: Path, state: TrainingState, predictor: TrainedPredictor, optimizer: torch.optim.Optimizer
) -> None:
    state.model, state.optimizer = predictor.state_dict(), optimizer.state_dict()
    save_state(file, vars(state))


def save_state(file: Path, value: Any) -> None:
    """Write tensors and plain values whole or not at all; `torch.load(weights_only=True)` reads them."""
    buffer = io.BytesIO()  # written by Python: torch's own writer hides what is wrong with a disk
    torch.save(value, buffer)
    with atomic_path(file) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def _load_state(file: Path) -> TrainingState:
    if not file.exists():
        return TrainingState()
    return TrainingState(**torch.load(file, weights_only=True))
