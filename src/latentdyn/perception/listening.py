"""What is decoded and scored: presentations of an utterance, each a job of the pool."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd
import soundfile

from latentdyn.perception.mel import RATE_HZ, MelSettings, log_mel
from latentdyn.perception.pool import in_processes
from latentdyn.perception.scores import Original, Outcome, Score, check_packages, score_all
from latentdyn.perception.source import Decoder, Utterance, to_scored_rate

Span = tuple[float, float]  # seconds
OUTCOMES = ["utterance_id", "speaker_id", "mode", "step", "sigma", "slice", "metric", "total", "count", "reason"]


class Part(NamedTuple):
    """A part of a recording that is scored for itself.

    name: the `slice` of its records. span: None for all of it. step: of its records, if not the presentation's.
    """

    name: str
    span: Span | None
    scores: tuple[str, ...]
    step: int | None = None


@dataclass(frozen=True)
class Presentation:
    """One thing to hear.

    own: the codec's frames (T, D); None: the original itself. by_codec: the codec's own decoder decodes them, not that
    of the representation. audio: decoded before, at the codec's rate. where: the places of its records (mode, step,
    sigma). silenced: a span that is replaced by silence. only: what is outside of this span is left out, of what is
    heard and of the WAV file. wav: the file to write.
    """

    utterance_id: str
    speaker_id: str
    original: Original | None
    own: np.ndarray | None
    parts: tuple[Part, ...]
    where: Mapping[str, Any]
    by_codec: bool = False
    audio: np.ndarray | None = None
    silenced: Span | None = None
    only: Span | None = None
    wav: Path | None = None


class Heard(NamedTuple):
    """Outcomes of one presentation, by part and score. log_mel: of what is heard, where a listener keeps it."""

    utterance_id: str
    speaker_id: str
    where: Mapping[str, Any]
    outcomes: list[tuple[Part, dict[str, Outcome]]]
    log_mel: np.ndarray | None


@dataclass(frozen=True)
class Listener:
    """Decodes a presentation and scores it; sent to every process of the pool.

    decoder: of the representation. keeps_mel: log-mel frames of what is heard are given back too. codec: its own
    decoder, where the representation has another one.
    """

    decoder: Decoder
    mel: MelSettings
    keeps_mel: bool = False
    codec: Decoder | None = None

    def __call__(self, presentation: Presentation) -> Heard:
        heard = self._audio(presentation)
        outcomes = []
        for part in presentation.parts:
            original, of = presentation.original, heard
            if part.span is not None:
                cut = slice(*(round(second * RATE_HZ) for second in part.span))
                of = heard[cut]
                original = original and Original(original.audio[cut])  # no transcript tells what is said there
            outcomes.append((part, score_all(part.scores, original, of, self.mel)))
        frames = self._mel(heard) if self.keeps_mel else None
        return Heard(presentation.utterance_id, presentation.speaker_id, presentation.where, outcomes, frames)

    def _audio(self, presentation: Presentation) -> np.ndarray:
        """What is heard, (n,) at 16 kHz."""
        if presentation.own is None and presentation.audio is None:
            assert presentation.original is not None
            rate, audio = RATE_HZ, presentation.original.audio
        else:
            rate, audio = self.decoder.sample_rate_hz, self.decoded(presentation)
        if presentation.silenced is not None:
            audio = audio.copy()
            audio[slice(*(round(second * rate) for second in presentation.silenced))] = 0
        if presentation.only is not None:
            audio = audio[slice(*(round(second * rate) for second in presentation.only))]
        if presentation.wav is not None:
            presentation.wav.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(presentation.wav, np.nan_to_num(audio, nan=0.0), rate, subtype="PCM_16")
        return to_scored_rate(audio, rate)

    def decoded(self, presentation: Presentation) -> np.ndarray:
        """The audio of the codec's frames, at its rate; not finite from the first frame on that is not."""
        if presentation.audio is not None:
            return presentation.audio
        own = presentation.own
        assert own is not None
        good = int(np.isfinite(own).all(axis=1).cumprod().sum())
        audio = np.full(len(own) * self.decoder.hop_samples, np.nan, np.float32)
        if good:
            decode = self.codec if presentation.by_codec and self.codec else self.decoder
            audio[: good * self.decoder.hop_samples] = decode(own[:good])
        return audio

    def _mel(self, heard: np.ndarray) -> np.ndarray:
        return log_mel(heard, self.mel) if len(heard) >= self.mel.hop else np.empty((0, self.mel.n_mels), np.float32)


@dataclass
class Session:
    """A listener at work in so many processes. folder: of the WAV files, of `wav_utterances` utterances."""

    listener: Listener
    workers: int
    folder: Path | None = None
    wav_utterances: int = 0
    scores: Sequence[str] = ()
    _wavs: dict[str, None] = field(default_factory=dict)

    def hear(self, presentations: Iterable[Presentation]) -> Iterator[Heard]:
        """Every presentation heard, in order. A codec on a GPU decodes here, the pool scores.

        Raises:
            UserError: a package that a score needs is missing, or as of `in_processes`.
        """
        check_packages(self.scores)
        on_gpu = self.listener.decoder.device != "cpu"
        jobs = (self._decoded(p) for p in presentations) if on_gpu else presentations
        return in_processes(self.listener, jobs, self.workers)

    def wav(self, utterance_id: str, name: str) -> Path | None:
        """Where an utterance's presentation of this name is written; None where it is not."""
        if self.folder is None:
            return None
        if len(self._wavs) < self.wav_utterances:
            self._wavs[utterance_id] = None
        return self.folder / f"{quote(utterance_id, safe='')}.{name}.wav" if utterance_id in self._wavs else None

    def _decoded(self, presentation: Presentation) -> Presentation:
        if presentation.own is None:
            return presentation
        return replace(presentation, own=None, audio=self.listener.decoded(presentation))


def present(
    utterance: Utterance, own: np.ndarray | None, parts: tuple[Part, ...], session: Session, mode: str, **more: Any
) -> Presentation:
    """A presentation of an utterance by the codec's frames `own`, or of its original.

    Args:
        more: step and sigma, where they apply; silenced, by_codec. They name the WAV file too.
    """
    silenced, by_codec = more.pop("silenced", None), more.pop("by_codec", False)
    name = "_".join([mode, *(f"{key}{value:g}" for key, value in more.items())])
    return Presentation(
        utterance.utterance_id, utterance.speaker_id, utterance.original, own, parts, {"mode": mode, **more},
        by_codec=by_codec, silenced=silenced, wav=session.wav(utterance.utterance_id, name),
    )  # fmt: skip


def outcomes_table(heard: Iterable[Heard]) -> pd.DataFrame:
    """A row for each score that was tried: utterance_id, speaker_id, mode, step, sigma, slice, metric, total, count,
    reason (why there is none)."""
    rows = []
    for one in heard:
        for part, outcomes in one.outcomes:
            where = {"step": part.step, "sigma": None, **one.where, "slice": part.name}
            for metric, outcome in outcomes.items():
                total, count, reason = (*outcome, None) if isinstance(outcome, Score) else (0.0, 0, outcome.reason)
                rows.append({"utterance_id": one.utterance_id, "speaker_id": one.speaker_id, **where,
                             "metric": metric, "total": total, "count": count, "reason": reason})  # fmt: skip
    return pd.DataFrame(rows, columns=OUTCOMES).astype({"step": "Int64", "sigma": "float64", "total": "float64"})
