"""`predictors`: models of the next step, and how they are fitted."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, field_validator, model_validator

from latentdyn.config.kinds import any_kind_of
from latentdyn.config.mistakes import alike
from latentdyn.config.networks import MLPNetwork, NetworkKind, NoNetwork
from latentdyn.config.regimes import TeacherForced
from latentdyn.config.training import Training
from latentdyn.config.values import Horizons, Name, Size, Strict
from latentdyn.families import PREDICTORS

if TYPE_CHECKING:
    from latentdyn.config.root import Root

    Network = NetworkKind
else:
    Network = any_kind_of(NetworkKind)


class PredictorKind(Strict):
    """A conditional density of the next step, for each horizon."""

    closed_form: ClassVar[bool] = False  # draws nothing: every seed would give the same

    kind: str  # each kind's own word
    window_frames: int = Field(8, ge=1, le=100_000, description="W: frames of context")
    horizons: Horizons = Field(
        [1, 2, 4, 8], description="k: staleness of the context in frames. One job fits all of them"
    )

    @property
    def module(self) -> str:
        """The module that this kind is made of."""
        return PREDICTORS.module(self.kind)

    @property
    def fitted_by(self) -> list[str]:
        """The modules that fit it."""
        return [self.module]

    @property
    def threads(self) -> int:
        """Two for a network. A closed form or a density without context is done before a second one helps."""
        return 1

    @property
    def regime(self) -> str:
        """The kind of its training regime. What is solved in closed form sees true contexts."""
        return "teacher_forced"

    @property
    def start(self) -> str | None:
        """The predictor whose weights its training starts from, if there is one."""
        return None

    @property
    def training_steps(self) -> int | None:
        """Parameter updates of its training; None of a closed form."""
        return None

    @property
    def frames_needed(self) -> int:
        """Frames that an utterance must have, to be fitted to it."""
        return self.window_frames + self.horizons[-1]

    @property
    def chosen_by_validation(self) -> str | None:
        """The setting by which validation speakers choose something; None where they choose nothing."""
        return None

    def unconditional(self) -> "PredictorKind | None":
        """The same density without a context, the reference of the context gain; None where this is one.

        It is fitted once, at the longest horizon: on the frames that all horizons share.
        """
        raise NotImplementedError  # abstract

    def check(self, where: str, config: "Root") -> None:
        """Check what the section alone cannot know.

        Args:
            where: dotted path of this entry.

        Raises:
            ValueError: what it starts from is not defined, or has other weights.
        """


class NetworkPredictor(PredictorKind):
    """A predictor that gradient descent fits."""

    network: Network = Field(MLPNetwork(kind="mlp"), description="reads the context")
    context_normalisation: Literal["standard", "deltas", "none"] = Field(
        "standard",
        description="how the network sees the context. `standard`: in deviations of the training frames. `deltas`: the "
        "newest frame in deviations of the training frames, and the steps between frames in deviations of the training "
        "deltas. `none`: as it is",
    )
    context_clip: PositiveFloat | None = Field(
        None, description="normalised contexts are clamped to plus and minus this"
    )
    training: Training = Field(Training(), description="how it is fitted")
    starts_from: Name | None = Field(
        None,
        description="the predictor whose weights its training starts from. Only `training`, `horizons` and clamps may "
        "differ from it. The ceilings of forecasts are those of that predictor",
    )

    @property
    def threads(self) -> int:
        return 1 if isinstance(self.network, NoNetwork) else 2

    @property
    def regime(self) -> str:
        return self.training.regime.kind

    @property
    def start(self) -> str | None:
        return self.starts_from

    @property
    def training_steps(self) -> int | None:
        return self.training.steps

    @property
    def frames_needed(self) -> int:
        return super().frames_needed + self.training.regime.longest - 1

    @property
    def chosen_by_validation(self) -> str | None:
        return "training.select" if self.training.select == "best_validation" else None

    def unconditional(self) -> "PredictorKind | None":
        if self.without_context() == self:
            return None
        training = self.training.model_copy(update={"regime": TeacherForced(kind="teacher_forced")})
        changes = {"horizons": self.horizons[-1:], "training": training, "starts_from": None}
        return self.without_context().model_copy(update=changes)

    def without_context(self) -> "NetworkPredictor":
        """The same head over the step, with nothing in it that sees the context."""
        return self.model_copy(update={"network": NoNetwork(kind="none")})

    def check(self, where: str, config: "Root") -> None:
        where, chain = f"{where}.starts_from", [where.rpartition(".")[2]]
        while (start := config.predictors[chain[-1]].start) is not None:
            if start not in config.predictors:
                near = alike(start, config.predictors)
                raise ValueError(f"predictors.{chain[-1]}.starts_from: no predictor is named '{start}'{near}")
            if start in chain:
                raise ValueError(f"{where}: goes round in a circle ({' -> '.join([*chain, start])})")
            chain.append(start)
        if len(chain) == 1:
            return
        mine, its = (config.predictors[n].model_dump() for n in chain[:2])
        differs = [key for key in sorted({*mine, *its}) if mine.get(key) != its.get(key) and not _may_differ(key)]
        if differs:
            raise ValueError(f"{where}: '{chain[1]}' has another {', another '.join(differs)}")
        missing = sorted(set(mine["horizons"]) - set(its["horizons"]))
        if missing:
            raise ValueError(f"{where}: '{chain[1]}' is not trained at k = {missing}")


def _may_differ(setting: str) -> bool:
    """Whether a predictor may differ in this from the one that it starts from: its weights mean the same."""
    return setting in ("training", "horizons", "starts_from", "context_clip") or setting.endswith(("_min", "_max"))


LinearSkip = Literal["none", "fixed", "learned"]
_LINEAR_SKIP = (
    "the closed-form line from the context to the step (as of linear_gaussian) is added to {what}. `fixed`: as it is. "
    "`learned`: with an affine map beside it that is trained, from 0"
)


class PlacedHead(NetworkPredictor):
    """A network whose head may describe the step, the next frame, or what the closed-form line leaves of them."""

    target: Literal["step", "level"] = Field(
        "step",
        description="what the head describes: the step Δx, or (at k = 1 alone) the next frame x_t = x_{t-1} + Δx. "
        "Either way it is a density of Δx, and likelihoods compare. With a linear skip it is what the line leaves of "
        "both",
    )
    linear_skip: LinearSkip = Field("none", description=_LINEAR_SKIP.format(what="the head's mean"))

    @property
    def fitted_by(self) -> list[str]:
        line = [] if self.linear_skip == "none" else [PREDICTORS.module("linear_gaussian")]
        return [*super().fitted_by, *line]

    @property
    def chosen_by_validation(self) -> str | None:
        solves_a_line = self.linear_skip != "none" and self.starts_from is None
        return super().chosen_by_validation or ("linear_skip" if solves_a_line else None)

    @model_validator(mode="after")
    def _knows_where_the_step_starts(self) -> "PlacedHead":
        if self.target == "level" and self.horizons != [1]:
            raise ValueError(
                "target: level needs horizons: [1], since only a context that ends with x_{t-1} tells where the step "
                "starts. With other horizons, target must be step"
            )
        return self

    def without_context(self) -> "NetworkPredictor":
        return super().without_context().model_copy(update={"target": "step", "linear_skip": "none"})


class MDN(PlacedHead):
    """Mixture density network (seed 001 §2.4): a network whose head is a mixture over the delta."""

    kind: Literal["mdn"]
    target_axes: Literal["natural", "principal"] = Field(
        "natural",
        description="axes in which the components are diagonal: the latents' own, or the principal axes of what the "
        "head describes on the training frames",
    )
    components: Literal["gaussian", "student_t"] = Field(
        "gaussian", description="`student_t` has heavier tails, as heavy as the data's"
    )
    n_components: Size = Field(8, description="K: components of the mixture")
    log_sigma_min: Annotated[float, Field(ge=-30, le=30)] = Field(
        -5.0, description="lower clamp of log sigma, in units of the deviation along those axes"
    )
    log_sigma_max: Annotated[float, Field(ge=-30, le=30)] = Field(3.0, description="upper clamp of log sigma")

    @model_validator(mode="after")
    def _ordered_clamp(self) -> "MDN":
        if self.log_sigma_min >= self.log_sigma_max:
            raise ValueError("log_sigma_min must be below log_sigma_max")
        return self


class VMFLogNormal(PlacedHead):
    """Direction from a von Mises-Fisher law, length from a log-normal one (seed 003 §1.1, seed 004 §4)."""

    kind: Literal["vmf_lognormal"]
    linear_skip: LinearSkip = Field("none", description=_LINEAR_SKIP.format(what="the vector whose direction is μ"))
    target: Literal["step"] = Field("step", description="what it describes; a next frame has no such direction")

    @field_validator("target", mode="before")
    @classmethod
    def _has_a_direction(cls, target: object) -> object:
        if target == "level":
            raise ValueError(
                "vmf_lognormal describes the direction and the length of a step, which a next frame does not have: "
                "target must be step (mdn and flow go with level)"
            )
        return target

    kappa_depends_on_magnitude: bool = Field(
        False, description="long steps may have another concentration than short ones"
    )
    mu_logm_min: Annotated[float, Field(ge=-80, le=80)] = Field(
        -9.0,
        description="lower clamp of the mean log length, less the log of the RMS length of training deltas. The clamps "
        "of seed 003, -5 and 12 in raw Mimi's units, are about -9 and 8 so",
    )
    mu_logm_max: Annotated[float, Field(ge=-80, le=80)] = Field(8.0, description="upper clamp of it")
    log_sigma_min: Annotated[float, Field(ge=-30, le=30)] = Field(
        -5.0, description="lower clamp of log sigma, sigma being the deviation of the log length"
    )
    log_sigma_max: Annotated[float, Field(ge=-30, le=30)] = Field(0.7, description="upper clamp of log sigma")
    log_kappa_min: Annotated[float, Field(ge=-30, le=30)] = Field(
        -5.0, description="lower clamp of log kappa, the direction's concentration"
    )
    log_kappa_max: Annotated[float, Field(ge=-30, le=30)] = Field(12.0, description="upper clamp of log kappa")

    @model_validator(mode="after")
    def _ordered_clamps(self) -> "VMFLogNormal":
        for name in ("mu_logm", "log_sigma", "log_kappa"):
            if getattr(self, f"{name}_min") >= getattr(self, f"{name}_max"):
                raise ValueError(f"{name}_min must be below {name}_max")
        return self


class Flow(PlacedHead):
    """Conditional normalising flow over the delta (coupling layers)."""

    kind: Literal["flow"]
    target_axes: Literal["natural", "principal"] = Field(
        "natural", description="axes whose halves transform each other; values as for mdn"
    )
    univariate: Literal["affine", "spline"] = Field("spline", description="maps of one dimension; affine is far faster")
    transforms: Size = Field(3, description="coupling layers")
    hidden_width: Size = Field(128, description="units of a hidden layer within a coupling layer")
    hidden_layers: Size = Field(2, description="hidden layers within a coupling layer")
    features: Size = Field(64, description="numbers that the network makes of the context, to condition the flow")
    mean_samples: Size = Field(16, description="draws, in pairs, from which its mean is estimated")


class LinearGaussian(PredictorKind):
    """Closed-form linear regression of the delta on the context, with a Gaussian residual."""

    closed_form: ClassVar[bool] = True

    kind: Literal["linear_gaussian"]
    covariance: Literal["diagonal", "full"] = Field("full", description="form of the residual's covariance")
    ridges: Annotated[list[NonNegativeFloat], Field(min_length=1)] = Field(
        [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
        description="candidates for the ridge, in units of the mean context variance; validation speakers choose one",
    )

    @property
    def chosen_by_validation(self) -> str | None:
        return "ridges" if len(self.ridges) > 1 else None

    def unconditional(self) -> "PredictorKind | None":
        return Gaussian(
            kind="gaussian", covariance=self.covariance, window_frames=self.window_frames, horizons=self.horizons[-1:]
        )


class AR1(PredictorKind):
    """Each dimension regressed on its own newest known value."""

    closed_form: ClassVar[bool] = True

    kind: Literal["ar1"]

    def unconditional(self) -> "PredictorKind | None":
        return Gaussian(kind="gaussian", window_frames=self.window_frames, horizons=self.horizons[-1:])


class Gaussian(PredictorKind):
    """One Gaussian for every step, whatever the context."""

    closed_form: ClassVar[bool] = True

    kind: Literal["gaussian"]
    covariance: Literal["diagonal", "full"] = Field("diagonal", description="form of the covariance")
    mean: Literal["fitted", "zero"] = Field("fitted", description="`zero` is persistence: the next frame is this one")

    def unconditional(self) -> "PredictorKind | None":
        return None
