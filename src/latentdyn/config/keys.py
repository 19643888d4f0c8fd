"""`keys`: coarse views of a context, by which contexts are clustered."""

from typing import Literal

from pydantic import Field

from latentdyn.config.values import PositiveRidges, Size, Strict


class KeyKind(Strict):
    """A coarse view of a context."""

    kind: str  # each kind's own word

    @property
    def chosen_by_validation(self) -> str | None:
        """The setting by which validation speakers choose something; None where they choose nothing."""
        return None

    def most_dims(self, window_frames: int, dim: int) -> int | None:
        """The most `dims` that it can have, in a context of so many frames of this dimension; None without `dims`."""
        return None

    def clusters(self, cluster_counts: list[int]) -> int:
        """The largest number of clusters that it makes."""
        return cluster_counts[-1]


class MeanPoolKey(KeyKind):
    """k-means of the mean of the context's frames."""

    kind: Literal["mean_pool"]


class PCAKey(KeyKind):
    """k-means of the context's principal components."""

    kind: Literal["pca"]
    dims: Size = Field(16, description="components kept")

    def most_dims(self, window_frames: int, dim: int) -> int:
        return window_frames * dim


class LearnedKey(KeyKind):
    """k-means of what a reduced-rank regression of the step on the context predicts."""

    kind: Literal["learned"]
    dims: Size = Field(16, description="rank of the regression, at most the latent's dimension")
    ridges: PositiveRidges = Field(
        [1e-3, 1e-2, 1e-1, 1.0],
        description="candidates for the ridge, where context variances are 1; validation speakers choose one",
    )

    @property
    def chosen_by_validation(self) -> str | None:
        return "ridges" if len(self.ridges) > 1 else None

    def most_dims(self, window_frames: int, dim: int) -> int:
        return dim


class PCABinsKey(KeyKind):
    """Quartiles of the context's first principal components: 4^dims labels."""

    kind: Literal["pca_bins"]
    dims: int = Field(3, ge=1, le=6, description="components binned")

    def most_dims(self, window_frames: int, dim: int) -> int:
        return window_frames * dim

    def clusters(self, cluster_counts: list[int]) -> int:
        return int(4**self.dims)
