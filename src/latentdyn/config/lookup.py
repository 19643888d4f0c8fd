"""Sections `lookup`: the memory of a predictor, what it looks up beside what its network computes."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from latentdyn.config.values import LearningRate, Size, Strict, no_duplicates


class LookupKind(Strict):
    """Learned vectors that a predictor looks up."""

    sized_by: ClassVar[str]  # the key that says how many there are to fit

    kind: str  # each kind's own word

    @property
    def frames_needed(self) -> int:
        """Frames at the end of a context that it is looked up by."""
        return 1

    @property
    def training_frames_needed(self) -> int:
        """Training frames that it must be fitted to."""
        return 1

    def with_random_codes(self) -> "LookupKind":
        """One of the same size whose codes tell nothing."""
        raise NotImplementedError  # abstract


class Engram(LookupKind):
    """Tables of vectors, looked up by the codes of the newest frames (seed 002, Phase 4). For every head."""

    sized_by: ClassVar[str] = "n_codes"

    kind: Literal["engram"]
    codes: Literal["fitted", "random"] = Field(
        "fitted",
        description="`fitted`: of a frame, the nearest of `n_codes` centroids (k-means on training frames). `random`: "
        "a number that depends on the frame, and on nothing that similar frames share",
    )
    n_codes: int = Field(256, ge=2, le=100_000, description="codes of a frame")
    ngrams: Annotated[
        list[Annotated[int, Field(ge=1, le=1000)]],
        Field(min_length=1),
        AfterValidator(no_duplicates),
        AfterValidator(sorted),
    ] = Field([1, 2], description="n: there is a table for each, looked up by the codes of the n newest frames")
    rows: Size = Field(8192, description="rows of a table. Where there are more n-grams, some share a row (hashing)")
    width: Size = Field(32, description="numbers of a row; a linear map makes the head's numbers of them")
    learning_rate: LearningRate = Field(1e-2, description="of the tables alone, since a row is met in few batches only")

    @property
    def frames_needed(self) -> int:
        return self.ngrams[-1]

    @property
    def training_frames_needed(self) -> int:
        return self.n_codes if self.codes == "fitted" else 1

    def with_random_codes(self) -> "Engram":
        return self.model_copy(update={"codes": "random"})


class Basis(LookupKind):
    """A mean direction that is made of prototypes (seed 004 §3, insight 5). For heads that have a direction."""

    sized_by: ClassVar[str] = "n_prototypes"

    kind: Literal["basis"]
    codes: Literal["learned", "archetypes", "random"] = Field(
        "learned",
        description="the prototypes. `learned`: with all other weights. `archetypes`: centres of spherical k-means on "
        "the directions of the longer half of training steps, and kept. `random`: drawn, and kept",
    )
    n_prototypes: int = Field(128, ge=2, le=100_000, description="K: prototypes, each with a key that is learned")

    @property
    def training_frames_needed(self) -> int:
        return 2 * self.n_prototypes - 1 if self.codes == "archetypes" else 1  # the longer half of them has so many

    def with_random_codes(self) -> "Basis":
        return self.model_copy(update={"codes": "random"})
