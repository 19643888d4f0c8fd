"""`clustering`: how every key is clustered and scored (Phase 0)."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, Field, create_model

from latentdyn.config.keys import KeyKind
from latentdyn.config.kinds import any_kind_of
from latentdyn.config.measurements.base import MeasurementKind
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.shapes import Known
from latentdyn.config.values import Count, Horizons, Strict, part_of

if TYPE_CHECKING:
    from latentdyn.config.root import Root


_SHARED = {"max_frames", "principal_dims", "bootstrap_resamples"}  # with what predictors are measured by


def _several(counts: list[int]) -> list[int]:
    if counts[0] < 2:
        raise ValueError("one cluster tells nothing; take 2 or more")
    return counts


class Clustering(MeasurementKind):
    """How every key is clustered and scored (Phase 0)."""

    measurement = "clusters"
    section = "clustering"
    purpose = "how every key is scored"
    by = "key"
    metrics = "clusters.json"
    roles: ClassVar = {}
    needs_gpu = False
    minutes = (30, 50)

    window_frames: int = Field(8, ge=1, le=100_000, description="W: frames of context, the newest x_{t-1}")
    longest_horizon: int = Field(
        8,
        ge=1,
        le=1_000_000,
        description="frames are those of predictors with this W and this longest k, so that rows can be compared",
    )
    cluster_counts: Annotated[Horizons, AfterValidator(_several)] = Field(
        [64, 128, 256, 512, 1024], description="numbers of clusters of k-means, one after another"
    )
    min_cluster_frames: Count = Field(
        20, description="a cluster with fewer training frames is left out, and its share of the frames is reported"
    )
    variance_prior_frames: float = Field(
        20.0,
        gt=0,
        le=1e9,
        description="the variance of all steps counts like this many frames in the variance of a cluster",
    )
    permutations: int = Field(10, ge=2, le=100_000, description="permutations of the labels: the random baseline")
    kmeans_iterations: Count = Field(25, description="iterations of Lloyd's algorithm")
    kmeans_restarts: Count = Field(3, description="runs of k-means; the best one is kept")
    kmeans_frames_per_cluster: Count = Field(
        256, description="centroids are fitted to at most this many frames a cluster; all frames are labelled"
    )

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        key, reach = config.keys[by], self.window_frames + self.longest_horizon - 1
        known.check_frames(where, reach + 1, "the clustering (its window_frames and longest_horizon)")
        if (setting := key.chosen_by_validation) is not None:
            reason = "speakers of the split validation choose it"
            known.check_split(f"keys.{by}.{setting}", "validation", reason)
        most = known.shape.dim and key.most_dims(self.window_frames, known.shape.dim)
        if most is not None and getattr(key, "dims", 0) > most:
            raise ValueError(
                f"keys.{by}.dims: {where} asks for it on '{known.representation}', where it can be at most {most}"
            )
        limits = (known.frames("train", reach), config.section(Evaluation).max_frames)
        training, clusters = min(n for n in limits if n is not None), key.clusters(self.cluster_counts)
        if clusters > training:
            setting = "clustering.cluster_counts" if clusters == self.cluster_counts[-1] else f"keys.{by}.dims"
            raise ValueError(
                f"{setting}: {where} asks for {clusters} clusters of '{known.representation}', and there are at most "
                f"{training} training frames"
            )

    @classmethod
    def form(cls) -> type[BaseModel]:
        return create_model(
            "ClusteringSettings", __base__=Strict, key=(any_kind_of(KeyKind), ...),
            clustering=(part_of(Evaluation, _SHARED, base=cls), ...),
        )  # fmt: skip

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        clustering = self.model_dump(mode="json") | config.section(Evaluation).model_dump(mode="json", include=_SHARED)
        return {"key": config.keys[by].model_dump(mode="json"), "clustering": clustering}
