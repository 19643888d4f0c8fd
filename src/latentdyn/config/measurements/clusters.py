"""`clustering`: how every key is clustered and scored (Phase 0)."""

from typing import TYPE_CHECKING, Any

from pydantic import Field, PositiveFloat, PositiveInt

from latentdyn.config.measurements.base import MeasurementKind
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.values import Horizons

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Clustering(MeasurementKind):
    """How every key is clustered and scored (Phase 0)."""

    measurement = "clusters"
    section = "clustering"
    purpose = "how every key is scored"
    by = "key"
    metrics = "clusters.json"
    needs_gpu = False
    minutes = (30, 50)

    window_frames: PositiveInt = Field(8, description="W: frames of context, the newest x_{t-1}")
    longest_horizon: PositiveInt = Field(
        8, description="frames are those of predictors with this W and this longest k, so that rows can be compared"
    )
    cluster_counts: Horizons = Field(
        [64, 128, 256, 512, 1024], description="numbers of clusters of k-means, one after another"
    )
    min_cluster_frames: PositiveInt = Field(
        20, description="a cluster with fewer training frames is left out, and its share of the frames is reported"
    )
    variance_prior_frames: PositiveFloat = Field(
        20.0, description="the variance of all steps counts like this many frames in the variance of a cluster"
    )
    permutations: int = Field(10, ge=2, description="permutations of the labels: the random baseline")
    kmeans_iterations: PositiveInt = Field(25, description="iterations of Lloyd's algorithm")
    kmeans_restarts: PositiveInt = Field(3, description="runs of k-means; the best one is kept")
    kmeans_frames_per_cluster: PositiveInt = Field(
        256, description="centroids are fitted to at most this many frames a cluster; all frames are labelled"
    )

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        shared = {"max_frames", "principal_dims", "bootstrap_resamples"}
        clustering = self.model_dump(mode="json") | config.section(Evaluation).model_dump(mode="json", include=shared)
        return {"key": config.keys[by].model_dump(mode="json"), "clustering": clustering}
