"""The families of representations: encoders, provided latents, processes, derived latents.

A family says what its stores are made from and by which modules. A kind of a family adds its settings.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from latentdyn.config.corpora import CorpusKind, Source
from latentdyn.config.mistakes import alike
from latentdyn.config.shapes import Shape
from latentdyn.config.values import Name, Strict
from latentdyn.families import CODECS, PROCESSES, TRANSFORMS, Family

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class RepresentationKind(Strict):
    """A sequence of latents for each utterance."""

    made_from: ClassVar[Source | Literal["representation"]]  # what a corpus must give, or another representation
    family: ClassVar[Family]  # of the modules that make the latents
    needs_gpu: ClassVar[bool] = False
    has_inverse: ClassVar[bool] = True  # frames lead back to what they were made from, if not exactly

    kind: str  # each kind's own word
    dtype: Literal["float32", "float16"] = Field("float32", description="how latents are stored")

    @property
    def module(self) -> str:
        """The module that makes these latents."""
        return self.family.module(self.kind)

    @property
    def trained_for(self) -> str:
        """What gradient descent fitted it to, in words; "" of what is solved, or not fitted."""
        return ""

    def weights(self) -> list[Path]:
        """The local files that the latents depend on, as far as they exist."""
        return []

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        """What is known of its latents before they are made.

        Args:
            corpus: that they are of; None for what is the same of every corpus.

        Raises:
            ValueError: it cannot be made of such latents. The text begins with the dotted path that is to blame.
        """
        return Shape()

    def check(self, where: str, config: "Root") -> None:
        """Check what a kind alone cannot know.

        Args:
            where: dotted path of this entry.

        Raises:
            ValueError: what the entry names is not defined, or does not fit.
        """


class Encoder(RepresentationKind):
    """Latents that a codec's encoder makes of audio."""

    made_from = "audio"
    family = CODECS
    has_quantizer: ClassVar[bool] = False  # of its own, for its latents
    differentiable: ClassVar[bool] = False  # its decoder is a network of torch

    @property
    def audio_rate_hz(self) -> int | None:
        """Samples a second of what its decoder makes; None where only its weights tell."""
        return None


class Derived(RepresentationKind):
    """Latents that are made of another representation's."""

    made_from = "representation"
    family = TRANSFORMS
    learns: ClassVar[bool] = True  # from the training speakers; what does not says so

    source: Name = Field(description="name of the representation that it is made of")

    @property
    def is_fitted(self) -> bool:
        """Whether each corpus has its own fit, so that the latents of two corpora cannot be compared."""
        return self.learns

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        source = config.all_representations[self.source].shape(config, corpus)
        try:
            return self.shape_of(source)
        except ValueError as error:
            raise ValueError(f"{self.path(config)}.{error}") from None

    def path(self, config: "Root") -> str:
        """Its dotted path, for messages; that of its source where the config has no such entry."""
        name = next((name for name, entry in config.representations.items() if entry is self), self.source)
        return f"representations.{name}"

    def shape_of(self, source: Shape) -> Shape:
        """What is known of it, by what is known of its source.

        Raises:
            ValueError: it cannot be made of such a source. The text begins with the key that is to blame.
        """
        return source

    def check(self, where: str, config: "Root") -> None:
        name = where.rpartition(".")[2]
        chain = [name]
        while isinstance(node := config.representations.get(chain[-1]), Derived):
            if node.source in chain:
                raise ValueError(f"{where}.source: goes round in a circle ({' -> '.join(chain)})")
            chain.append(node.source)
        if node is None:
            raise ValueError(
                f"representations.{chain[-2]}.source: no representation is named '{chain[-1]}'"
                + alike(chain[-1], config.representations)
            )
        self.shape(config, None)


class Provided(RepresentationKind):
    """The latents that a corpus of kind `latents` brings."""

    made_from = "latents"
    family = Family("import", "latentdyn.steps.import_latents", "step")

    kind: Literal["provided"]

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        return corpus.latents_shape if corpus else Shape()


class Process(RepresentationKind):
    """A random process whose exact predictability is known."""

    made_from = "nothing"
    family = PROCESSES
    exact_at_all_horizons: ClassVar[bool] = False  # exact values of predictors are known at every k, not at k = 1 alone
    exact_clusters: ClassVar[bool] = False  # an exact value of clusters of contexts is known, at k = 1
    exact_geometry: ClassVar[bool] = False  # exact values are known of what is measured without a predictor
    exact_information: ClassVar[bool] = False  # it is known what a window of frames tells of the next one

    @property
    def exact_readouts(self) -> bool:
        """Whether exact values of slow features and canonical correlations are known."""
        return False

    dim: int = Field(16, ge=1, le=100_000, description="dimensions")
    seed: int = Field(
        0, ge=0, lt=2**32, description="random seed of the process's own parameters and of its utterances"
    )

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        return replace(corpus.latents_shape if corpus else Shape(), dim=self.dim)
