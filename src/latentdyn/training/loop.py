"""The training loop: AdamW on an objective, a held-out curve, and a saved state from which a killed run continues.

The random numbers of a step are a function of the step, so the state of no generator is saved: on a CPU a resumed run
equals the uninterrupted one bit for bit.
"""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latentdyn.errors import UserError
from latentdyn.progress import progress
from latentdyn.stores.tensors import read_tensors, write_tensors

log = logging.getLogger(__name__)

_MOST_SKIPPED = 0.1  # of the updates between two validations


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

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "TrainingSettings":
        """Those in a section `training`; what else it holds belongs to the objective."""
        return cls(**{setting.name: section[setting.name] for setting in fields(cls)})


class Objective:
    """What training makes small.

    quantity, unit: name and unit of the loss, for the curve and the log. held_out: whether there are held-out speakers.
    skips_nonfinite: an update that is not finite is left out and counted, instead of ending the training.
    """

    quantity: str
    unit: str
    held_out: bool
    skips_nonfinite = False

    def loss(self, step: int) -> Tensor:
        """Mean loss of the batch of this step; all its random numbers are a function of `step`."""
        raise NotImplementedError  # abstract

    def held_out_loss(self) -> float:
        """Mean loss over held-out speakers, with the same draws each time."""
        raise NotImplementedError  # abstract

    def keep(self, step: int) -> None:
        """Take note that the model holds the weights of this step for good; 0: those that the training began with."""

    def nonfinite_error(self, step: int, folder: Path) -> UserError:
        """The error to raise if this step's loss is not finite; the batch may be written to `folder`."""
        raise NotImplementedError  # abstract


@dataclass
class TrainingState:
    """All that changes while training. It is saved as a whole, and nothing else is needed to continue."""

    step: int = 0
    model: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_step: int = 0
    best_loss: float = math.inf
    curve: list[dict[str, float]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)  # of the steps since the last validation
    skipped: int = 0  # updates since then that were left out, not being finite


def train(
    model: nn.Module,
    objective: Objective,
    settings: TrainingSettings,
    *,
    state_file: Path,
    name: str = "",
    checkpoint_interval_s: float = 60.0,
) -> list[dict[str, float]]:
    """Train `model` in place, continuing from `state_file` where it exists.

    Args:
        state_file: written every `checkpoint_interval_s` and at the end; the caller removes it. The training starts
            from the beginning if the file is damaged.
        name: how the log's lines begin.

    Returns:
        The held-out curve: a record {step, train_{quantity}, validation_{quantity}} before the first step and at each
        validation, with `skipped` if the objective skips updates. The model then holds the selected weights.

    Raises:
        UserError: a loss is not finite (where such updates are skipped: too many of them); or the best step is to be
            chosen by held-out speakers, and there are none.
    """
    if settings.select == "best_validation" and not objective.held_out:
        raise UserError(
            "the best step is chosen by held-out training speakers, and there are none",
            "training.select, splits.validation of the corpus",
            "give splits.validation a share of the speakers, or set training.select to last",
        )
    parameters = list(model.parameters())
    groups = _by_learning_rate(model, settings.learning_rate)
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
    state = _load_state(state_file, parameters[0].device)
    if state.step:
        model.load_state_dict(state.model)
        optimizer.load_state_dict(state.optimizer)
        log.info("%scontinuing at step %d", name, state.step)
    check_every = 1 if parameters[0].device.type == "cpu" else 50  # reading a loss stalls a GPU
    saved = time.monotonic()
    bar = progress(total=settings.steps, initial=state.step, desc=name.strip(": ") or None, unit="step", leave=False)
    try:
        if not state.curve:
            _validate(model, objective, state, settings, name)
        while state.step < settings.steps and not _out_of_patience(state, settings):
            model.train()
            loss = objective.loss(state.step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(parameters, settings.gradient_clip_norm)
            at_validation = (state.step + 1) % settings.validate_every_steps == 0 or state.step + 1 == settings.steps
            if objective.skips_nonfinite and not torch.isfinite(norm + loss):
                state.skipped += 1
                if state.skipped > _MOST_SKIPPED * settings.validate_every_steps:
                    raise objective.nonfinite_error(state.step, state_file.parent)
            else:
                state.losses.append(loss.detach())
                if at_validation or len(state.losses) % check_every == 0:
                    _check_finite(objective, state, state_file.parent)
                optimizer.step()
            state.step += 1
            bar.update()
            if at_validation:
                _validate(model, objective, state, settings, name)
            if time.monotonic() - saved > checkpoint_interval_s:
                _save_state(state_file, state, model, optimizer)
                saved = time.monotonic()
    finally:  # nothing is saved here: an interrupted step may have changed the weights already, but not the counter
        bar.close()
    _save_state(state_file, state, model, optimizer)
    if settings.select == "best_validation":
        if not state.best:
            raise UserError(
                f"{name}the best step is chosen by held-out speakers, and their loss was finite at no step",
                "the representation's latents, frames of split validation",
                "look for frames of validation speakers that are far from all others and leave them out, or set "
                "training.select to last",
            )
        model.load_state_dict(state.best)
        log.info("%sstep %d of %d is best on held-out speakers", name, state.best_step, state.step)
    objective.keep(state.step if settings.select == "last" else state.best_step)
    model.eval()
    return state.curve


def _by_learning_rate(model: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
    """The parameters, in groups of one rate. A module with a `learning_rate` has it for what is directly its own."""
    groups: dict[float, list[nn.Parameter]] = {}
    for _, module in model.named_modules():
        rate = getattr(module, "learning_rate", learning_rate)
        groups.setdefault(rate, []).extend(module.parameters(recurse=False))
    return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]


def _validate(
    model: nn.Module, objective: Objective, state: TrainingState, settings: TrainingSettings, name: str
) -> None:
    quantity = objective.quantity
    trained = float(torch.stack(state.losses).double().mean()) if state.losses else math.nan
    model.eval()
    held_out = objective.held_out_loss() if objective.held_out else math.nan
    point = {"step": state.step, f"train_{quantity}": trained, f"validation_{quantity}": held_out}
    of_training = f"train {trained:.4f}, " if state.losses else ""
    log.info("%sstep %d: %sheld-out %.4f %s", name, state.step, of_training, held_out, objective.unit)
    if objective.skips_nonfinite:
        point["skipped"] = state.skipped
        if state.skipped:
            log.warning("%sstep %d: %d updates were not finite and left out", name, state.step, state.skipped)
    state.curve.append(point)
    state.losses.clear()
    state.skipped = 0
    if held_out < state.best_loss and settings.select == "best_validation":
        state.best_loss, state.best_step = held_out, state.step
        state.best = {name: value.detach().clone() for name, value in model.state_dict().items()}


def _out_of_patience(state: TrainingState, settings: TrainingSettings) -> bool:
    if settings.patience_validations is None or settings.select != "best_validation":
        return False
    return sum(point["step"] > state.best_step for point in state.curve) >= settings.patience_validations


def _check_finite(objective: Objective, state: TrainingState, folder: Path) -> None:
    finite = torch.isfinite(torch.stack(state.losses))
    if not finite.all():
        raise objective.nonfinite_error(state.step - len(state.losses) + 1 + int((~finite).nonzero()[0]), folder)


def _save_state(file: Path, state: TrainingState, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    state.model, state.optimizer = model.state_dict(), optimizer.state_dict()
    write_tensors(file, vars(state))


def _load_state(file: Path, device: torch.device) -> TrainingState:
    """The saved state on the model's device, wherever it was saved; a fresh one if there is none."""
    return TrainingState(**(read_tensors(file, device) or {}))
