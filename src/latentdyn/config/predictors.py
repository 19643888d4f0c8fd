"""`predictors`: models of the next step, and how they are fitted."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from latentdyn.config.training import TeacherForced, Training
from latentdyn.config.values import Fraction, Horizons, Name, Strict


class NoNetwork(Strict):
    """No context at all: the head by itself."""

    kind: Literal["none"]


class LinearNetwork(Strict):
    """One affine map of the flattened context."""

    kind: Literal["linear"]


class MLPNetwork(Strict):
    """Hidden layers over the flattened context (seed 001 §2.4)."""

    kind: Literal["mlp"]
    width: PositiveInt = Field(1024, description="units of a hidden layer")
    layers: PositiveInt = Field(2, description="hidden layers, GELU")
    dropout: Fraction = Field(0.0, description="after each hidden layer")


class TransformerNetwork(Strict):
    """Causal self-attention over the frames of the context."""

    kind: Literal["transformer"]
    width: PositiveInt = Field(256, description="numbers of a token; a multiple of heads")
    layers: PositiveInt = Field(2, description="blocks")
    heads: PositiveInt = Field(4, description="attention heads of a block")
    dropout: Fraction = Field(0.0, description="within each block")

    @model_validator(mode="after")
    def _divides(self) -> "TransformerNetwork":
        if self.width % self.heads:
            raise ValueError("width must be a multiple of heads")
        return self


Network = Annotated[NoNetwork | LinearNetwork | MLPNetwork | TransformerNetwork, Field(discriminator="kind")]


class _Predictor(Strict):
    closed_form: ClassVar[bool] = False  # draws nothing: every seed would give the same

    window_frames: PositiveInt = Field(8, description="W: frames of context")
    horizons: Horizons = Field([1, 2, 4, 8], description="k: staleness of the context, in frames")

    @property
    def regime(self) -> str:
        """How it learnt: the kind of its training regime; what is solved in closed form saw true contexts."""
        return "teacher_forced"

    def unconditional(self) -> "Predictor | None":
        """The same density without a context, the reference of the context gain; None where this is one.

        It is fitted once, at the longest horizon: on the frames that all horizons share.
        """
        raise NotImplementedError  # abstract


class _NetworkPredictor(_Predictor):
    network: Network = Field(MLPNetwork(kind="mlp"), description="reads the context")
    context_normalisation: Literal["standard", "deltas", "none"] = Field(
        "standard",
        description="the context in deviations of the training frames; as the newest frame like that and the steps "
        "between the older ones in deviations of the training deltas; or as it is",
    )
    context_clip: PositiveFloat | None = Field(None, description="normalised contexts are clamped to plus, minus this")
    training: Training = Field(Training(), description="how it is fitted")
    starts_from: Name | None = Field(
        None,
        description="a predictor whose weights it is trained on from; only training, horizons and clamps may differ",
    )

    @property
    def regime(self) -> str:
        return self.training.regime.kind

    def unconditional(self) -> "Predictor | None":
        if isinstance(self.network, NoNetwork):
            return None
        training = self.training.model_copy(update={"regime": TeacherForced(kind="teacher_forced")})
        changes = {"network": NoNetwork(kind="none"), "horizons": self.horizons[-1:], "training": training}
        return self.model_copy(update={**changes, "starts_from": None})  # type: ignore[return-value]


class MDN(_NetworkPredictor):
    """Mixture density network (seed 001 §2.4): a network whose head is a mixture over the delta."""

    kind: Literal["mdn"]
    target_axes: Literal["natural", "principal"] = Field(
        "natural",
        description="axes in which each component is diagonal: the latents' own (seed 001), or the principal axes of "
        "the training deltas",
    )
    components: Literal["gaussian", "student_t"] = Field("gaussian", description="student_t has heavier tails")
    n_components: PositiveInt = Field(8, description="K: components of the mixture")
    log_sigma_min: float = Field(
        -5.0, description="lower clamp of log sigma, in units of the training deltas' deviation along those axes"
    )
    log_sigma_max: float = Field(3.0, description="upper clamp of log sigma")

    @model_validator(mode="after")
    def _ordered_clamp(self) -> "MDN":
        if self.log_sigma_min >= self.log_sigma_max:
            raise ValueError("log_sigma_min must be below log_sigma_max")
        return self


class VMFLogNormal(_NetworkPredictor):
    """Direction from a von Mises-Fisher law, length from a log-normal one (seed 003 §1.1, seed 004 §4)."""

    kind: Literal["vmf_lognormal"]
    kappa_depends_on_magnitude: bool = Field(False, description="let long steps have another concentration")
    mu_logm_min: float = Field(-5.0, description="lower clamp of the mean log length (seed 003 §1.2)")
    mu_logm_max: float = Field(12.0, description="upper clamp of the mean log length (seed 003 §1.2)")
    log_sigma_min: float = Field(
        -5.0, description="lower clamp of log sigma, sigma being the deviation of the log length"
    )
    log_sigma_max: float = Field(0.7, description="upper clamp of log sigma (seed 003 §1.2)")
    log_kappa_min: float = Field(-5.0, description="lower clamp of log kappa, the direction's concentration")
    log_kappa_max: float = Field(12.0, description="upper clamp of log kappa")

    @model_validator(mode="after")
    def _ordered_clamps(self) -> "VMFLogNormal":
        for name in ("mu_logm", "log_sigma", "log_kappa"):
            if getattr(self, f"{name}_min") >= getattr(self, f"{name}_max"):
                raise ValueError(f"{name}_min must be below {name}_max")
        return self


class Flow(_NetworkPredictor):
    """Conditional normalising flow over the delta (coupling layers)."""

    kind: Literal["flow"]
    target_axes: Literal["natural", "principal"] = Field(
        "natural", description="axes whose halves transform each other, as for mdn"
    )
    univariate: Literal["affine", "spline"] = Field("spline", description="maps of one dimension; affine is far faster")
    transforms: PositiveInt = Field(3, description="coupling layers")
    hidden_width: PositiveInt = Field(128, description="units of a hidden layer within a coupling layer")
    hidden_layers: PositiveInt = Field(2, description="hidden layers within a coupling layer")
    features: PositiveInt = Field(
        64, description="numbers that the network makes of the context, to condition the flow"
    )
    mean_samples: PositiveInt = Field(16, description="draws, in pairs, that estimate its mean")


class LinearGaussian(_Predictor):
    """Closed-form linear regression of the delta on the context, with a Gaussian residual."""

    closed_form: ClassVar[bool] = True

    kind: Literal["linear_gaussian"]
    covariance: Literal["diagonal", "full"] = Field("full", description="form of the residual's covariance")
    ridges: Annotated[list[NonNegativeFloat], Field(min_length=1)] = Field(
        [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
        description="candidates, in units of the mean context variance; validation speakers choose",
    )

    def unconditional(self) -> "Predictor | None":
        return Gaussian(
            kind="gaussian", covariance=self.covariance, window_frames=self.window_frames, horizons=self.horizons[-1:]
        )


class AR1(_Predictor):
    """Each dimension regressed on its own newest known value."""

    closed_form: ClassVar[bool] = True

    kind: Literal["ar1"]

    def unconditional(self) -> "Predictor | None":
        return Gaussian(kind="gaussian", window_frames=self.window_frames, horizons=self.horizons[-1:])


class Gaussian(_Predictor):
    """One Gaussian for every step, whatever the context."""

    closed_form: ClassVar[bool] = True

    kind: Literal["gaussian"]
    covariance: Literal["diagonal", "full"] = Field("diagonal", description="form of the covariance")
    mean: Literal["fitted", "zero"] = Field("fitted", description="zero is persistence: the next frame is this one")

    def unconditional(self) -> "Predictor | None":
        return None


Predictor = Annotated[MDN | VMFLogNormal | Flow | LinearGaussian | AR1 | Gaussian, Field(discriminator="kind")]
