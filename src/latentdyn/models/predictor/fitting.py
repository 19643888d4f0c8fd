"""How predictors are fitted: a model for each horizon, by its likelihood or in closed form.

The latents are loaded once for all horizons, and all horizons are fitted to the same frames.
"""

from collections.abc import Iterable
from typing import Any

import torch

from latentdyn.errors import UserError
from latentdyn.models.base import Fitting, Part
from latentdyn.predictors.base import Predictor, SolvedPredictor, TrainedPredictor, build_predictor
from latentdyn.predictors.widths import matched_facts
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.latents import LatentsStore
from latentdyn.stores.windows import Scaling, Sequences, Windows, common_runs
from latentdyn.training.likelihood import Likelihood
from latentdyn.training.regimes import TeacherForced, build_regime
from latentdyn.training.sequences import SequenceLikelihood


class PredictorFitting(Fitting[Predictor]):
    """A predictor at all its horizons; settings are its section of the config."""

    seed_name = "train"

    def __init__(
        self, settings: dict[str, Any], store: LatentsStore, frames: FrameIndex, seed: int, device: torch.device
    ) -> None:
        """Choose the frames that every horizon and the regime can use.

        Raises:
            UserError: there are none, or none that end a sequence of the training.
        """
        super().__init__(settings, store, frames, seed, device)
        window, horizons = settings["window_frames"], settings["horizons"]
        self.parts = [Part(f"k{k}", {"k": k}) for k in horizons]
        self.regime = build_regime(settings["training"]["regime"]) if "training" in settings else TeacherForced()
        usable = common_runs(frames, window, horizons, ahead=self.regime.longest - 1)
        train, held_out = usable.of_splits("train"), usable.of_splits("validation")
        most = settings["training"]["max_frames"] if "training" in settings else None
        if most is not None:
            train = train.share_of_speakers(most, ("training",))
        if not len(train):
            raise UserError(
                "no training speaker has a usable frame",
                store.path,
                "use longer utterances, more speakers, or shorter windows",
            )
        self.reads_past = settings.get("reads") == "past"
        if self.reads_past:
            _check_length(usable, settings["training"]["sequence_frames"])
        del usable  # of many utterances, it takes as much as the index
        self.windows = self._windows(train, max(horizons))
        self.held_out = self._windows(held_out) if len(held_out) else None
        self.n_frames = (len(self.windows), len(held_out))
        self.scaling = Scaling.fit(self.windows)
        self.facts = matched_facts(settings, self.dim, build_predictor)

    def _windows(self, frames: FrameIndex, longest: int = 1) -> Windows:
        window = self.settings["window_frames"]
        if self.reads_past:
            length = self.settings["training"]["sequence_frames"]
            return Sequences.of(self.latents, frames, window, longest, length=length)
        return Windows.of(self.latents, frames, window, longest)

    def build(self) -> Predictor:
        return build_predictor(self.settings, self.dim)

    def set_start(self, model: Predictor, part: Part) -> None:
        model.set_start(self.scaling, self.windows, self.held_out, part.facts["k"])

    def solve(self, model: Predictor, part: Part) -> Iterable[dict[str, float]] | None:
        return model.solve(self.windows, self.held_out, part.facts["k"]) if isinstance(model, SolvedPredictor) else None

    def objective(self, model: Predictor, part: Part) -> Likelihood:
        assert isinstance(model, TrainedPredictor)
        k, batch_size = part.facts["k"], self.settings["training"]["batch_size"]
        objective = SequenceLikelihood if self.reads_past and self.regime.of_sequences else Likelihood
        return objective(model, self.windows, self.held_out, k, self.regime, batch_size, (*self.seed_names, k))


def _check_length(frames: FrameIndex, sequence_frames: int) -> None:
    """Raises a UserError if no utterance of these usable frames has a sequence of such a length before its last one."""
    longest = int((frames.first + frames.length).max()) - 1
    if longest < sequence_frames:
        raise UserError(
            f"sequences of {sequence_frames} frames and their target are longer than any utterance: the longest has "
            f"{longest + 1} usable frames",
            "training.sequence_frames of the predictor",
            f"set it to at most {longest}, or use longer utterances",
        )


FITTING = PredictorFitting
