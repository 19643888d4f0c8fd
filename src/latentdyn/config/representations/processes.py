"""Known processes: latents whose exact predictability is known."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from latentdyn.config.representations.base import Process

Size = Annotated[float, Field(ge=1e-12, le=1e12)]  # a length that float32 and its square can hold


class VAR(Process):
    """Gaussian VAR(1), x_t = A x_{t-1} + e_t, A a scaled rotation; at radius 0 white noise, above 1 unstable."""

    exact_at_all_horizons = True
    exact_geometry = True
    exact_information = True

    kind: Literal["var"]
    radius: float = Field(
        0.9, ge=0, le=1e6, description="spectral radius of A: 0 is white noise, above 1 grows without bound"
    )
    noise: Literal["isotropic", "correlated"] = Field(
        "isotropic", description="covariance of e: the identity, or one whose dimensions move together"
    )

    @property
    def exact_readouts(self) -> bool:
        return 0 < self.radius < 1


class Jumps(Process):
    """Steps of either sign along a direction that the context gives. No mean predicts them, but a density does."""

    exact_clusters = True

    kind: Literal["jumps"]
    amplitude: Size = Field(4.0, description="a: length of the jump")
    noise: Size = Field(0.5, description="s: deviation of each dimension's noise")


class ScaleMixture(Process):
    """Steps whose size varies, and that no context predicts."""

    exact_at_all_horizons = True

    kind: Literal["scale_mixture"]
    sd: float = Field(0.45, gt=0, le=10, description="deviation of the logarithm of the size")


class Prototypes(Process):
    """A cycle of prototype steps, with noise."""

    exact_clusters = True

    kind: Literal["prototypes"]
    n_prototypes: int = Field(16, ge=2, le=100_000, description="K: length of the cycle")
    separation: Size = Field(4.0, description="deviation of each dimension of the anchors that the cycle visits")
    noise: Size = Field(1.0, description="deviation of each dimension about an anchor")


class CodeTable(Process):
    """Frames about anchors; a random table says which anchor follows the last few. The known answer for memory."""

    kind: Literal["code_table"]
    n_codes: int = Field(32, ge=2, le=1000, description="C: anchors")
    ngram: int = Field(2, ge=1, le=20, description="n: anchors that tell the next one; fewer tell nothing")
    separation: Size = Field(4.0, description="deviation of each dimension of the anchors")
    noise: Size = Field(1.0, description="deviation of each dimension about an anchor")

    @model_validator(mode="after")
    def _fits_in_memory(self) -> "CodeTable":
        if self.n_codes**self.ngram > 1_000_000:
            raise ValueError("n_codes to the power of ngram must be at most a million: so many n-grams are listed")
        return self


class VMFSteps(Process):
    """Steps of von Mises-Fisher direction and log-normal length, towards the origin on average."""

    kind: Literal["vmf_steps"]
    dim: int = Field(16, ge=2, le=100_000, description="dimensions")
    kappa: Size = Field(40.0, description="concentration of the direction; `dim` must be 2 or more")
    mu_logm: float = Field(0.0, ge=-30, le=30, description="mean of the logarithm of the length")
    sigma: float = Field(0.3, gt=0, le=10, description="deviation of the logarithm of the length")


class Switching(Process):
    """Several linear systems, one of which is drawn at every frame."""

    exact_information = True

    kind: Literal["switching"]
    n_regimes: int = Field(2, ge=2, le=10_000, description="how many, equally likely")
    radius: Annotated[float, Field(gt=0, lt=1)] = Field(0.9, description="spectral radius of each")
    noise: Size = Field(1.0, description="deviation of each dimension's noise")


class StateSpace(Process):
    """A linear state that is hidden under independent noise: the known answer for factorizers."""

    exact_at_all_horizons = True
    exact_geometry = True
    exact_information = True

    kind: Literal["state_space"]
    state_dim: int = Field(4, ge=1, le=10_000, description="dimensions of the state")
    radius: Annotated[float, Field(gt=0, lt=1)] = Field(0.9, description="spectral radius of the state's map")
    noise: Size = Field(0.3, description="deviation of each dimension's noise; that of the signal is about 1")
    window_frames: int = Field(
        8,
        ge=1,
        le=1000,
        description="W: frames of context that its exact values are given; a calibration's predictor, and the section "
        "`geometry`, must have the same",
    )
