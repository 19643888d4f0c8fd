"""The training loop: AdamW on an objective, a held-out curve, and a saved state from which a killed run continues.

The random numbers of a step are a function of the step, so the state of no generator is saved: on a CPU a resumed run
equals the uninterrupted one bit for bit.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latentdyn.errors import UserError
from latentdyn.progress import progress
from latentdyn.stores.tensors import read_tensors, write_tensors
from latentdyn.training.updates import Objective, Updates

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
    losses: list[Tensor] = field(default_factory=list)  # of the steps since the last validation; NaN of one left out


class Training:
    """One training of `model`, in place. It continues from `state_file` where that exists.

    Args:
        state_file: written now and then; the caller removes it. The training starts from the beginning if the file is
            damaged.
        name: how the log's lines begin.

    Attributes:
        curve: a record {step, train_{quantity}, validation_{quantity}} before the first step and at each validation,
            with `skipped` if the objective skips updates.

    Raises:
        UserError: a loss or its gradient is not finite (where such updates are skipped: too many of them); or the best
            step is to be chosen by held-out speakers, and there are none.
    """

    def __init__(
        self, model: nn.Module, objective: Objective, settings: TrainingSettings, *, state_file: Path, name: str = ""
    ) -> None:
        if settings.select == "best_validation" and not objective.held_out:
            raise UserError(
                "the best step is chosen by held-out training speakers, and there are none",
                "training.select, splits.validation of the corpus",
                "give splits.validation a share of the speakers, or set training.select to last",
            )
        self.model, self.objective, self.settings, self.name = model, objective, settings, name
        self.file = state_file
        rates = (settings.learning_rate, settings.weight_decay, settings.gradient_clip_norm)
        self._updates = Updates(model, objective, *rates)
        self._state = _load_state(state_file, self._updates.device)
        if self._state.step:
            model.load_state_dict(self._state.model)
            self._updates.load(self._state.optimizer)
            log.info("%scontinuing at step %d", name, self._state.step)
        self._check_every = 500 if self._updates.on_gpu else 1  # reading a loss stalls a GPU
        self._saved = time.monotonic()

    @property
    def curve(self) -> list[dict[str, float]]:
        return self._state.curve

    @property
    def step(self) -> int:
        return self._state.step

    @property
    def over(self) -> bool:
        return self.step >= self.settings.steps or _out_of_patience(self._state, self.settings)

    def begin(self) -> None:
        """Validate what the training begins with, unless it is continued."""
        if not self.curve:
            with self._updates.in_order():
                _validate(self.model, self.objective, self._state, self.settings, self.name)
        self.model.train()

    def advance(self, checkpoint_interval_s: float) -> None:
        """Do one step, with the validation that is due after it, and save what has not been saved for so long."""
        state = self._state
        state.losses.append(self._updates.update(state.step))
        at_validation = (state.step + 1) % self.settings.validate_every_steps == 0
        at_validation |= state.step + 1 == self.settings.steps
        if at_validation or (state.step + 1) % self._check_every == 0:
            with self._updates.in_order():
                _check_finite(self.objective, state, self.settings, self._check_every, self.file.parent)
        state.step += 1
        if at_validation:
            with self._updates.in_order():
                _validate(self.model, self.objective, state, self.settings, self.name)
            self.model.train()
        if time.monotonic() - self._saved > checkpoint_interval_s:
            self._save()

    def end(self) -> None:
        """Give the model the selected weights. The caller keeps them: the state is not saved once more."""
        state, name = self._state, self.name
        self._updates.wait()
        if self.settings.select == "best_validation":
            if not state.best:
                raise UserError(
                    f"{name}the best step is chosen by held-out speakers, and their loss was finite at no step",
                    "the representation's latents, frames of split validation",
                    "look for frames of validation speakers that are far from all others and leave them out, or set "
                    "training.select to last",
                )
            self.model.load_state_dict(state.best)
            end = "" if state.best_step else ": no update made it better than the start, which is kept"
            log.info("%sstep %d of %d is best on held-out speakers%s", name, state.best_step, state.step, end)
        self.objective.keep(state.step if self.settings.select == "last" else state.best_step)
        self.model.eval()

    def _save(self) -> None:
        with self._updates.in_order():
            self._state.model = self.model.state_dict()
            self._state.optimizer = self._updates.optimizer.state_dict()
            write_tensors(self.file, vars(self._state))
        self._saved = time.monotonic()


def run(trainings: Sequence[Training], checkpoint_interval_s: float = 60.0) -> Iterator[Training]:
    """Run trainings side by side, step by step in turns, and yield each as it ends.

    On a GPU they overlap: no model of ours fills one alone. Nothing that one of them does changes another.
    """
    if not trainings:
        return  # a bar for nothing would be drawn
    going = list(trainings)
    name = " ".join(training.name.strip(": ") for training in going)
    total = sum(training.settings.steps for training in going)
    done = sum(training.step for training in going)
    bar = progress(total=total, initial=done, desc=name or None, unit="step", leave=False)
    try:
        for training in going:
            training.begin()
        while going:
            for training in list(going):
                if training.over:
                    training.end()
                    going.remove(training)
                    yield training
                else:
                    training.advance(checkpoint_interval_s)
                    bar.update()
    finally:  # nothing is saved here: an interrupted step may have changed the weights already, but not the counter
        bar.close()


def train(
    model: nn.Module,
    objective: Objective,
    settings: TrainingSettings,
    *,
    state_file: Path,
    name: str = "",
    checkpoint_interval_s: float = 60.0,
) -> list[dict[str, float]]:
    """Run one training (see Training) and return its curve."""
    training = Training(model, objective, settings, state_file=state_file, name=name)
    for _ in run([training], checkpoint_interval_s):
        pass
    return training.curve


def _validate(
    model: nn.Module, objective: Objective, state: TrainingState, settings: TrainingSettings, name: str
) -> None:
    quantity = objective.quantity
    losses = torch.stack(state.losses).double() if state.losses else torch.empty(0)
    trained = float(losses.nanmean())
    model.eval()
    held_out = objective.held_out_loss() if objective.held_out else math.nan
    point = {"step": state.step, f"train_{quantity}": trained, f"validation_{quantity}": held_out}
    of_training = f"train {trained:.4f}, " if state.losses else ""
    log.info("%sstep %d: %sheld-out %.4f %s", name, state.step, of_training, held_out, objective.unit)
    if objective.skips_nonfinite:
        point["skipped"] = int(losses.isnan().sum())
        if point["skipped"]:
            log.warning("%sstep %d: %d updates were not finite and left out", name, state.step, point["skipped"])
    state.curve.append(point)
    state.losses.clear()
    if held_out < state.best_loss and settings.select == "best_validation":
        state.best_loss, state.best_step = held_out, state.step
        state.best = {name: value.detach().clone() for name, value in model.state_dict().items()}


def _out_of_patience(state: TrainingState, settings: TrainingSettings) -> bool:
    if settings.patience_validations is None or settings.select != "best_validation":
        return False
    return sum(point["step"] > state.best_step for point in state.curve) >= settings.patience_validations


def _check_finite(
    objective: Objective, state: TrainingState, settings: TrainingSettings, newest: int, folder: Path
) -> None:
    """Look at the losses of the newest steps.

    Raises:
        UserError: an update was not finite and the objective does not skip such; or too many since the last validation
            were not.
    """
    if torch.isfinite(torch.stack(state.losses[-newest:])).all():
        return
    lost = (~torch.isfinite(torch.stack(state.losses))).nonzero().flatten().tolist()
    first = state.step + 1 - len(state.losses)
    if not objective.skips_nonfinite:
        raise objective.nonfinite_error(first + lost[0], folder)
    if len(lost) > _MOST_SKIPPED * settings.validate_every_steps:
        raise objective.nonfinite_error(first + lost[-1], folder)


def _load_state(file: Path, device: torch.device) -> TrainingState:
    """The saved state on the model's device, wherever it was saved; a fresh one if there is none."""
    return TrainingState(**(read_tensors(file, device) or {}))
