"""LibriSpeech in its own layout: `SPEAKERS.TXT` beside `{subset}/{speaker}/{chapter}/{utterance}.flac`.

V. Panayotov, G. Chen, D. Povey, S. Khudanpur, "LibriSpeech: an ASR corpus based on public domain audio
books", ICASSP 2015. An utterance is named `{speaker}-{chapter}-{number}`. Imports nothing heavy.
"""

import logging
import re
from pathlib import Path

from latentdyn.corpus.listing import Subset, files_below, report_passed_over, splits_by_subset
from latentdyn.corpus.recording import Recording, Sex
from latentdyn.errors import UserError, whole_path

logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"[0-9]+")
_SEX: dict[str, Sex] = {"F": "F", "M": "M"}


def librispeech_files(root: Path, subset: Subset) -> list[Path]:
    """The recordings of one or several subsets, each sorted by path; opens none of them.

    Args:
        root: the folder that holds SPEAKERS.TXT and the subsets' folders.
        subset: such as "train-clean-100", several of them, or the split of each.

    Raises:
        UserError: there is no such corpus, it cannot be listed, it has no recordings, or one is not named and placed as
            LibriSpeech does it.
    """
    return [file for name in splits_by_subset(subset) for file in _list(root, name)[0]]


def librispeech_recordings(root: Path, subset: Subset) -> list[Recording]:
    """The recordings of subsets with their speakers' sex; paths are relative to `root`.

    Raises:
        UserError: as `librispeech_files` and `speaker_sexes` do, or SPEAKERS.TXT is missing.
    """
    found = {name: _list(root, name) for name in splits_by_subset(subset)}
    sexes = speaker_sexes(root / "SPEAKERS.TXT")
    recordings: list[Recording] = []
    paths: dict[str, str] = {}
    for name, split in splits_by_subset(subset).items():
        for file in found[name][0]:
            speaker_id = file.parent.parent.name
            path = file.relative_to(root).as_posix()
            if (other := paths.setdefault(file.stem, path)) != path:
                raise UserError(f"two recordings are utterance '{file.stem}': {other} and {path}", root, "remove one")
            recordings.append(Recording(file.stem, speaker_id, sexes.get(speaker_id), path, split))
    report_passed_over(file for _, others in found.values() for file in others)
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
            "correct root, run this in the folder that it starts at, or download the corpus with url and checksum",
        )
    elif (root / "LibriSpeech" / subset).is_dir():
        fix = f"let root name the folder below it: {root / 'LibriSpeech'}"
    elif root.name == subset:
        fix = f"let root name the folder above it: {root.parent}"
    elif (root / "SPEAKERS.TXT").is_file():
        present = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir())) or "none"
        fix = f"set subset to one that is there ({present}), or unpack the missing one"
    raise UserError(f"LibriSpeech is not found: {what}", whole_path(root), fix)


def _list(root: Path, subset: str) -> tuple[list[Path], list[Path]]:
    """The recordings of a subset, sorted, and its other files."""
    folder = _subset_folder(root, subset)
    files: list[Path] = []
    others: list[Path] = []
    for file in files_below(folder):
        (files if file.suffix.lower() == ".flac" else others).append(file)
    for file in files:
        _check_place(file, folder)
    if not files:
        report_passed_over(others)
        raise UserError(
            f"this LibriSpeech subset has no recordings (none of its {len(others)} files is a .flac)",
            folder,
            "unpack the whole archive again: it holds SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac; a corpus of other "
            "files is of kind: folder",
        )
    return sorted(files, key=str), others


def _check_place(file: Path, folder: Path) -> None:
    parts = file.relative_to(folder).parts
    prefix = "-".join((*parts[:-1], ""))
    if len(parts) != 3 or not file.stem.startswith(prefix) or not _NUMBER.fullmatch(file.stem[len(prefix) :]):
        raise UserError(
            "this recording is not named and placed SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac, as LibriSpeech would",
            file,
            "remove or rename it; a corpus of another layout is of kind: folder",
        )
