"""A demo corpus spoken offline: espeak-ng voices read `SENTENCES`, with exact word and phoneme times.

Invariants:
- The corpus is a function of (n_speakers, sentences_per_speaker) and of the espeak-ng build: two runs are
  equal byte for byte.
- A larger corpus extends a smaller one: `voices(n + 2)` starts with `voices(n)`, and a speaker's first
  sentences stay the same.

The library keeps state between utterances that no call resets (where it is in the pitch flutter, the glottal
cycle, its gain control), and seeds its noise from the clock. So each speaker speaks in a fresh process, with
a seed of their own: what they say is a function of the voice and of the texts so far.
"""

import bisect
import ctypes
import hashlib
import itertools
import logging
import os
import re
import shutil
import sys
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from latentdyn.corpus.sentences import SENTENCES
from latentdyn.errors import UserError
from latentdyn.files import canonical_json, file_sha256, write_json
from latentdyn.parquet import write_parquet
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator, seed_for
from latentdyn.workers import worker_processes

SCHEMA_VERSION = 1
SAMPLE_RATE_HZ = 22050
_ROOM_TONE_DBFS = -60.0
MAX_SPEAKERS = 48

_log = logging.getLogger(__name__)

# ----------------------------------------------------------------------------------------------------- voices

Sex = Literal["F", "M"]

# Accents and variants (timbres) as espeak-ng's data names them. 7 and 8 share no factor, so the pairs
# (i mod 7, i mod 8) differ for all i < 56: no two speakers of a sex share both.
_ACCENTS = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
_VARIANTS: dict[Sex, tuple[str, ...]] = {
    "F": ("f1", "f2", "f3", "f4", "f5", "linda", "steph", "Annie"),
    "M": ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
}


@dataclass(frozen=True)
class Voice:
    """One speaker.

    `voice` is espeak-ng's name, accent+variant. `pitch` is on its scale of 0 to 99, where 50 leaves the
    variant's own pitch. `rate_wpm` is the speed in words per minute.
    """

    speaker_id: str
    sex: Sex
    voice: str
    pitch: int
    rate_wpm: int


def voices(n: int) -> list[Voice]:
    """The first n speakers, a woman and a man in turn: f01, m01, f02, m02, ...

    Raises:
        UserError: n is not within 1 to 48.
    """
    if not 1 <= n <= MAX_SPEAKERS:
        raise UserError(f"the demo cannot have {n} speakers", "number of demo speakers", f"ask for 1 to {MAX_SPEAKERS}")
    return [_voice(sex, index) for index in range(MAX_SPEAKERS // 2) for sex in _VARIANTS][:n]


def _voice(sex: Sex, index: int) -> Voice:
    speaker_id = f"{sex.lower()}{index + 1:02d}"
    variants = _VARIANTS[sex]
    generator = numpy_generator("demo voice", speaker_id)
    return Voice(
        speaker_id=speaker_id,
        sex=sex,
        voice=f"{_ACCENTS[index % len(_ACCENTS)]}+{variants[index % len(variants)]}",
        pitch=int(generator.integers(35, 66)),
        rate_wpm=int(generator.integers(145, 196)),
    )


# --------------------------------------------------------------------------------------------------- speaking


class Interval(NamedTuple):
    """A labelled stretch of time: seconds from the first sample, end excluded."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True)
class Utterance:
    """What a voice said: `samples` (n,) int16, and where its words and phonemes are, in order of time.

    Phoneme labels are espeak-ng's IPA without stress marks. The phonemes of a word cover it without gaps;
    pauses between words belong to no word. Inside a word, a stop's closure counts to the phoneme before it,
    because espeak-ng reports a phoneme after the pause that leads into it.
    """

    samples: np.ndarray
    sample_rate_hz: int
    words: list[Interval]
    phonemes: list[Interval]


def recite(voice: Voice, texts: Sequence[str]) -> list[Utterance]:
    """Let a voice speak the texts one after the other, in a process of its own.

    Equal arguments give equal utterances, and the first k texts sound the same whatever follows them. As
    with all of `multiprocessing`, a script that calls this needs its `if __name__ == "__main__":`.

    Raises:
        UserError: espeak-ng cannot be loaded, or does not know the voice.
    """
    with worker_processes(1, [__name__]) as fresh_process:
        return fresh_process.submit(_recite_here, voice, list(texts)).result()


def _recite_here(voice: Voice, texts: list[str]) -> list[Utterance]:
    speaker = _Speaker(voice)
    return [speaker.speak(text) for text in texts]


# Constants and types of espeak-ng's C interface (speak_lib.h, version 1.52).
_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback, and a call returns when all is spoken
_PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 0x0001, 0x0002, 0x8000  # options of espeak_Initialize
_RATE, _PITCH = 1, 3  # espeak_PARAMETER
_POS_CHARACTER, _CHARS_UTF8, _OK = 1, 1, 0
_LIST_TERMINATED, _WORD, _PHONEME = 0, 1, 7  # espeak_EVENT_TYPE


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _EspeakEvent(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),  # of the utterance, from 0
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_EspeakEvent))


class _Event(NamedTuple):
    kind: int
    text_position: int  # characters, from 0
    sample: int
    symbol: str  # of a phoneme; empty for a pause


class _Speaker:
    """espeak-ng in this process, with one voice set. One per process: the library's state is global."""

    def __init__(self, voice: Voice) -> None:
        self._library, data = _load_library()
        # espeak-ng itself passes over a variant that it does not know
        _, _, variant = voice.voice.partition("+")
        known = not variant or (data / "voices" / "!v" / variant).is_file()
        if not known or self._library.espeak_SetVoiceByName(voice.voice.encode()) != _OK:
            raise UserError(
                f"espeak-ng has no voice '{voice.voice}'",
                f"speaker {voice.speaker_id}, espeak-ng's data in {data}",
                "name an accent of its folder lang and, after a +, a variant of its folder voices/!v",
            )
        self._library.espeak_SetParameter(_RATE, voice.rate_wpm, 0)
        self._library.espeak_SetParameter(_PITCH, voice.pitch, 0)
        self._library.espeak_ng_SetRandSeed(seed_for("demo noise", voice.speaker_id) % 2**31)
        self._chunks: list[np.ndarray] = []
        self._events: list[_Event] = []
        self._callback = _Callback(self._collect)  # the library keeps only its address, so it is kept here
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str) -> Utterance:
        self._chunks, self._events = [], []
        encoded = text.encode()
        status = self._library.espeak_Synth(encoded, len(encoded) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None)
        if status != _OK or not self._chunks:
            raise RuntimeError(f"espeak-ng ended with status {status} on {text!r}")
        words, phonemes = _align(text, self._events)
        return Utterance(np.concatenate(self._chunks), SAMPLE_RATE_HZ, words, phonemes)

    def _collect(self, samples: Any, n_samples: int, events: Any) -> int:
        if samples and n_samples:
            chunk = np.ctypeslib.as_array(samples, (n_samples,))
            self._chunks.append(chunk.copy())  # espeak-ng reuses the buffer
        for event in itertools.takewhile(lambda event: event.type != _LIST_TERMINATED, events):
            symbol = event.id.string.decode("utf-8", "replace") if event.type == _PHONEME else ""
            self._events.append(_Event(event.type, event.text_position - 1, event.sample, symbol))
        return 0


def _load_library() -> tuple[ctypes.CDLL, Path]:
    """Load and initialize the espeak-ng of the package espeakng-loader: the library, and its data folder.

    Changes the working directory: for a process of its own.
    """
    fix = "install it into this environment: pip install --force-reinstall espeakng-loader (the extra latentdyn[demo])"
    try:
        import espeakng_loader  # here, so that a missing package gives the message below

        data = Path(espeakng_loader.get_data_path())
        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(f"espeak-ng, the demo's voice, cannot be loaded ({error})", sys.prefix, fix) from None
    pointer, size, number, flags = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_uint
    library.espeak_Synth.argtypes = (pointer, size, flags, number, flags, flags, pointer, pointer)
    library.espeak_ng_SetRandSeed.argtypes = (ctypes.c_long,)
    options = _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT
    os.chdir(data.parent)  # espeak-ng opens no data whose path is longer than about 160 characters
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, b".", options)
    if rate != SAMPLE_RATE_HZ:
        raise UserError(f"espeak-ng does not start from its data (it answered {rate})", data, fix)
    return library, data


_STRESS_MARKS = str.maketrans("", "", "ˈˌ")


@dataclass
class _Word:
    token: int  # which word of the text, or the first of several
    start: int  # sample
    end: int | None  # sample; None while it sounds
    phonemes: list[tuple[int, str]]  # first sample and symbol


def _align(text: str, events: Sequence[_Event]) -> tuple[list[Interval], list[Interval]]:
    """Word and phoneme intervals from the events of one utterance.

    A word begins at its event, and ends at the pause after its last phoneme or at the next word. A phoneme
    begins at its event (the first of a word with the word) and ends where the next one begins. Phonemes that
    espeak-ng merges into a neighbour take no time and are left out.
    """
    tokens = list(re.finditer(r"\w[\w'’-]*", text))
    token_starts = [token.start() for token in tokens]
    spoken: list[_Word] = []
    for event in events:
        if event.kind == _PHONEME and event.symbol:
            spoken[-1].phonemes.append((event.sample, event.symbol))
            spoken[-1].end = None
            continue
        if spoken and spoken[-1].end is None:
            spoken[-1].end = event.sample
        if event.kind == _WORD:
            token = bisect.bisect_right(token_starts, event.text_position) - 1
            if not spoken or token != spoken[-1].token:  # a number is one token, and may be several words
                spoken.append(_Word(token, start=event.sample, end=event.sample, phonemes=[]))
    spoken = [word for word in spoken if word.phonemes]

    words: list[Interval] = []
    phonemes: list[Interval] = []
    next_tokens = [*(word.token for word in spoken[1:]), len(tokens)]
    for word, next_token in zip(spoken, next_tokens, strict=True):
        assert word.end is not None  # espeak-ng's last event of an utterance is its end
        # words that espeak-ng runs together ("on the") share one event, so they share one interval
        label = " ".join(token.group() for token in tokens[word.token : next_token])
        words.append(_interval(word.start, word.end, label))
        onsets = [word.start, *(sample for sample, _ in word.phonemes[1:]), word.end]
        for (start, end), (_, symbol) in zip(itertools.pairwise(onsets), word.phonemes, strict=True):
            if end > start:
                phonemes.append(_interval(start, end, symbol.translate(_STRESS_MARKS)))
    return words, phonemes


def _interval(start: int, end: int, label: str) -> Interval:
    return Interval(start / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ, label)


# ------------------------------------------------------------------------------------------------- the corpus


def write_corpus(folder: Path, handle: Path, *, n_speakers: int, sentences_per_speaker: int) -> None:
    """Speak the demo corpus into a new `folder`, then write its `handle`.

    The folder holds {speaker}/{speaker}-{nnn}.wav (PCM 16 bit, mono, 22.05 kHz), speakers.csv (speaker_id,
    sex, voice, pitch, rate_wpm), sentences.csv (utterance_id, text) and alignments.parquet (utterance_id,
    tier: word or phoneme, start_s, end_s, label), both with the utterances' names of the manifest. It is made
    under another name beside its place and renamed when complete; an earlier demo corpus there is replaced. The
    handle is JSON: schema_version, n_speakers, n_utterances, seconds, digest (sha256 of the folder's listing and
    contents).

    Raises:
        UserError: a number is out of range, `folder` holds something else, or espeak-ng cannot be loaded.
    """
    if not 1 <= sentences_per_speaker <= len(SENTENCES):
        raise UserError(
            f"a demo speaker cannot say {sentences_per_speaker} different sentences",
            "number of sentences per speaker",
            f"ask for 1 to {len(SENTENCES)}",
        )
    speakers = voices(n_speakers)
    _refuse_foreign(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    partial.mkdir(parents=True)
    try:
        seconds = _speak_into(partial, speakers, sentences_per_speaker)
        _sync(partial)
        digest = _folder_sha256(partial)
        handle.unlink(missing_ok=True)  # no handle while the folder changes
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    n_utterances = n_speakers * sentences_per_speaker
    write_json(
        handle,
        {
            "schema_version": SCHEMA_VERSION,
            "n_speakers": n_speakers,
            "n_utterances": n_utterances,
            "seconds": round(seconds, 3),
            "digest": digest,
        },
    )
    _log.info("%d speakers, %d utterances, %.0f s of speech in %s", n_speakers, n_utterances, seconds, folder)


def _refuse_foreign(folder: Path) -> None:
    """Raise UserError unless `folder` is absent, empty or a demo corpus: only these may be replaced."""
    is_corpus = (folder / "speakers.csv").is_file() and (folder / "alignments.parquet").is_file()
    is_empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not is_corpus and not is_empty:
        raise UserError("this is not a demo corpus, so it stays", folder, "remove it or choose another")


def _speak_into(folder: Path, speakers: Sequence[Voice], sentences_per_speaker: int) -> float:
    """Write all that the corpus folder holds; returns the seconds of speech."""
    sentences: list[tuple[str, str]] = []
    alignments: list[tuple[str, str, float, float, str]] = []
    n_samples = 0
    with progress(total=len(speakers) * sentences_per_speaker, unit="utterance") as bar:
        for voice in speakers:
            # the first of a permutation: a longer demo says the same sentences, then more
            drawn = numpy_generator("demo", voice.speaker_id).permutation(len(SENTENCES))
            texts = [SENTENCES[i] for i in drawn[:sentences_per_speaker]]
            (folder / voice.speaker_id).mkdir()
            for i, (text, utterance) in enumerate(zip(texts, recite(voice, texts), strict=True)):
                utterance_id = f"{voice.speaker_id}-{i:03d}"
                samples = with_room_tone(utterance.samples, utterance_id)
                _write_wav(folder / voice.speaker_id / f"{utterance_id}.wav", samples, utterance.sample_rate_hz)
                n_samples += len(utterance.samples)
                listed = f"{voice.speaker_id}-{utterance_id}"  # as the manifest of a folder lists it, by its path
                sentences.append((listed, text))
                for tier, intervals in (("word", utterance.words), ("phoneme", utterance.phonemes)):
                    alignments += [(listed, tier, *interval) for interval in intervals]
            bar.update(len(texts))
    _write_csv(folder / "speakers.csv", pd.DataFrame(speakers))
    _write_csv(folder / "sentences.csv", pd.DataFrame(sentences, columns=["utterance_id", "text"]))
    columns = ["utterance_id", "tier", "start_s", "end_s", "label"]
    write_parquet(folder / "alignments.parquet", pd.DataFrame(alignments, columns=columns))
    return n_samples / SAMPLE_RATE_HZ


def with_room_tone(samples: np.ndarray, utterance_id: str) -> np.ndarray:
    """Add white noise at _ROOM_TONE_DBFS to (n,) int16 samples, drawn by the utterance's name.

    Between words espeak-ng is digitally silent, as no recording is: frames there would equal each other exactly, and a
    density of their steps could grow without limit.
    """
    noise = numpy_generator("demo", "room tone", utterance_id).normal(size=len(samples))
    noisy = samples + 2**15 * 10 ** (_ROOM_TONE_DBFS / 20) * noise
    return np.clip(np.rint(noisy), -(2**15), 2**15 - 1).astype(np.int16)


def _write_wav(path: Path, samples: np.ndarray, sample_rate_hz: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


def _sync(folder: Path) -> None:
    for path in _files(folder):
        with open(path, "rb") as file:
            os.fsync(file.fileno())


def _folder_sha256(folder: Path) -> str:
    listing = [[path.relative_to(folder).as_posix(), file_sha256(path)] for path in _files(folder)]
    return hashlib.sha256(canonical_json(listing).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
