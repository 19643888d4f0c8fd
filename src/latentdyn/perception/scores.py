"""Scores of speech that was decoded, against the original or by themselves. Audio is mono at 16 kHz, within [-1, 1].

What each score is, its range and its limits: docs/perception.md. A score is a total over n, so that sums over
utterances give the score of all of them: one utterance counts once, but for word error rates, where a word does.
What cannot be scored is an `Unscored` with its reason, never an exception.

The models behind the scores come with their packages, run on one CPU thread, and are opened once in each process.
"""

import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latentdyn.metrics import (
    DNSMOS,
    MEL_DISTANCE,
    PESQ,
    SPEAKER_SIMILARITY,
    STOI,
    WORD_CHANGE,
    WORD_ERROR_RATE,
    Metric,
)
from latentdyn.perception.mel import RATE_HZ, MelSettings, mel_distance
from latentdyn.perception.packages import load

_SHORTEST = RATE_HZ // 4  # samples; PESQ takes no less
_SILENT_DBFS = -80.0


class Score(NamedTuple):
    """total over n is the score; of several, the sum of totals over the sum of n."""

    total: float
    n: int = 1


class Unscored(NamedTuple):
    """Why there is no score."""

    reason: str


class Original(NamedTuple):
    """What was said. audio: (n,). words: of its transcript, None where there is none."""

    audio: np.ndarray
    words: tuple[str, ...] | None = None


Outcome = Score | Unscored


@dataclass(frozen=True)
class Kind:
    """How one score is made.

    packages: modules that it imports. of_original: it needs the original. of_silence: silence has this score too.
    """

    metric: Metric
    score: Callable[[Original, np.ndarray, MelSettings], Outcome]
    packages: tuple[str, ...] = ()
    of_original: bool = True
    of_silence: bool = False


def score_all(
    names: Collection[str], original: Original | None, heard: np.ndarray, mel: MelSettings
) -> dict[str, Outcome]:
    """The scores of these names, of what is heard (n,); without an original only those that need none.

    The longer of the two recordings is cut to the length of the other.
    """
    if original is not None:
        n = min(len(original.audio), len(heard))
        original, heard = original._replace(audio=original.audio[:n]), heard[:n]
    given = original or Original(heard)
    found: dict[str, Outcome] = {}
    for name in names:
        kind = SCORES[name]
        if original is None and kind.of_original:
            continue
        reason = _fault(heard, kind.of_silence)
        if reason is None and kind.of_original:
            reason = _of_the_original(_fault(given.audio, kind.of_silence))
        found[name] = Unscored(reason) if reason else _guarded(kind, given, heard, mel)
    return found


def check_packages(names: Collection[str]) -> None:
    """Import what scores of these names need.

    Raises:
        UserError: a package is missing; it says the pip command.
    """
    for name in names:
        for module in SCORES[name].packages:
            load(module, name)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, in small letters and without punctuation."""
    return tuple(re.findall(r"[a-z0-9]+(?:'[a-z0-9]+)*", text.lower().replace("’", "'")))


def _fault(audio: np.ndarray, silence_is_fine: bool) -> str | None:
    if len(audio) < _SHORTEST:
        return "shorter than 0.25 s"
    if not np.isfinite(audio).all():
        return "not finite"
    if not silence_is_fine and not np.sqrt(np.square(audio, dtype=np.float64).mean()) > 10 ** (_SILENT_DBFS / 20):
        return "silent"
    return None


def _of_the_original(reason: str | None) -> str | None:
    return reason and f"the original is {reason}"


def _guarded(kind: Kind, original: Original, heard: np.ndarray, mel: MelSettings) -> Outcome:
    """The score, or what the package that makes it says is in its way."""
    try:
        outcome = kind.score(original, heard, mel)
    except (ValueError, RuntimeError, ArithmeticError, LookupError, AssertionError) as error:
        return Unscored(f"{kind.metric.name} failed ({type(error).__name__})")
    if isinstance(outcome, Score) and not np.isfinite(outcome.total):
        return Unscored(f"{kind.metric.name} is not finite")
    return outcome


def _pesq(original: Original, heard: np.ndarray, mel: MelSettings) -> Outcome:
    package = load("pesq", "pesq")
    try:
        return Score(float(package.pesq(RATE_HZ, original.audio, heard, "wb")))
    except package.NoUtterancesError:
        return Unscored("no speech found")
    except package.BufferTooShortError:
        return Unscored("shorter than 0.25 s")


def _stoi(original: Original, heard: np.ndarray, mel: MelSettings) -> Outcome:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        value = float(load("pystoi", "stoi").stoi(original.audio, heard, RATE_HZ))
    if any(issubclass(warning.category, RuntimeWarning) for warning in told):
        return Unscored("too little speech")  # pystoi warns, and gives 1e-5
    return Score(value)


def _mel_distance(original: Original, heard: np.ndarray, mel: MelSettings) -> Outcome:
    return Score(mel_distance(original.audio, heard, mel))


def _dnsmos(original: Original, heard: np.ndarray, mel: MelSettings) -> Outcome:
    return Score(float(_dnsmos_model()(heard, RATE_HZ, False)["ovrl_mos"]))


def _speaker_similarity(original: Original, heard: np.ndarray, mel: MelSettings) -> Outcome:
    mine, true = (_voice(np.ascontiguousarray(audio, np.float32).tobytes()) for audio in (heard, original.audio))
    if mine is None or true is None:
        return Unscored("no voice found" if mine is None else "the original has no voice")
    return Score(float(mine @ true))


def _word_error_rate(original: Original, heard: np.ndarray, mel: MelSettings) -> Outcome:
    if original.words is None:
        return Unscored("no transcript")
    return _word_errors(original.words, heard, "the transcript has no word")


def _word_change(original: Original, heard: np.ndarray, mel: MelSettings) -> Outcome:
    words = _recognised(np.ascontiguousarray(original.audio, np.float32).tobytes())
    return _word_errors(words, heard, "no word recognised in the original")


def _word_errors(words: Sequence[str], heard: np.ndarray, if_none: str) -> Outcome:
    """Substitutions, deletions and insertions, over the words that were said."""
    if not words:
        return Unscored(if_none)
    found = _recognised(np.ascontiguousarray(heard, np.float32).tobytes())
    if not found:
        return Score(len(words), len(words))
    counts = load("jiwer", "word_error_rate").process_words(" ".join(words), " ".join(found))
    return Score(counts.substitutions + counts.deletions + counts.insertions, len(words))


@lru_cache(1)
def _dnsmos_model() -> Any:
    """speechmos's model on one thread: its own takes all, which is slower where several processes score."""
    module, runtime = load("speechmos.dnsmos", "dnsmos"), load("onnxruntime", "dnsmos")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    folder = Path(module.__file__).parent / "dnsmos_models"
    model = module.DNSMOS.__new__(module.DNSMOS)
    model.primary_model_path = str(folder / "sig_bak_ovr.onnx")
    model.onnx_sess, model.p808_onnx_sess = (
        runtime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
        for name in ("sig_bak_ovr.onnx", "model_v8.onnx")
    )
    return model


@lru_cache(1)
def _voice_encoder() -> Any:
    return load("resemblyzer", "speaker_similarity").VoiceEncoder("cpu", verbose=False)


@lru_cache(8)
def _voice(audio: bytes) -> np.ndarray | None:
    """The embedding of a voice, of length 1; None where there is no voice."""
    encoder = _voice_encoder()
    voiced = load("resemblyzer", "speaker_similarity").preprocess_wav(np.frombuffer(audio, np.float32))
    return np.asarray(encoder.embed_utterance(voiced), np.float64) if len(voiced) else None


@lru_cache(1)
def _recogniser() -> Any:
    return load("pocketsphinx", "word_error_rate").Decoder(loglevel="FATAL", samprate=RATE_HZ, cmn="batch")


@lru_cache(8)
def _recognised(audio: bytes) -> tuple[str, ...]:
    """The words that the recogniser hears."""
    decoder = _recogniser()
    samples = np.frombuffer(audio, np.float32)
    decoder.reinit_feat()  # else an utterance would be heard by the means of those before it
    decoder.start_utt()
    decoder.process_raw(np.round(samples * 32767).astype("<i2").tobytes(), no_search=False, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return words_of(hypothesis.hypstr) if hypothesis else ()


_RECOGNISER = ("pocketsphinx", "jiwer")
SCORES: Mapping[str, Kind] = {
    kind.metric.name: kind
    for kind in (
        Kind(PESQ, _pesq, ("pesq",)),
        Kind(STOI, _stoi, ("pystoi",)),
        Kind(MEL_DISTANCE, _mel_distance, of_silence=True),
        Kind(DNSMOS, _dnsmos, ("onnxruntime", "speechmos.dnsmos"), of_original=False),
        Kind(SPEAKER_SIMILARITY, _speaker_similarity, ("resemblyzer",)),
        Kind(WORD_ERROR_RATE, _word_error_rate, _RECOGNISER, of_silence=True),
        Kind(WORD_CHANGE, _word_change, _RECOGNISER, of_silence=True),
    )
}
