"""Derived latents with the frame rate and the dimensions of what they are made of."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from latentdyn.config.representations.base import Derived
from latentdyn.config.values import Split, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Leaky(Derived):
    """Another representation, leakily integrated. It is invertible: what it gains, smoothing alone buys."""

    learns = False

    kind: Literal["leaky"]
    coefficient: float = Field(0.9, ge=0, lt=1, description="a in y_t = a y_{t-1} + x_t")


class Noisy(Derived):
    """Another representation with white noise: what a channel of limited precision passes on."""

    kind: Literal["noisy"]
    sigma: float = Field(gt=0, le=1e6, description="deviation of the noise, in deviations of each dimension")


class Quantized(Derived):
    """An encoder's frames, quantized by the codec's own quantizer to some depth and dequantized again."""

    kind: Literal["quantized"]
    stages: int = Field(
        ge=1,
        le=1024,
        description="of the quantizer, the first so many (codebooks; SoundStream: 16, 30 or 46 of 4 bits)",
    )

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        source = config.representations[self.source]
        if not getattr(source, "has_quantizer", False) or getattr(source, "frames", "latent") != "latent":
            raise ValueError(
                f"{where}.source: '{self.source}' (kind {source.kind}) is no encoder whose codec quantizes such "
                "frames; soundstream, encodec, dac and mimi (frames: latent) are"
            )


SurrogateMethod = Literal["shuffled", "white", "phase_randomised", "time_reversed", "looked_up"]


class Surrogate(Derived):
    """Another representation with some of its structure destroyed. What stays predictable is not due to it."""

    has_inverse = False

    kind: Literal["surrogate"]
    method: SurrogateMethod = Field(description="what is kept and what is destroyed")

    @property
    def is_fitted(self) -> bool:
        return self.method in ("white", "looked_up")


class Outliers(Derived):
    """Another representation with a few of its frames scaled up, to see which numbers these few frames change."""

    learns = False
    has_inverse = False

    kind: Literal["outliers"]
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        1e-4, description="probability that a frame of the affected speakers becomes an outlier"
    )
    factor: float = Field(1e3, ge=-1e30, le=1e30, description="these frames are multiplied by it")

    @field_validator("factor")
    @classmethod
    def _changes_frames(cls, factor: float) -> float:
        if factor == 1:
            raise ValueError("must not be 1, which changes no frame")
        return factor

    splits: Annotated[list[Split], Field(min_length=1), AfterValidator(no_duplicates)] = Field(
        ["eval"], description="splits whose speakers are affected"
    )
