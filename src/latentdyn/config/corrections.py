"""`corrections`: score models of single latents, and the Langevin steps that correct a forecast's states with them."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, model_validator

from latentdyn.config.training import ScoreTraining
from latentdyn.config.values import Horizons, Size, Strict, no_duplicates, part_of

Sigma = Annotated[float, Field(gt=0, le=1e6)]


class ScoreNetwork(Strict):
    """Residual blocks over one noisy frame, each told the noise level."""

    width: Size = Field(512, description="units of a block's hidden layer")
    blocks: Size = Field(3, description="residual blocks")


class Correction(Strict):
    """Score correction (seed 003 §6.2): a score model, and how it is applied."""

    network: ScoreNetwork = Field(ScoreNetwork(), description="predicts the noise in a noisy frame")
    sigma_min: Sigma = Field(
        0.05, description="lowest noise level of the training, in deviations of the training frames"
    )
    sigma_max: Sigma = Field(1.0, description="highest noise level of the training")
    training: ScoreTraining = Field(ScoreTraining(), description="how it is fitted")
    sigmas: Annotated[list[Sigma], Field(min_length=1), AfterValidator(no_duplicates)] = Field(
        [0.1, 0.5], description="noise levels at which states are corrected"
    )
    step_size: float = Field(
        0.2,
        gt=0,
        le=100,
        description="η of a Langevin step is this times σ². With 1, a step without noise denoises completely",
    )
    n_steps: Horizons = Field([1, 2, 3], description="Langevin steps after every step of a forecast")

    @model_validator(mode="after")
    def _levels_are_trained(self) -> "Correction":
        if self.sigma_min >= self.sigma_max:
            raise ValueError("sigma_min must be below sigma_max")
        beyond = [sigma for sigma in self.sigmas if not self.sigma_min <= sigma <= self.sigma_max]
        if beyond:
            raise ValueError(f"sigmas must lie from sigma_min to sigma_max, unlike {', '.join(map(str, beyond))}")
        return self

    @classmethod
    def of_model(cls) -> type[BaseModel]:
        """The settings of a score model by themselves."""
        return part_of(cls, set(cls.model_fields) - _SAMPLING)

    @classmethod
    def of_sampling(cls) -> type[BaseModel]:
        """The settings of its use by themselves."""
        return part_of(cls, _SAMPLING)

    def score_model(self) -> dict[str, Any]:
        """The part that is trained: applying it otherwise trains nothing again."""
        return self.model_dump(mode="json", exclude=_SAMPLING)

    def sampling(self) -> dict[str, Any]:
        """The part that says how it is applied."""
        return self.model_dump(mode="json", include=_SAMPLING)


_SAMPLING = {"sigmas", "step_size", "n_steps"}
