"""Tensors of unfinished work in a file that is either whole or set aside.

A file begins with the sha256 of its place (its own name and its folder's) and of its content. So every kind of damage
is noticed. So is a file of another part, or of other settings, code or data: folders of unfinished work are named by
these. Such a file is set aside, and its work starts again; otherwise every attempt would fail.
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
        opened.write(_digest(file, content))
        opened.write(content)


def read_tensors(file: Path, device: torch.device) -> Any | None:
    """What `write_tensors` wrote, with its tensors on `device`. Reading runs no code.

    Returns:
        None if there is no such file. None too if it is damaged or of another place: it is then renamed, so that it is
        in nobody's way.
    """
    if not file.exists():
        return None
    with open(file, "rb") as opened:
        digest, content = opened.read(_DIGEST_BYTES), opened.read()
    if digest != _digest(file, content):
        aside = file.with_name(f"{file.name}.damaged")
        file.replace(aside)
        log.warning(
            "%s is damaged or another one's: it is set aside as %s, and its work starts again", file, aside.name
        )
        return None
    return torch.load(io.BytesIO(content), weights_only=True, map_location=device)


def _digest(file: Path, content: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(f"{file.parent.name}/{file.name}\n".encode())
    digest.update(content)
    return digest.digest()
