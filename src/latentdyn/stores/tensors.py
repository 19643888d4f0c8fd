"""Tensors of unfinished work in a file that is either whole or set aside.

A file begins with the sha256 of its content, so every kind of damage is noticed. A damaged file is set aside, and its
work starts again; otherwise every attempt would fail.
"""

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import torch

from latentdyn.files import atomic_path

log = logging.getLogger(__name__)

_DIGEST_BYTES = 32


def write_tensors(file: Path, value: Any) -> None:
    """Write tensors and plain values (numbers, texts, lists, dicts) whole or not at all."""
    buffer = io.BytesIO()  # written by Python: torch's own writer hides what is wrong with a disk
    torch.save(value, buffer)
    content = buffer.getbuffer()
    with atomic_path(file) as temporary, open(temporary, "wb") as opened:
        opened.write(hashlib.sha256(content).digest())
        opened.write(content)


def read_tensors(file: Path, device: torch.device) -> Any | None:
    """What `write_tensors` wrote, with its tensors on `device`. Reading runs no code.

    Returns:
        None if there is no such file. None too if it is damaged: it is then renamed, so that it is in nobody's way.
    """
    if not file.exists():
        return None
    with open(file, "rb") as opened:
        digest, content = opened.read(_DIGEST_BYTES), opened.read()
    if hashlib.sha256(content).digest() != digest:
        aside = file.with_name(f"{file.name}.damaged")
        file.replace(aside)
        log.warning("%s is damaged: it is set aside as %s, and its work starts again", file, aside.name)
        return None
    return torch.load(io.BytesIO(content), weights_only=True, map_location=device)
