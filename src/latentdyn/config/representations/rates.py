"""Derived latents at another frame rate."""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from latentdyn.config.representations.base import Derived
from latentdyn.config.shapes import Shape
from latentdyn.config.values import FrameRate
from latentdyn.rates import whole_factor


class LowerRate(Derived):
    """Another representation at a lower frame rate, a frame for each few consecutive ones."""

    learns = False

    frame_rate_hz: FrameRate = Field(description="the source's rate divided by a whole number")

    def shape_of(self, source: Shape) -> Shape:
        try:
            return source.grouped(self.frame_rate_hz)
        except ValueError as error:
            raise ValueError(f"frame_rate_hz: {error}") from None


class Pooled(LowerRate):
    """Another representation, mean-pooled in time to a lower frame rate."""

    kind: Literal["pooled"]


class Stacked(LowerRate):
    """Another representation at a lower frame rate, consecutive frames stacked as one. Nothing is lost."""

    kind: Literal["stacked"]

    def shape_of(self, source: Shape) -> Shape:
        stacked = super().shape_of(source)
        if source.rate_hz is None or source.dim is None:
            return replace(stacked, dim=None)
        return replace(stacked, dim=source.dim * whole_factor(source.rate_hz, self.frame_rate_hz))


class Subsampled(LowerRate):
    """Another representation at a lower frame rate: the first of each few consecutive frames."""

    kind: Literal["subsampled"]


class Interpolated(Derived):
    """Another representation, averaged over equal spans of time to any lower frame rate."""

    learns = False

    kind: Literal["interpolated"]
    frame_rate_hz: FrameRate = Field(description="at most the source's rate; it need not divide it")

    def shape_of(self, source: Shape) -> Shape:
        if source.rate_hz is None:
            return Shape(self.frame_rate_hz, source.dim)
        if self.frame_rate_hz > source.rate_hz * (1 + 1e-9):
            raise ValueError(f"frame_rate_hz: {self.frame_rate_hz:g} Hz is above the source's {source.rate_hz:g} Hz")
        frames = source.frames and int(source.frames * self.frame_rate_hz / source.rate_hz + 1e-9)
        return replace(source, rate_hz=self.frame_rate_hz, frames=frames)
