"""Sections `network`: what reads the context of a predictor."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from latentdyn.config.values import Fraction, Size, Strict


class NetworkKind(Strict):
    """From a context to the numbers that a head makes a density of."""

    has_width: ClassVar[bool] = False  # it can be given as many parameters as another model has

    kind: str  # each kind's own word


class NoNetwork(NetworkKind):
    """No context at all: the head by itself."""

    kind: Literal["none"]


class LinearNetwork(NetworkKind):
    """One affine map of the flattened context."""

    kind: Literal["linear"]


class MLPNetwork(NetworkKind):
    """Hidden layers over the flattened context (seed 001 §2.4)."""

    has_width: ClassVar[bool] = True

    kind: Literal["mlp"]
    width: Size = Field(1024, description="units of a hidden layer")
    layers: Size = Field(2, description="hidden layers (GELU)")
    dropout: Fraction = Field(0.0, description="after each hidden layer")


class TransformerNetwork(NetworkKind):
    """Causal self-attention over the frames of the context."""

    has_width: ClassVar[bool] = True

    kind: Literal["transformer"]
    width: Size = Field(256, description="numbers of a token; a multiple of `heads`")
    layers: Size = Field(2, description="blocks")
    heads: Size = Field(4, description="attention heads of a block")
    dropout: Fraction = Field(0.0, description="within each block")

    @model_validator(mode="after")
    def _divides(self) -> "TransformerNetwork":
        if self.width % self.heads:
            raise ValueError("width must be a multiple of heads")
        return self


class GRUNetwork(NetworkKind):
    """Gated recurrent units over the frames of the context, for contexts of many frames."""

    has_width: ClassVar[bool] = True

    kind: Literal["gru"]
    width: Size = Field(256, description="units of a layer")
    layers: Size = Field(1, description="layers, one on top of the other")
    dropout: Fraction = Field(0.0, description="between layers, and before the outputs")
