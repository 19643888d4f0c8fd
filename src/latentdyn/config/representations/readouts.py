"""Derived latents of other dimensions: linear functions of frames, and the states of a random network."""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from latentdyn.config.representations.base import Derived
from latentdyn.config.shapes import Shape


class Readout(Derived):
    """Another representation, read out by fewer linear functions of each frame."""

    dim: int = Field(ge=1, le=100_000, description="dimensions, at most the source's")

    def shape_of(self, source: Shape) -> Shape:
        if source.dim is not None and self.dim > source.dim:
            raise ValueError(f"dim: {self.dim} is above the {source.dim} dimensions of '{self.source}'")
        return replace(source, dim=self.dim)


class PCA(Readout):
    """Another representation's principal components: the directions of most variance."""

    kind: Literal["pca"]
    whiten: bool = Field(False, description="divide every component by its deviation")


class RandomProjection(Readout):
    """Random orthonormal directions of another representation: what a number of dimensions alone keeps."""

    kind: Literal["random_projection"]
    seed: int = Field(0, ge=0, lt=2**32, description="another one gives other directions")


class SlowFeatures(Readout):
    """Another representation's slow features: the directions that change least from frame to frame."""

    kind: Literal["sfa"]


class CanonicalCorrelations(Readout):
    """The directions of another representation that its past predicts best."""

    kind: Literal["cca"]
    window_frames: int = Field(8, ge=1, le=100_000, description="W: frames of the past, up to the one before")

    def shape_of(self, source: Shape) -> Shape:
        source.check_frames("window_frames", self.window_frames + 1, f"{self.window_frames} and the next", self.source)
        return super().shape_of(source)


class CanonicalState(Derived):
    """The straight combinations of the frames so far that tell most of the frames to come."""

    kind: Literal["canonical_state"]
    dim: int = Field(ge=1, le=100_000, description="dimensions of the state")
    window_frames: int = Field(
        8, ge=1, le=100_000, description="W: frames that it is made of, the present one included"
    )
    ahead_frames: int = Field(8, ge=1, le=100_000, description="F: frames to come that it is chosen for")

    def shape_of(self, source: Shape) -> Shape:
        needed = self.window_frames + self.ahead_frames
        source.check_frames("window_frames", needed, "window_frames and ahead_frames", self.source)
        most = None if source.dim is None else min(self.window_frames, self.ahead_frames) * source.dim
        if most is not None and self.dim > most:
            raise ValueError(f"dim: {self.dim} is above the {most} numbers of window_frames or ahead_frames")
        return replace(source, dim=self.dim)


class RandomGRU(Derived):
    """States of a recurrent network with random weights: what looking back alone gives."""

    has_inverse = False

    kind: Literal["random_gru"]
    dim: int = Field(ge=1, le=100_000, description="dimensions of the state")
    seed: int = Field(0, ge=0, lt=2**32, description="another one draws other weights")

    def shape_of(self, source: Shape) -> Shape:
        return replace(source, dim=self.dim)
