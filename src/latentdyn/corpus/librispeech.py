"""LibriSpeech in its own layout: `SPEAKERS.TXT` beside `{subset}/{speaker}/{chapter}/{utterance}.flac`.

V. Panayotov, G. Chen, D. Povey, S. Khudanpur, "LibriSpeech: an ASR corpus based on public domain audio
books", ICASSP 2015. An utterance is named `{speaker}-{chapter}-{number}`. Imports nothing heavy.
"""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from latentdyn.corpus.recording import Recording, Sex
from latentdyn.errors import UserError

logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"[0-9]+")
_SEX: dict[str, Sex] = {"F": "F", "M": "M"}


def librispeech_files(root: Path, subset: str) -> list[Path]:
    """The recordings of a subset, sorted by path; opens none of them.

    Args:
        root: the folder that holds SPEAKERS.TXT and the subset's folder.
        subset: such as "train-clean-100".

    Raises:
        UserError: there is no such corpus, it has no recordings, or one is not named as LibriSpeech names it.
    """
    folder = _subset_folder(root, subset)
    files = sorted(
        file
        for speaker in _entries(folder, folders=True)
        for chapter in _entries(speaker.path, folders=True)
        for file in _flac_files(speaker.name, chapter)
    )
    if not files:
        raise UserError(
            "this LibriSpeech subset has no recordings",
            folder,
            "unpack the whole archive again: it holds SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac",
        )
    return [Path(file) for file in files]


def librispeech_recordings(root: Path, subset: str) -> list[Recording]:
    """The recordings of a subset with their speakers' sex; paths are relative to `root`.

    Raises:
        UserError: as `librispeech_files` and `speaker_sexes` do, or SPEAKERS.TXT is missing.
    """
    files = librispeech_files(root, subset)
    sexes = speaker_sexes(root / "SPEAKERS.TXT")
    recordings = []
    for file in files:
        speaker_id = file.parent.parent.name
        path = f"{subset}/{speaker_id}/{file.parent.name}/{file.name}"
        recordings.append(Recording(file.stem, speaker_id, sexes.get(speaker_id), path))
    unlisted = sorted({recording.speaker_id for recording in recordings} - sexes.keys())
    if unlisted:
        logger.warning("SPEAKERS.TXT does not list %d speakers, so their sex is unknown: %s", len(unlisted), unlisted)
    return recordings


def speaker_sexes(path: Path) -> dict[str, Sex]:
    """Each speaker's sex, from lines `id | sex | subset | minutes | name`; a name may itself hold a "|".

    Raises:
        UserError: the file is missing, or a line is not of this form (it names the line).
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")  # only names are not ASCII
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(
            "LibriSpeech's table of speakers is missing",
            path,
            "copy SPEAKERS.TXT of the corpus to this place, beside the folder of the subset",
        ) from None
    sexes: dict[str, Sex] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith(";"):
            continue
        fields = [field.strip() for field in line.split("|", maxsplit=4)]
        if len(fields) < 4 or not _NUMBER.fullmatch(fields[0]) or fields[1] not in _SEX:
            raise UserError(
                f"line {number} is not of the form `id | F or M | subset | minutes | name`: {line.strip()!r}",
                path,
                "restore the SPEAKERS.TXT that comes with LibriSpeech",
            )
        sexes[fields[0]] = _SEX[fields[1]]
    return sexes


def _subset_folder(root: Path, subset: str) -> Path:
    """The folder of the subset, or an error that says why there is none."""
    folder = root / subset
    if folder.is_dir():
        return folder
    what, fix = f"there is no folder '{subset}' here", f"let root name the folder that holds '{subset}'"
    if not root.is_dir():
        what, fix = (
            "the folder of the corpus does not exist",
            "correct root, or download the corpus with url and checksum",
        )
    elif (root / "LibriSpeech" / subset).is_dir():
        fix = f"let root name the folder below it: {root / 'LibriSpeech'}"
    elif root.name == subset:
        fix = f"let root name the folder above it: {root.parent}"
    elif (root / "SPEAKERS.TXT").is_file():
        present = ", ".join(sorted(entry.name for entry in _entries(root, folders=True))) or "none"
        fix = f"set subset to one that is there ({present}), or unpack the missing one"
    raise UserError(f"LibriSpeech is not found: {what}", root, fix)


def _entries(folder: str | Path, *, folders: bool) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir() == folders:
                yield entry


def _flac_files(speaker: str, chapter: "os.DirEntry[str]") -> Iterator[str]:
    prefix = f"{speaker}-{chapter.name}-"
    for entry in _entries(chapter.path, folders=False):
        if not entry.name.endswith(".flac"):
            continue
        if not entry.name.startswith(prefix) or not _NUMBER.fullmatch(entry.name[len(prefix) : -len(".flac")]):
            raise UserError(
                f"this recording is not named {prefix}NNNN.flac, as LibriSpeech would",
                entry.path,
                "remove or rename it; a corpus of another layout is of kind: folder",
            )
        yield entry.path
