"""Settings of small factorizers, as rule train_factorizer hands them on, and the process whose answers are exact."""

from typing import Any

import numpy as np

from latentdyn.config.representations.factorizer import Factorizer
from latentdyn.processes.state_space import StateSpace

NARROW = {"kind": "mlp", "width": 8, "layers": 1}
TINY = {"steps": 20, "batch_size": 8, "sequence_frames": 12, "validate_every_steps": 10}
PROCESS = StateSpace(4, 0, state_dim=4, radius=0.9, noise=0.3, window_frames=8)
ONE_DIRECTION = StateSpace(4, 0, state_dim=1, radius=0.95, noise=0.3, window_frames=8)
SIGMA = PROCESS.noise / float(np.sqrt(np.trace(PROCESS.frame_covariance) / PROCESS.dim))  # as a setting says it
# every part and every knob at once
EVERYTHING: dict[str, Any] = {
    "encoder": {"kind": "gru", "width": 8, "dropout": 0.2},
    "innovation": {"prior": "conditional", "beta_warmup_steps": 15, "free_nats": 0.5, "balance": 0.8,
                   "stop_gradient": True, "prior_sample_prob": 0.2, "channel_dropout": 0.2},
    "reconstructor": {"form": "additive", "learned_sigma": True},
    "dynamics": {"window_frames": 2, "network": NARROW,
                 "rollout": {"horizon": 3, "grow_steps": 10, "innovation": "sample"}},
    "future": {"weight": 0.5, "horizons": [1, 3], "network": NARROW},
}  # fmt: skip


def section(training: dict[str, Any] | None = None, **changes: Any) -> Factorizer:
    """A section of the config, small and with the process's own noise unless it says otherwise."""
    values: dict[str, Any] = {
        "kind": "factorizer", "source": "x", "dim": 4, "window_frames": 4, "encoder": {"kind": "linear"},
        "network": NARROW, "reconstructor": {"sigma": SIGMA}, "dynamics": {"network": {"kind": "linear"}},
        "training": TINY | (training or {}),
    }  # fmt: skip
    merged = {"reconstructor", "dynamics"} & changes.keys()
    return Factorizer.model_validate(values | changes | {name: values[name] | changes[name] for name in merged})


def settings(training: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return section(training, **changes).model_settings()


def utterances(n: int = 16, n_frames: int = 100, process: StateSpace = PROCESS) -> dict[tuple[str, str], np.ndarray]:
    """Of a process: of ten, six train, two validate and two are held out."""
    return {
        (f"u{i}", f"{'tttttvtvee'[i % 10]}{i}"): process.utterance(n_frames, np.random.default_rng(i)) for i in range(n)
    }
