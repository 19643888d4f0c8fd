"""What every kind of predictor answers to the rest of the configuration."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from latentdyn.config.values import Horizons, Strict
from latentdyn.families import PREDICTORS

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class PredictorKind(Strict):
    """A conditional density of the next step, for each horizon."""

    closed_form: ClassVar[bool] = False  # draws nothing: every seed would give the same

    kind: str  # each kind's own word
    window_frames: int = Field(8, ge=1, le=100_000, description="W: frames of context")
    horizons: Horizons = Field(
        [1, 2, 4, 8], description="k: staleness of the context in frames. One job fits all of them"
    )

    @property
    def module(self) -> str:
        """The module that this kind is made of."""
        return PREDICTORS.module(self.kind)

    @property
    def fitted_by(self) -> list[str]:
        """The modules that fit it."""
        return [self.module]

    @property
    def threads(self) -> int:
        """Two for a network. A closed form or a density without context is done before a second one helps."""
        return 1

    @property
    def regime(self) -> str:
        """The kind of its training regime. What is solved in closed form sees true contexts."""
        return "teacher_forced"

    @property
    def start(self) -> str | None:
        """The predictor whose weights its training starts from, if there is one."""
        return None

    @property
    def training_steps(self) -> int | None:
        """Parameter updates of its training; None of a closed form."""
        return None

    @property
    def frames_needed(self) -> int:
        """Frames that an utterance must have, to be fitted to it."""
        return self.window_frames + self.horizons[-1]

    @property
    def chosen_by_validation(self) -> str | None:
        """The setting by which validation speakers choose something; None where they choose nothing."""
        return None

    @property
    def training_frames_needed(self) -> int:
        """Training frames that it must be fitted to."""
        return 1

    @property
    def sized_by(self) -> str:
        """The key that says for what it needs them."""
        return "window_frames"

    def unconditional(self) -> "PredictorKind | None":
        """The same density without a context, the reference of the context gain; None where this is one.

        It is fitted once, at the longest horizon: on the frames that all horizons share.
        """
        raise NotImplementedError  # abstract

    def twins(self) -> "dict[str, PredictorKind]":
        """What may stand beside it in a table, by what its name ends with."""
        twin = self.unconditional()
        return {} if twin is None else {"unconditional": twin}

    def resolved(self, predictors: "dict[str, PredictorKind]") -> "PredictorKind":
        """With the settings of other predictors where it names them: what its job is given."""
        return self

    def check(self, where: str, config: "Root") -> None:
        """Check what the section alone cannot know.

        Args:
            where: dotted path of this entry.

        Raises:
            ValueError: what it starts from is not defined, or has other weights.
        """
