"""`phones`: how frames are judged by the phones that are spoken."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from latentdyn.config.measurements.lagged import WithEvaluation
from latentdyn.config.shapes import Known
from latentdyn.config.values import FrameCount, PositiveRidges, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Phones(WithEvaluation):
    """What frames tell about the phone that is spoken."""

    measurement = "phones"
    section = "phones"
    purpose = "what frames tell about the phone that is spoken"
    by = "representation"
    metrics = "phones.json"
    roles: ClassVar = {}
    of_evaluation = frozenset({"max_frames", "bootstrap_resamples"})
    needs_gpu = False
    aligned = True

    silence: bool = Field(
        False, description="frames under which no phone is spoken are a class of their own; they are left out otherwise"
    )
    delays_ms: Annotated[
        list[Annotated[float, Field(ge=-1000, le=1000)]], Field(min_length=1), AfterValidator(no_duplicates)
    ] = Field(
        [0.0, -40.0, -20.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0],
        description="candidates for how long before its centre a frame hears its phone; training speakers choose one",
    )
    ridges: PositiveRidges = Field(
        [1e-3, 1e-2, 1e-1],
        description="candidates for the probe's ridge, on whitened frames; validation speakers choose one",
    )
    train_frames: FrameCount = Field(
        20_000, description="frames that the probe is fitted to, and validation frames; more are subsampled"
    )
    speakers: int = Field(20, ge=1, le=1000, description="held-out speakers that ABX compares; more are drawn by name")
    tokens_per_phone: int = Field(10, ge=2, le=1000, description="spoken phones of each kind and speaker for ABX")
    centred: bool = Field(
        True,
        description="angles of ABX are about the mean of training frames; about 0 otherwise, as published ones are",
    )

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        if known.corpus.alignments("") is None:
            raise ValueError(
                f"{where}: nothing says when the phones of corpus '{known.corpus_name}' (kind {known.corpus.kind}) are "
                "spoken; corpora of kind demo come with these times"
            )
        known.check_split(where, "eval", "phones are told apart in its frames")
        if len(self.ridges) > 1:
            known.check_split("phones.ridges", "validation", "speakers of the split validation choose it")
