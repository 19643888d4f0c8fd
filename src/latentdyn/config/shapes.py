"""What a configuration alone can tell of data that do not exist yet: rate, dimension, length, speakers of each split.

Much of it only the data tell; that is None here. Where it is known, a table that cannot be made is refused before a job
starts, by the key that is to blame.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from latentdyn.config.values import Split
from latentdyn.rates import whole_factor

if TYPE_CHECKING:
    from latentdyn.config.corpora import CorpusKind


@dataclass(frozen=True)
class Shape:
    """Of one representation of a corpus: frames per second, dimensions, frames of the longest utterance."""

    rate_hz: float | None = None
    dim: int | None = None
    frames: int | None = None

    def check_frames(self, key: str, needed: int, reason: str, name: str) -> None:
        """Check that an utterance can have so many frames.

        Args:
            key: that is to blame. reason: what needs them. name: of the representation.

        Raises:
            ValueError: the longest one has fewer.
        """
        if self.frames is not None and self.frames < needed:
            raise ValueError(
                f"{key}: {reason} take {needed} frames of an utterance, and those of '{name}' have {self.frames}"
            )

    def grouped(self, rate_hz: float) -> "Shape":
        """With one frame for each few consecutive ones, at a lower rate.

        Raises:
            ValueError: the rate is not this one divided by a whole number.
        """
        if self.rate_hz is None:
            return Shape(rate_hz, self.dim)
        factor = whole_factor(self.rate_hz, rate_hz)
        return replace(self, rate_hz=rate_hz, frames=self.frames and self.frames // factor)


@dataclass(frozen=True)
class Known:
    """What is known of a representation of a corpus.

    Attributes:
        corpus_name, representation: in the config.
    """

    corpus_name: str
    corpus: "CorpusKind"
    representation: str
    shape: Shape

    def check_frames(self, where: str, needed: int, reason: str) -> None:
        """Check that an utterance can have so many frames.

        Raises:
            ValueError: the longest one has fewer.
        """
        if self.shape.frames is not None and self.shape.frames < needed:
            raise ValueError(
                f"{where}: {reason} takes {needed} frames of an utterance, and those of '{self.representation}' of "
                f"corpus '{self.corpus_name}' have {self.shape.frames}"
            )

    def check_split(self, where: str, split: Split, reason: str) -> None:
        """Check that a split can have speakers.

        Raises:
            ValueError: it has no share of them.
        """
        if not self.corpus.may_have(split):
            raise ValueError(f"{where}: {reason}, and corpora.{self.corpus_name} gives {split} no speakers")

    def utterances(self, split: Split) -> int | None:
        """How many utterances a split has; None where only the data tell."""
        speakers = self.corpus.speakers_of_splits
        return None if speakers is None else self.corpus.utterances(speakers[split])

    def frames(self, split: Split, reach: int) -> int | None:
        """How many frames of a split have `reach` frames before them; None where only the data tell."""
        utterances, frames = self.utterances(split), self.shape.frames
        return None if utterances is None or frames is None else utterances * max(0, frames - reach)
