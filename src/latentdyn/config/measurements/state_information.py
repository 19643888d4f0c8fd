"""`state_information`: what representations tell of a reference's later frames, by a network beside the line."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, Field, model_validator

from latentdyn.config.kinds import any_kind_of
from latentdyn.config.measurements.lagged import WithEvaluation
from latentdyn.config.measurements.learned import Learned
from latentdyn.config.networks import MLPNetwork, NetworkKind
from latentdyn.config.shapes import Known
from latentdyn.config.values import Count, LearningRate, Size, part_of

if TYPE_CHECKING:
    from latentdyn.config.root import Root

    Network = NetworkKind
else:
    Network = any_kind_of(NetworkKind)

LogSigma = Annotated[float, Field(ge=-30, le=30)]


class StateInformation(WithEvaluation):
    """State information by a mixture density network, in the frames of a reference.

    Window, horizons and ridges are those of the section `learned`, so that both estimates are of the same frames.
    """

    of_evaluation = frozenset({"max_frames", "bootstrap_resamples"})
    measurement = "state_information"
    section = "state_information"
    purpose = "state information of representations by a mixture density network"
    by = "representation"
    metrics = "state_information_{variant}.json"
    sums = "state_information_{variant}_speakers.parquet"
    variant = "reference"
    roles: ClassVar = {}
    needs_gpu = False
    compares = True
    minutes = (60, 5)
    copies = 12.0

    _of_learned: ClassVar = {"window_frames", "information_horizons", "ridges"}

    n_components: Size = Field(4, description="K: components of each mixture; 1 is a Gaussian that the network moves")
    network: Network = Field(
        MLPNetwork(kind="mlp", width=128, layers=1, dropout=0.2), description="reads the frame, or the window"
    )
    context_clip: float = Field(
        10.0, gt=0, le=1e6, description="whitened numbers that the network reads are clamped to plus and minus this"
    )
    log_sigma_min: LogSigma = Field(
        -3.0, description="lower clamp of log sigma, in deviations of what the line leaves along its own axes"
    )
    log_sigma_max: LogSigma = Field(3.0, description="upper clamp of log sigma")
    steps: Count = Field(2000, description="parameter updates of a mixture at most")
    batch_size: Size = Field(256, description="frames in an update")
    learning_rate: LearningRate = Field(1e-3, description="AdamW's step size, constant")
    weight_decay: float = Field(1e-4, ge=0, le=1e6, description="AdamW's decoupled decay")
    gradient_clip_norm: float = Field(
        1.0, ge=1e-6, le=1e12, description="larger gradients are scaled down to this norm"
    )
    validate_every_steps: Count = Field(100, description="updates between two looks at validation speakers")
    patience_validations: Count = Field(
        4, description="the training ends after so many looks without a new best, and the best weights are kept"
    )

    @property
    def threads(self) -> int:
        """One. With two, its small products take as long and twice the CPU time; beside other work, thrice as long."""
        return 1

    @model_validator(mode="after")
    def _ordered_clamp(self) -> "StateInformation":
        if not self.log_sigma_min < 0 < self.log_sigma_max:
            raise ValueError(
                "log_sigma_min must be below 0 and log_sigma_max above it: each mixture begins as the line, at 0"
            )
        return self

    @classmethod
    def form(cls) -> type[BaseModel]:
        return part_of(Learned, cls._of_learned, base=super().form())

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        shared = config.section(Learned).model_dump(mode="json", include=self._of_learned)
        return {**super().settings(config, by, variant), **shared}

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        """Check what the section `learned` asks for, and that there are speakers who choose the weights."""
        config.section(Learned).check(where, config, known, by, variant)
        known.check_split(where, "validation", "its speakers choose the weights of each mixture")
