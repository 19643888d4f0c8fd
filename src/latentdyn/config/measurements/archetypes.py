"""`archetypes`: how prototypes of the directions of steps are found and judged."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from latentdyn.config.measurements.lagged import Evaluation, WithEvaluation
from latentdyn.config.shapes import Known
from latentdyn.config.values import Count, Fraction, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Archetypes(WithEvaluation):
    """Prototypes of the directions of steps."""

    measurement = "archetypes"
    section = "archetypes"
    purpose = "prototypes of the directions of steps"
    by = "representation"
    metrics = "archetypes.json"
    roles: ClassVar = {}
    of_evaluation = frozenset({"max_frames", "bootstrap_resamples"})
    needs_gpu = False
    minutes = (60, 50)

    cluster_counts: Annotated[
        list[Annotated[int, Field(ge=2, le=100_000)]],
        Field(min_length=1),
        AfterValidator(no_duplicates),
        AfterValidator(sorted),
    ] = Field([32, 64, 128, 256, 512], description="K: numbers of prototypes, one after another")
    threshold_quantile: Fraction = Field(
        0.5, description="of the lengths of training steps; shorter steps are left out, at 0 none"
    )
    variance: float = Field(
        0.9, gt=0, le=1, description="share of the sum of squares of training directions that the principal axes hold"
    )
    kmeans_iterations: Count = Field(25, description="iterations of Lloyd's algorithm")
    kmeans_restarts: Count = Field(3, description="runs of spherical k-means; the best one is kept")
    halvings: int = Field(
        3, ge=1, le=1000, description="times that training speakers are split into halves; transfer is the mean"
    )

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        known.check_frames(where, 2, "a step")
        known.check_split(where, "train", "prototypes are fitted to it")
        known.check_split(where, "eval", "prototypes are judged on it")
        limits = (known.frames("train", 1), config.section(Evaluation).max_frames)
        training, most = min(n for n in limits if n is not None), self.cluster_counts[-1]
        if most > training:
            raise ValueError(
                f"archetypes.cluster_counts: {where} asks for {most} prototypes of '{known.representation}', and there "
                f"are at most {training} training steps"
            )
