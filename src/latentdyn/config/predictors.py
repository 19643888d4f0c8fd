"""`predictors`: models of the next step, and how they are fitted."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from latentdyn.config.kinds import any_kind_of
from latentdyn.config.lookup import Basis, LookupKind
from latentdyn.config.mistakes import alike
from latentdyn.config.networks import GRUNetwork, MLPNetwork, NetworkKind, NoNetwork, TransformerNetwork
from latentdyn.config.predictor_kind import PredictorKind as PredictorKind
from latentdyn.config.regimes import TeacherForced
from latentdyn.config.training import Training
from latentdyn.config.values import Name, Ridges, Size
from latentdyn.families import PREDICTORS

if TYPE_CHECKING:
    from latentdyn.config.root import Root

    Network = NetworkKind
    Lookup = LookupKind
else:
    Network = any_kind_of(NetworkKind)
    Lookup = any_kind_of(LookupKind)


class NetworkPredictor(PredictorKind):
    """A predictor that gradient descent fits."""

    has_direction: ClassVar[bool] = False  # its head describes the direction of a step by itself

    network: Network = Field(MLPNetwork(kind="mlp"), description="reads the context")
    context_normalisation: Literal["standard", "deltas", "directions", "none"] = Field(
        "standard",
        description="how the network sees the context. `standard`: in deviations of the training frames. `deltas`: the "
        "newest frame in deviations of the training frames, and the steps between frames in deviations of the training "
        "deltas. `directions`: the steps between frames, each of length 1. `none`: as it is",
    )
    context_clip: float | None = Field(
        None, gt=0, le=1e6, description="normalised contexts are clamped to plus and minus this"
    )
    lookup: Lookup | None = Field(None, description="a memory: what is looked up beside what the network computes")
    match_parameters_of: Name | dict[str, Any] | None = Field(
        None,
        description="another predictor: the network's width is chosen so that this one has as many trained parameters, "
        "within 2 %. A step that is run by hand is given that predictor's settings",
    )
    reads: Literal["window", "past"] = Field(
        "window",
        description="what the network reads: the newest `window_frames`, or the whole past of the utterance (of "
        "networks gru and transformer), trained on sequences. Either way it is scored on the same frames",
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
        ahead = self.training.regime.longest - 1
        sequence = self.training.sequence_frames + self.horizons[-1] if self.reads == "past" else 0
        return max(super().frames_needed, sequence) + ahead

    @property
    def chosen_by_validation(self) -> str | None:
        return "training.select" if self.training.select == "best_validation" else None

    @property
    def training_frames_needed(self) -> int:
        return 1 if self.lookup is None else self.lookup.training_frames_needed

    @property
    def sized_by(self) -> str:
        return super().sized_by if self.lookup is None else f"lookup.{self.lookup.sized_by}"

    @model_validator(mode="after")
    def _goes_with_its_context(self) -> "NetworkPredictor":
        if isinstance(self.lookup, Basis):
            if not self.has_direction:
                raise ValueError(
                    f"lookup: kind basis makes a mean direction, and {self.kind} describes none: give it to "
                    "vmf_lognormal, or use kind engram"
                )
            if isinstance(self.network, NoNetwork):
                raise ValueError("lookup: prototypes are chosen by a network's numbers: network must not be none")
        if self.lookup is not None and self.lookup.frames_needed > self.window_frames:
            raise ValueError(
                f"lookup.ngrams: an n-gram of {self.lookup.frames_needed} frames is longer than window_frames = "
                f"{self.window_frames}"
            )
        if self.context_normalisation == "directions" and self.window_frames < 2:
            raise ValueError("context_normalisation: directions needs a step, so window_frames of 2 or more")
        if self.training.max_frames is not None and self.training.max_frames < self.training_frames_needed:
            raise ValueError(
                f"{self.sized_by}: fitting so many takes {self.training_frames_needed} training frames, and "
                f"training.max_frames is {self.training.max_frames}"
            )
        if self.match_parameters_of is not None and not self.network.has_width:
            raise ValueError(f"match_parameters_of: a network of kind {self.network.kind} has no width to choose")
        return self

    def twins(self) -> dict[str, PredictorKind]:
        """Of a memory also the same head without it, widened to as many parameters, and the same with random codes."""
        found = super().twins()
        if self.lookup is not None:
            found["random_codes"] = self.model_copy(update={"lookup": self.lookup.with_random_codes()})
            if self.network.has_width:
                matched = {"lookup": None, "match_parameters_of": self.model_dump(mode="json")}
                found["widened"] = self.model_copy(update=matched)
        return found

    def resolved(self, predictors: dict[str, PredictorKind]) -> PredictorKind:
        if not isinstance(self.match_parameters_of, str):
            return self
        other = predictors[self.match_parameters_of].model_dump(mode="json")
        return self.model_copy(update={"match_parameters_of": other})

    def unconditional(self) -> "PredictorKind | None":
        if self.without_context() == self:
            return None
        training = self.training.model_copy(update={"regime": TeacherForced(kind="teacher_forced")})
        changes = {"horizons": self.horizons[-1:], "training": training, "starts_from": None}
        return self.without_context().model_copy(update=changes)

    def without_context(self) -> "NetworkPredictor":
        """The same head over the step, with nothing in it that sees the context."""
        nothing = {"network": NoNetwork(kind="none"), "reads": "window", "lookup": None, "match_parameters_of": None}
        return self.model_copy(update=nothing)

    @model_validator(mode="after")
    def _has_frames_for_noise(self) -> "NetworkPredictor":
        clean = getattr(self.training.regime, "clean_frames", 0)
        window, of_past = self.window_frames, self.reads == "past"
        if clean not in ((0, window) if of_past else range(window)):  # a window that is clean throughout has no noise
            allowed = f"0 or {window}" if of_past else f"at most {window - 1}"
            raise ValueError(f"training.regime.clean_frames: {clean} must, with these window_frames, be {allowed}")
        return self

    @model_validator(mode="after")
    def _can_read_the_past(self) -> "NetworkPredictor":
        if self.reads == "window":
            return self
        if not isinstance(self.network, GRUNetwork | TransformerNetwork):
            raise ValueError(f"reads: past needs a network of kind gru or transformer, not {self.network.kind}")
        if self.context_normalisation in ("deltas", "directions"):
            raise ValueError(
                f"reads: past does not go with context_normalisation: {self.context_normalisation}, since the first "
                "frame has no step"
            )
        if self.training.sequence_frames < self.window_frames:
            raise ValueError(
                f"training.sequence_frames is {self.training.sequence_frames}; it must be at least window_frames "
                f"({self.window_frames}), or no frame of a sequence could be scored"
            )
        regime = self.training.regime
        if regime.of_past is None:
            raise ValueError(f"the regime {regime.kind} does not say how a predictor with reads: past learns by it")
        if regime.of_past == "runs" and self.horizons != [1]:
            raise ValueError(
                f"reads: past goes with the regime {regime.kind} at horizons: [1] alone, since a frame that was read "
                "is not read again"
            )
        return self

    def check(self, where: str, config: "Root") -> None:
        try:
            self.training.regime.check_steps(self.training.steps)
        except ValueError as error:
            raise ValueError(f"{where}.training.regime.{error}") from None
        self._check_match(f"{where}.match_parameters_of", config)
        self._check_start(where, config)

    def _check_match(self, where: str, config: "Root") -> None:
        """Check that the predictor whose parameters are counted exists and has a number of its own.

        Raises:
            ValueError: it does not.
        """
        name = self.match_parameters_of
        if name is None:
            return
        if not isinstance(name, str):
            raise ValueError(f"{where}: must be the name of a predictor")
        if name not in config.predictors:
            near = alike(name, config.predictors)
            raise ValueError(f"{where}: no predictor is named '{name}'{near}")
        if config.predictors[name].closed_form:
            raise ValueError(f"{where}: '{name}' is solved in closed form and trains no parameters")
        if getattr(config.predictors[name], "match_parameters_of", None) is not None:
            same = name == where.split(".")[-2]
            what = "is this predictor" if same else "matches another predictor itself"
            raise ValueError(f"{where}: '{name}' {what}; name {'another' if same else 'that'} one")

    def _check_start(self, where: str, config: "Root") -> None:
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

    has_direction: ClassVar[bool] = True

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
    ridges: Ridges = Field(
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
    """One Gaussian for every step or frame, whatever the context."""

    closed_form: ClassVar[bool] = True

    kind: Literal["gaussian"]
    covariance: Literal["diagonal", "full"] = Field("diagonal", description="form of the covariance")
    mean: Literal["fitted", "zero", "frames"] = Field(
        "fitted",
        description="`zero` is persistence: the next frame is this one. `frames`: frames are independent of each "
        "other, so that forecasts stay at their mean",
    )

    def unconditional(self) -> "PredictorKind | None":
        return None
