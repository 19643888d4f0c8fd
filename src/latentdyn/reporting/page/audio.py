"""What was decoded, to be heard on the page: WAV files as MP3, in equal loudness, as many as fit.

Measurements that decode write `{kind}.heard/{utterance}.{presentation}.wav`.
"""

import base64
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import soundfile

_RMS_DBFS = -23.0
_PEAK = 0.98
_MOST_GAIN_DB = 20.0  # what is nearly silent stays so
_FIRST = ("original", "reconstruction", "GT", "true")


@dataclass(frozen=True)
class Clip:
    """name: of the presentation. url: the sound itself, as a data URL. gain_db: what made it as loud as the others."""

    name: str
    url: str
    gain_db: float


@dataclass(frozen=True)
class Heard:
    """The clips of one utterance in one folder. place: the representation, and the predictor if there is one."""

    kind: str
    place: str
    utterance: str
    clips: Sequence[Clip]


def heard(folders: Iterable[Path], root: Path, most_bytes: int) -> tuple[list[Heard], list[str]]:
    """The clips of folders, and the names of the folders and utterances that did not fit.

    The first utterance of every folder comes before the second of any.

    Args:
        root: what places are told relative to. most_bytes: of all data URLs together.
    """
    waiting = [
        (turn, Path(folder), utterance, files)
        for folder in sorted(folders)
        for turn, (utterance, files) in enumerate(_utterances(Path(folder)).items())
    ]
    found, left_out, room = [], [], most_bytes
    for _, folder, utterance, files in sorted(waiting, key=lambda one: one[0]):
        one = Heard(folder.stem, _relative(folder.parent, root), utterance, [])
        if room > 0:  # encoding takes time
            one = replace(one, clips=[_clip(name, file) for name, file in files])
            room -= sum(len(clip.url) for clip in one.clips)
        if room >= 0 and one.clips:
            found.append(one)
        else:
            left_out.append(f"{one.kind} of {one.place}, {utterance}")
    return sorted(found, key=lambda one: (one.kind, one.place, one.utterance)), left_out


def _utterances(folder: Path) -> dict[str, list[tuple[str, Path]]]:
    """Presentations and their files, by utterance; those that others are compared with come first."""
    found: dict[str, list[tuple[str, Path]]] = {}
    for file in sorted(folder.glob("*.wav")):
        utterance, _, name = file.stem.partition(".")
        found.setdefault(unquote(utterance), []).append((name, file))
    return {utterance: sorted(files, key=_order) for utterance, files in found.items()}


def _order(entry: tuple[str, Path]) -> tuple[int, list[object]]:
    name = entry[0]
    parts: list[object] = [(0, float(p), "") if re.fullmatch(r"\d+(\.\d+)?", p) else (1, 0.0, p)
                           for p in re.split(r"(\d+(?:\.\d+)?)", name) if p]  # fmt: skip
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), parts)


def _clip(name: str, file: Path) -> Clip:
    audio, rate = soundfile.read(file, dtype="float32")
    gain = _gain(audio)
    buffer = io.BytesIO()
    soundfile.write(buffer, audio * gain, rate, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE",
                    compression_level=0.8)  # fmt: skip
    url = f"data:audio/mpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Clip(name, url, 20 * float(np.log10(gain)))


def _gain(audio: np.ndarray) -> float:
    """The factor to equal loudness, as far as peaks and silence allow."""
    rms, peak = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))), float(np.abs(audio).max(initial=0.0))
    if rms == 0:
        return 1.0
    wanted = 10 ** (_RMS_DBFS / 20) / rms
    return min(wanted, _PEAK / peak, 10 ** (_MOST_GAIN_DB / 20))


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
