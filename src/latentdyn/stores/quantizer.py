"""Residual vector quantizers of codecs: the codewords that stand for a frame, and the frame that they add up to.

A stage takes the codeword that is nearest to what the stages before it left. Mimi has two groups of stages, each of
which begins anew from the frame, in a space of its own that a matrix leads to and another one back. Each stage of DAC
has a space of its own, and so is a group. It goes on from what the groups before it left, and takes the codeword of the
nearest direction.

A quantizer is a few arrays, by group g: `codebooks_g` (S, K, d); where frames are projected, `project_in_g` (D, d) and
`project_out_g` (d, D); of DAC `offset_in_g` (d) and `offset_out_g` (D) too, which are added to what is projected. A
store of an encoder with a quantizer carries them, so whoever quantizes needs no codec.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

NONE = -1  # the code of a frame that is not finite
_BLOCK_FRAMES = 4096  # quantized at once
_SHORTEST = 1e-12  # length of a codeword, when its direction is taken


def codebooks(tensors: Iterable[Any]) -> np.ndarray:
    """Codebooks (S, K, d) of as many torch tensors (K, d)."""
    return np.stack([tensor.detach().cpu().numpy() for tensor in tensors]).astype(np.float32)


@dataclass(frozen=True)
class Group:
    """codebooks: (S, K, d). project_in: (D, d), project_out: (d, D); None where frames are quantized as they are.
    offset_in: (d,), offset_out: (D,); given for a stage (S = 1) that is chained to the groups before it."""

    codebooks: np.ndarray
    project_in: np.ndarray | None = None
    project_out: np.ndarray | None = None
    offset_in: np.ndarray | None = None
    offset_out: np.ndarray | None = None

    @property
    def chained(self) -> bool:
        """It goes on from what the groups before it left, and compares directions."""
        return self.offset_in is not None

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """The codes (n, S) of frames (n, D), float32."""
        left = frames if self.project_in is None else frames @ self.project_in
        if self.offset_in is not None:
            (book,) = self.codebooks
            directions = book / np.maximum(np.linalg.norm(book, axis=1, keepdims=True), _SHORTEST)
            nearest: np.ndarray = ((left + self.offset_in) @ directions.T).argmax(axis=1)
            return nearest.astype(np.int16)[:, None]
        codes = np.empty((len(frames), len(self.codebooks)), np.int16)
        for stage, book in enumerate(self.codebooks):
            distances = np.square(book).sum(axis=1) - 2 * left @ book.T  # less what is the same for all codewords
            codes[:, stage] = distances.argmin(axis=1)
            left = left - book[codes[:, stage]]
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Frames (n, D) that the codes (n, S) add up to."""
        total = np.zeros((len(codes), self.codebooks.shape[2]), np.float32)
        for stage, book in enumerate(self.codebooks):
            total += book[codes[:, stage]]
        decoded = total if self.project_out is None else total @ self.project_out
        return decoded if self.offset_out is None else decoded + self.offset_out


@dataclass(frozen=True)
class Quantizer:
    """Groups of stages in their order. All codebooks have K codewords."""

    groups: Sequence[Group]

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Quantizer":
        """From named arrays; without groups where there are none."""
        count = sum(name.startswith("codebooks_") for name in arrays)
        names = [field.name for field in fields(Group)]
        return cls([Group(*(arrays.get(f"{name}_{g}") for name in names)) for g in range(count)])  # type: ignore[arg-type]

    def arrays(self) -> dict[str, np.ndarray]:
        """Its arrays by name."""
        named = {f"{name}_{g}": array for g, group in enumerate(self.groups) for name, array in vars(group).items()}
        return {name: array for name, array in named.items() if array is not None}

    @property
    def stages(self) -> int:
        return sum(len(group.codebooks) for group in self.groups)

    @property
    def codewords(self) -> int:
        """K."""
        return int(self.groups[0].codebooks.shape[1])

    @property
    def bits_per_frame(self) -> float:
        return self.stages * float(np.log2(self.codewords))

    def first(self, stages: int) -> "Quantizer":
        """Its first stages alone.

        Raises:
            ValueError: it has fewer.
        """
        if not 1 <= stages <= self.stages:
            raise ValueError(f"{stages} stages asked for, of a quantizer of {self.stages}")
        kept: list[Group] = []
        for group in self.groups:
            if taken := min(stages, len(group.codebooks)):
                kept.append(replace(group, codebooks=group.codebooks[:taken]))
            stages -= taken
        return Quantizer(kept)

    def encode(self, latents: np.ndarray) -> np.ndarray:
        """Codes (T, stages) int16 of latents (T, D); -1 for frames that are not finite."""
        codes = np.full((len(latents), self.stages), NONE, np.int16)
        finite = np.flatnonzero(np.isfinite(latents).all(axis=1))
        for start in range(0, len(finite), _BLOCK_FRAMES):
            rows = finite[start : start + _BLOCK_FRAMES]
            frames = latents[rows].astype(np.float32)
            codes[rows] = self._encode(frames)
        return codes

    def _encode(self, frames: np.ndarray) -> np.ndarray:
        left, codes = frames, []
        for group in self.groups:
            codes.append(group.encode(left if group.chained else frames))
            if group.chained:
                left = left - group.decode(codes[-1])
        return np.concatenate(codes, axis=1)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """The latents (T, D) float32 that codes (T, stages) stand for; NaN where they are -1."""
        known, ends = codes[:, 0] != NONE, np.cumsum([len(group.codebooks) for group in self.groups])
        parts = [
            group.decode(own) for group, own in zip(self.groups, np.split(codes[known], ends[:-1], 1), strict=True)
        ]
        latents = np.full((len(codes), parts[0].shape[1]), np.nan, np.float32)
        latents[known] = np.sum(parts, axis=0)
        return latents
