"""`predictors`: heads that are trained to draw, by other scores than their likelihood."""

from typing import Literal

from pydantic import Field, model_validator

from latentdyn.config.predictors import PlacedHead
from latentdyn.config.values import Size

_AXES = "axes of the normals that are mapped; values as for mdn"


class FlowMatching(PlacedHead):
    """A velocity that carries normals to the delta in a few evaluations, trained by flow matching."""

    kind: Literal["flow_matching"]
    target_axes: Literal["natural", "principal"] = Field(
        "natural", description="axes of the normals; values as for mdn"
    )
    solver: Literal["euler", "midpoint"] = Field("midpoint", description="rule by which a draw follows the velocity")
    nfe: Size = Field(16, description="evaluations of the velocity for a draw; an even number for `midpoint`")
    likelihood_steps: Size = Field(
        32, description="midpoint steps of the ODE of a likelihood; `nll_fewer_steps` shows what half as many change"
    )
    hidden_width: Size = Field(256, description="units of each of the velocity's two layers")
    features: Size = Field(64, description="numbers that the network makes of the context")
    mean_samples: Size = Field(16, description="draws, in pairs, from which its mean is estimated; rounded up")

    @model_validator(mode="after")
    def _whole_steps(self) -> "FlowMatching":
        if self.solver == "midpoint" and self.nfe % 2:
            raise ValueError(
                f"nfe is {self.nfe}, and a midpoint step takes two evaluations: make it even, or take euler"
            )
        if self.likelihood_steps % 2:
            raise ValueError(
                f"likelihood_steps is {self.likelihood_steps}, and it is compared with half as many: make it even"
            )
        return self


class Energy(PlacedHead):
    """A map from normals to the delta in one step, trained by the energy score of its draws; it has no likelihood."""

    kind: Literal["energy"]
    target_axes: Literal["natural", "principal"] = Field(
        "natural", description="axes of the normals; values as for mdn"
    )
    draws: int = Field(4, ge=2, le=64, description="draws of each context in training")
    hidden_width: Size = Field(256, description="units of each of the map's two layers")
    features: Size = Field(64, description="numbers that the network makes of the context")
    mean_samples: Size = Field(16, description="draws, in pairs, from which its mean is estimated; rounded up")
