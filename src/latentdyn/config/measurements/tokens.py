"""`tokens`: how the codes of dequantized frames are predicted."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from latentdyn.config.measurements.lagged import WithEvaluation
from latentdyn.config.shapes import Known
from latentdyn.config.values import Count, FrameCount, LearningRate

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Tokens(WithEvaluation):
    """What the past tells in bits a second: of frames, and of the codes that dequantized frames were made of."""

    measurement = "tokens"
    section = "tokens"
    purpose = "what the past tells of frames and of codes, in bits a second"
    by = "representation"
    metrics = "tokens.json"
    roles: ClassVar = {}  # it reads no fitted model

    window_frames: int = Field(8, ge=1, le=10_000, description="W: frames of the past that the model reads")
    width: int = Field(128, ge=1, le=100_000, description="of its hidden layer")
    steps: Count = Field(1000, description="training steps; validation speakers choose among ten of them")
    batch_frames: int = Field(256, ge=1, le=1_000_000, description="frames a step")
    learning_rate: LearningRate = Field(2e-3, description="of AdamW at the start; it falls to 0 by a cosine")
    max_frames: FrameCount = Field(50_000, description="frames of each split; a larger split is subsampled")

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        known.check_frames(where, self.window_frames + 1, "the section tokens (window_frames)")
        known.check_split("tokens", "validation", "speakers of the split validation choose the training step")
