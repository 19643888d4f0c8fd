"""Settings of small beta-VAEs, as rule train_vae hands them on."""

from typing import Any

from latentdyn.config.representations.vae import VAE

TINY = {"steps": 20, "batch_size": 8, "sequence_frames": 8, "validate_every_steps": 10}
NARROW = {"kind": "mlp", "width": 8, "layers": 1}
# every kind of term at once
TERMS: list[dict[str, Any]] = [
    {"kind": "smooth", "weight": 0.1},
    {"kind": "predict", "weight": 0.1, "horizons": [1, 2], "window_frames": 2, "network": NARROW},
    {"kind": "decoded_prediction", "weight": 0.1, "network": NARROW},
    {"kind": "log_det_gain", "weight": 0.5, "horizons": [1, 3]},
]
PRIOR = {"kind": "autoregressive", "share": 0.5, "network": {"kind": "linear"}}


def section(training: dict[str, Any] | None = None, **changes: Any) -> VAE:
    """A section of the config, small unless it says otherwise."""
    values = {"kind": "vae", "source": "x", "dim": 2, "network": NARROW, "training": TINY | (training or {})}
    return VAE.model_validate(values | changes)


def settings(training: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return section(training, **changes).model_settings()
