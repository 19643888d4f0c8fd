"""Random numbers by name: every generator is a function of what it is for, never of what ran before it."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def seed_for(*names: object) -> int:
    """A 63-bit seed from the names of what is being seeded (sha256), the same on every machine."""
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(*names: object) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed_for(*names)))


def seed_torch(device: "torch.device", *names: object) -> None:
    """Seed torch's own generator of a device, which draws initial weights and dropout.

    `torch.manual_seed` seeds those of all kinds of devices, also of absent ones, and takes a hundred times as long.
    """
    import torch

    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed_for(*names))
    else:
        torch.default_generator.manual_seed(seed_for(*names))


def torch_generator(*names: object, device: "torch.device | str" = "cpu") -> "torch.Generator":
    import torch  # here, so that steps without a model start without it

    return torch.Generator(device=device).manual_seed(seed_for(*names))
