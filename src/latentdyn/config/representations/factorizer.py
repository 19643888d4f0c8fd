"""The factorizer: a predictable state and an innovation, trained together (seed 002 §3 to §5, seed 000 §4 and §7)."""

import operator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from latentdyn.config.kinds import any_kind_of
from latentdyn.config.networks import GRUNetwork, MLPNetwork, NetworkKind
from latentdyn.config.representations.learned import LearnedRepresentation
from latentdyn.config.shapes import Shape
from latentdyn.config.training import FactorizerTraining
from latentdyn.config.values import Fraction, Horizons, LearningRate, Size, Strict, check_schedule

if TYPE_CHECKING:
    Network = NetworkKind
else:
    Network = any_kind_of(NetworkKind)

Weight = Annotated[float, Field(ge=0, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]
Hidden = MLPNetwork(kind="mlp", width=128, layers=1)


class Innovation(Strict):
    """What a frame adds to the state, and what that may cost: KL(q(u | frame, state) ‖ p(u | state))."""

    dim: Size | None = Field(None, description="dimensions, at most those of the source; null takes as many")
    prior: Literal["standard", "conditional"] = Field(
        "standard", description="p: N(0, I), or a Gaussian that a network reads off the state"
    )
    beta: float = Field(1.0, gt=0, le=1e6, description="weight of the cost; at 1 the loss bounds the NLL of a frame")
    beta_warmup_steps: int = Field(
        0, ge=0, le=1_000_000_000, description="updates until the cost counts in full; its share begins near 0"
    )
    free_nats: Weight = Field(0.0, description="nats of a frame that cost nothing")
    target_nats: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="the KL of a frame that is asked for: |KL - target| × target_weight in place of beta × KL",
    )
    target_weight: float = Field(10.0, gt=0, le=1e6, description="how hard the target pulls; above what a nat is worth")
    balance: Share | None = Field(
        None,
        description="share of the KL's gradient that moves the prior towards the posterior; the rest moves the "
        "posterior. null: both move by all of it. The value of the KL is the same",
    )
    stop_gradient: bool = Field(False, description="a conditional prior teaches the state nothing")
    prior_sample_prob: Share = Field(0.0, description="share of frames that are rebuilt from a draw of the prior")
    channel_dropout: Fraction = Field(
        0.0, description="chance of a dimension to be drawn from the prior throughout a sequence"
    )

    @model_validator(mode="after")
    def _all_count(self) -> "Innovation":
        """What would change nothing is refused."""
        if self.prior == "standard" and (self.balance is not None or self.stop_gradient):
            idle = "stop_gradient" if self.balance is None else "balance"
            raise ValueError(f"{idle}: the prior `standard` has nothing to train; leave it out")
        costs = {"beta": self.beta != 1, "beta_warmup_steps": self.beta_warmup_steps, "free_nats": self.free_nats}
        if self.target_nats is None and not self.is_default("target_weight"):
            raise ValueError("target_weight: weighs nothing without target_nats; leave it out")
        ignored = [name for name, given in costs.items() if given]
        if self.target_nats is not None and ignored:
            raise ValueError(f"target_nats: stands in place of beta × KL, so that {', '.join(ignored)} would not count")
        return self


class Reconstructor(Strict):
    """A frame from state and innovation, with Gaussian noise."""

    form: Literal["joint", "additive"] = Field(
        "joint", description="what the network beside the line reads: state and innovation, or the state alone"
    )
    sigma: float = Field(
        0.5, gt=0, le=1e3, description="deviation of the noise, in root mean square deviations of the frames"
    )
    learned_sigma: bool = Field(False, description="one deviation for each principal axis is trained, from `sigma` on")


class Rollout(Strict):
    """Own forecasts of the state, several steps long, rebuilt as frames and compared with true ones (seed 002 §5)."""

    weight: float = Field(1.0, gt=0, le=1e6, description="what they count, beside a nat of the reconstruction")
    horizon: int = Field(
        8, ge=1, le=1000, description="steps of a rollout in the end; the mean over all of them counts"
    )
    first_horizon: int = Field(1, ge=1, le=1000, description="steps of a rollout at first")
    grow_steps: int = Field(
        1000, ge=0, le=1_000_000_000, description="updates until rollouts have `horizon` steps; 0: from the beginning"
    )
    innovation: Literal["mean", "sample"] = Field(
        "mean", description="what frames are rebuilt from, beside the state: the prior's mean, or a draw of the prior"
    )

    @model_validator(mode="after")
    def _grows(self) -> "Rollout":
        if self.first_horizon > self.horizon:
            raise ValueError("first_horizon must be at most horizon")
        return self


class Dynamics(Strict):
    """A model of the next state. It is always trained; the weight says what is asked of the state."""

    weight: Weight = Field(0.01, description="what a predictable state counts, beside a nat of the reconstruction")
    likelihood: Literal["whitened", "fixed", "learned"] = Field(
        "whitened",
        description="of forecasts: by covariances of the batch, whatever the state's scale and mixing; or in the "
        "state's own units with deviation 1 or trained ones, which a small state cheats (seed 000 §4.3)",
    )
    window_frames: int = Field(1, ge=1, le=1000, description="states that are read, the newest one included")
    network: Network = Field(MLPNetwork(kind="mlp", width=64, layers=1), description="beside a line from the newest")
    rollout: Rollout | None = Field(
        None,
        description="own forecasts, several steps long, rebuilt as frames; null: none",
        exclude_if=operator.not_,  # without it, the digest of the settings is as it was before there were rollouts
    )


class Future(Strict):
    """Forecasts of later frames from the state alone (seed 002 §5)."""

    weight: Weight = Field(0.0, description="what they count, beside a nat of the reconstruction")
    horizons: Horizons = Field([1, 2, 4, 8], description="frames ahead; the mean over all of them counts")
    network: Network = Field(MLPNetwork(kind="mlp", width=64, layers=1), description="one for each horizon")


class WayBackKind(Strict):
    """What generated frames take as their innovation (seed 002 §4). It trains no model again."""

    kind: str  # each kind's own word


class MeanWayBack(WayBackKind):
    """The mean of the prior: no innovation at all (option A)."""

    kind: Literal["mean"]


class DrawnWayBack(WayBackKind):
    """A draw."""

    noise: bool = Field(False, description="the noise σ of frames is drawn, too, which the seed leaves out")


class PriorWayBack(DrawnWayBack):
    """A draw of the model's own prior: option C where `innovation.prior` is conditional, D where it is standard."""

    kind: Literal["prior"]


class FlowWayBack(DrawnWayBack):
    """A draw of a flow that is fitted to the posterior of training frames, given the state (option B)."""

    kind: Literal["flow"]
    nfe: Size = Field(16, description="evaluations of the velocity for a draw; an even number")
    hidden_width: Size = Field(128, description="units of each of the velocity's two layers")
    steps: int = Field(2000, ge=1, le=1_000_000_000, description="updates of the flow")
    batch_size: Size = Field(512, description="frames of an update")
    learning_rate: LearningRate = Field(1e-3, description="of Adam; it falls to 0 along half a cosine")

    @model_validator(mode="after")
    def _whole_steps(self) -> "FlowWayBack":
        if self.nfe % 2:
            raise ValueError(f"nfe: {self.nfe} is odd, and a midpoint step takes two evaluations; make it even")
        return self


if TYPE_CHECKING:
    WayBack = WayBackKind
else:
    WayBack = any_kind_of(WayBackKind)


class Factorizer(LearnedRepresentation):
    """The predictable state of another representation's frames, trained beside an innovation (seed 002 §4)."""

    kind: Literal["factorizer"]
    dim: Size = Field(description="dimensions of the state, at most the numbers of window_frames frames of the source")
    timing: Literal["strict", "inclusive"] = Field(
        "strict",
        description="frames that the state of a frame is read off: those before it, or itself, too. Inclusive is "
        "ill-posed: a frame then costs nothing",
    )
    window_frames: int = Field(8, ge=1, le=1000, description="W: the last frames, which the encoder's line reads")
    encoder: Network = Field(
        GRUNetwork(kind="gru", width=64),
        description="beside the line: `gru` reads all frames so far, every other kind the last W",
    )
    network: Network = Field(
        Hidden, description="of posterior, conditional prior and reconstructor, beside a line each"
    )
    innovation: Innovation = Field(Innovation(), description="what a frame adds, and what it may cost")
    reconstructor: Reconstructor = Field(Reconstructor(), description="how a frame is rebuilt")
    dynamics: Dynamics = Field(Dynamics(), description="how predictable the state is")
    training: FactorizerTraining = Field(FactorizerTraining(), description="how it is fitted")
    future: Future = Field(Future(), description="what the state alone tells of later frames")
    way_back: WayBack = Field(
        MeanWayBack(kind="mean"), description="what generated frames take as their innovation; it trains nothing again"
    )

    @property
    def trained_for(self) -> str:
        return super().trained_for + ("" if self.dynamics.rollout is None else ", rollout")

    def shape_of(self, source: Shape) -> Shape:
        rollout = self.dynamics.rollout
        if source.dim is not None:
            self._check_dimensions(source.dim)
        if self.training.sequence_frames < (reach := self._reach):
            raise ValueError(
                f"training.sequence_frames: {self.training.sequence_frames} frames are too few for dynamics "
                f"(window_frames, rollout.horizon) and future (horizons), which take {reach} in a row"
            )
        warm, steps = self.innovation.beta_warmup_steps, self.training.steps
        check_schedule("innovation.beta_warmup_steps", warm, steps, "the cost counts in full")
        if rollout is not None and rollout.first_horizon != rollout.horizon:
            check_schedule("dynamics.rollout.grow_steps", rollout.grow_steps, steps, "rollouts have `horizon` steps")
        length = self.window_frames + self.training.sequence_frames
        reason = f"{self.training.sequence_frames} frames after the {self.window_frames} of window_frames"
        source.check_frames("training.sequence_frames", length, reason, self.source)
        pairs = self.training.batch_size * (self.training.sequence_frames - self.dynamics.window_frames)
        if self.dynamics.likelihood == "whitened" and pairs < 2 * self.dim:
            raise ValueError(
                f"training.batch_size: a batch has {pairs} pairs of a state and the next, too few for a covariance of "
                f"{self.dim} dimensions; give training.batch_size × training.sequence_frames of at least "
                f"{2 * self.dim} pairs"
            )
        return Shape(source.rate_hz, self.dim, source.frames)

    @property
    def _reach(self) -> int:
        """Frames in a row that it takes."""
        ahead = self.future.horizons[-1] if self.future.weight else 0
        rolled = 1 if self.dynamics.rollout is None else self.dynamics.rollout.horizon
        return max(self.dynamics.window_frames + rolled, 1 + ahead)

    def _check_dimensions(self, source_dim: int) -> None:
        if self.dim > (numbers := self.window_frames * source_dim):
            raise ValueError(
                f"dim: {self.dim} is above the {numbers} numbers of {self.window_frames} frames of '{self.source}' "
                f"({source_dim} dimensions)"
            )
        if (innovation := self.innovation.dim) is not None and innovation > source_dim:
            raise ValueError(
                f"innovation.dim: {innovation} is above the {source_dim} dimensions of a frame of '{self.source}'"
            )
