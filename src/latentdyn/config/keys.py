"""`keys`: coarse views of a context, by which contexts are clustered."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from latentdyn.config.values import Strict


class KeyKind(Strict):
    """A coarse view of a context."""

    kind: str  # each kind's own word


class MeanPoolKey(KeyKind):
    """k-means of the mean of the context's frames."""

    kind: Literal["mean_pool"]


class PCAKey(KeyKind):
    """k-means of the context's principal components."""

    kind: Literal["pca"]
    dims: PositiveInt = Field(16, description="components kept")


class LearnedKey(KeyKind):
    """k-means of what a reduced-rank regression of the step on the context predicts."""

    kind: Literal["learned"]
    dims: PositiveInt = Field(16, description="rank of the regression, at most the latent's dimension")
    ridges: Annotated[list[PositiveFloat], Field(min_length=1)] = Field(
        [1e-3, 1e-2, 1e-1, 1.0],
        description="candidates for the ridge, where context variances are 1; validation speakers choose one",
    )


class PCABinsKey(KeyKind):
    """Quartiles of the context's first principal components: 4^dims labels."""

    kind: Literal["pca_bins"]
    dims: int = Field(3, ge=1, le=6, description="components binned")
