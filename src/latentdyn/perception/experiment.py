"""What the experiments share: whose utterances are heard, beside which references, and what is recorded."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor

from latentdyn.diagnostics.records import Record
from latentdyn.metrics import COSINE, MAGNITUDE_RATIO, STATE_ERROR, STATE_ERROR_NORMALISED, Metric
from latentdyn.perception.listening import (
    OUTCOMES,
    Heard,
    Listener,
    Part,
    Presentation,
    Session,
    outcomes_table,
    present,
)
from latentdyn.perception.mel import MelSettings
from latentdyn.perception.source import Decoding, Source, Utterance, draw_utterances
from latentdyn.perception.summary import summarise, unscored
from latentdyn.perception.trajectories import Deviation
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.runs import Runs

ALL = "all"  # the slice of a whole utterance
_BLOCK = 4096


@dataclass(frozen=True)
class Moments:
    """Of training frames: deviations of each dimension (D,), and the root mean square of ||x - mean||."""

    std: np.ndarray
    spread: float

    @classmethod
    def of(cls, latents: Tensor, frames: FrameIndex) -> "Moments":
        used = frames.of_splits("train").finite()
        rows = Runs.of(used, torch.device("cpu"))

        def mean(squares_about: np.ndarray | None = None) -> np.ndarray:
            total = np.zeros((0, latents.shape[1]))
            for some in rows.split(_BLOCK):
                x = latents[some.to(latents.device)].double().cpu().numpy()
                x = x if squares_about is None else np.square(x - squares_about)
                total = np.concatenate([total, x]).sum(axis=0, keepdims=True)  # frame by frame: blocks change no bit
            return total[0] / len(rows)

        std = np.sqrt(mean(squares_about=mean()))
        return cls(std, float(np.sqrt(np.square(std).sum())))


class Experiment:
    """The utterances of one measurement, their references, and its records.

    Args:
        settings: of the kind of measurement: split, utterances, max_duration_s, scores, mel, wav_utterances and
            bootstrap_resamples at least. section: of the config, which also names the utterances that are drawn.
        needed: frames that an utterance must have. folder: of further files.
    """

    def __init__(
        self, decoding: Decoding, frames: FrameIndex, settings: Mapping[str, Any], section: str, *,
        needed: int = 2, device: str = "cpu", workers: int = 1, folder: Path | None = None, keeps_mel: bool = False,
    ) -> None:  # fmt: skip
        self.source = Source(decoding, device)
        self.frames, self.settings, self.section, self.folder = frames, settings, section, folder
        self.scores = tuple(settings["scores"])
        self.mel = MelSettings(**settings["mel"])
        listener = Listener(self.source.decoder, self.mel, keeps_mel, self.source.codec)
        self.session = Session(listener, workers, folder, settings["wav_utterances"], self.scores)
        # one draw for every kind of measurement: where the settings are equal, tables hear the same utterances
        self.drawn = draw_utterances(
            frames, settings["split"], settings["utterances"], needed, ("perception", settings["split"]), section
        )
        self.whole = (Part(ALL, None, self.scores),)

    def utterances(self) -> Iterator[Utterance]:
        for utterance_id in self.drawn.index:
            yield self.source.utterance(str(utterance_id), self.settings["max_duration_s"])

    def references(self, utterance: Utterance, parts: tuple[Part, ...] | None = None) -> Iterator[Presentation]:
        """The undecoded original, and what the codec makes of its own latents."""
        for mode, own in (("original", None), ("reconstruction", utterance.own)):
            yield present(utterance, own, parts or self.whole, self.session, mode, by_codec=True)

    def decoded(
        self, utterance: Utterance, latents: np.ndarray, mode: str, parts: tuple[Part, ...] | None = None,
        noise: Generator | None = None, **more: Any,
    ) -> Presentation:  # fmt: skip
        """Latents of the representation (T, D), decoded; `noise` of what links of its chain draw on the way."""
        own = self.source.to_root(latents, utterance.utterance_id, noise)
        return present(utterance, own, parts or self.whole, self.session, mode, **more)

    def measured(self, heard: Iterable[Heard], deviations: list[pd.DataFrame]) -> tuple[list[Record], pd.DataFrame]:
        """Records and sums by speaker of what was heard and of how far latents were from the truth.

        `deviations` may be filled while what is heard is asked for. Outcomes without a score go to `unscored.csv`.
        """
        table = pd.concat([outcomes_table(heard), *deviations], ignore_index=True)
        self.write_unscored(table)
        names = ("perception", self.settings["split"])
        return summarise(table, self.settings["split"], self.settings["bootstrap_resamples"], names)

    def write_unscored(self, table: pd.DataFrame) -> None:
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            unscored(table).to_csv(self.folder / "unscored.csv", index=False)


def deviation_rows(
    utterance: Utterance, deviation: Deviation, spread: float, mode: str, *, motion: bool, **where: Any
) -> pd.DataFrame:
    """How far latents were from the truth, as rows beside the scores: sums over frames, and how many.

    Args:
        spread: of the training frames. motion: cosine and ratio of steps too.
    """
    values: dict[Metric, np.ndarray] = {STATE_ERROR: deviation.error, STATE_ERROR_NORMALISED: deviation.error / spread}
    if motion:
        values |= {COSINE: deviation.cosine, MAGNITUDE_RATIO: deviation.ratio}
    rows = [
        {"utterance_id": utterance.utterance_id, "speaker_id": utterance.speaker_id, "mode": mode, "slice": ALL,
         **where, "metric": metric.name, "total": np.nansum(of), "count": int((~np.isnan(of)).sum())}
        for metric, of in values.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=OUTCOMES).astype({"step": "Int64", "sigma": "float64"})
