"""Latents of a model that is trained on another representation's frames. Its kinds stand in `vae` and `factorizer`."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from latentdyn.config.corpora import CorpusKind
from latentdyn.config.representations.base import Derived, Encoder
from latentdyn.config.shapes import Shape
from latentdyn.config.training import RepresentationTraining
from latentdyn.config.values import part_of
from latentdyn.families import MODELS

if TYPE_CHECKING:
    from latentdyn.config.root import Root

_NOT_TRAINED = {"kind", "source", "dtype", "posterior", "way_back", "seed"}


class LearnedRepresentation(Derived):
    """Latents of a model that gradient descent fits to another representation."""

    seed: int = Field(0, ge=0, lt=2**32, description="of the training; another one trains another model")
    training: RepresentationTraining = Field(RepresentationTraining(), description="how it is fitted")

    @property
    def trained_for(self) -> str:
        return str(self.kind)

    @property
    def fitted_by(self) -> list[str]:
        """The modules that train its model."""
        return [MODELS.module(self.kind)]

    @property
    def listens(self) -> bool:
        """Whether its objective hears what the codec's decoder makes of the source's frames."""
        return False

    @classmethod
    def of_model(cls) -> type[BaseModel]:
        """The settings of the model by themselves."""
        return part_of(cls, cls.model_fields.keys() - _NOT_TRAINED)

    def model_settings(self) -> dict[str, Any]:
        """The part that is trained: what only its use depends on trains nothing again."""
        return self.model_dump(mode="json", exclude=_NOT_TRAINED)

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        shape = super().shape(config, corpus)
        codec = config.all_representations[self.source]
        if self.listens and not (isinstance(codec, Encoder) and codec.differentiable):
            raise ValueError(
                f"{self.path(config)}.objective.reconstruction: '{self.source}' ({codec.kind}) has no decoder that a "
                "training could listen through; give an encoder's own representation as source (and stack for a lower "
                "rate), or reconstruction of kind frames"
            )
        if corpus and self.training.select == "best_validation" and not corpus.may_have("validation"):
            raise ValueError(
                f"{self.path(config)}.training.select: the best step is chosen by validation speakers, and the corpus "
                "gives none; set splits.validation of the corpus above 0, or training.select to last"
            )
        return shape
