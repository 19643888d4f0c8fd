"""Any folder of recordings, with their speakers' names in its paths.

The demo corpus is such a folder with a `speakers.csv` that knows the speakers' sex. Imports nothing heavy.
"""

import collections
import csv
import logging
import re
from collections.abc import Mapping
from pathlib import Path, PurePath

from latentdyn.corpus.listing import Subset, files_below, report_passed_over, splits_by_subset
from latentdyn.corpus.recording import Recording, Sex, one_name
from latentdyn.errors import UserError, whole_path

logger = logging.getLogger(__name__)

SUFFIXES = (
    ".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd",
    ".sph", ".nist",
)  # fmt: skip

_SEX: dict[str, Sex | None] = {"F": "F", "M": "M", "": None}
_SHOWN = 3
_FIX = (
    "if these are not the speakers, set the corpus's key `speaker`: a number (1: the folder directly below its root), "
    "or a regular expression on the path"
)


def folder_files(root: Path, subset: Subset = None) -> list[Path]:
    """The audio files below `root` at any depth (suffixes in any letter case), sorted; opens none of them.

    Args:
        subset: the folders below `root` to look into; None for all.

    Raises:
        UserError: `root` or a folder of `subset` is not a folder, cannot be listed, or holds no audio.
    """
    return [file for name in splits_by_subset(subset) for file in _list(root, name)[0]]


def folder_recordings(root: Path, subset: Subset = None, speaker: int | str = "parent") -> list[Recording]:
    """The recordings below `root`, speakers of unknown sex; paths are relative to `root`.

    The utterance is the relative path without its suffix, "/" written as "-".

    Args:
        subset: the folders below `root` that are the corpus, perhaps with the split of each; None for all of `root`.
        speaker: what names a file's speaker: "parent", the folder that holds it; a number, the folder so many levels
            below `root` (or below the folder of the subset); or a regular expression that is searched in the path from
            there, whose group is the name.

    Raises:
        UserError: as `folder_files` does; a path does not name a speaker; two files would have one name; a name is not
            valid Unicode.
    """
    paths: dict[str, str] = {}
    recordings = []
    places: dict[str, set[str]] = collections.defaultdict(set)
    passed_over: list[Path] = []
    for name, split in splits_by_subset(subset).items():
        top = root / name
        files, others = _list(root, name)
        passed_over += others
        for file in files:
            path = file.relative_to(root).as_posix()
            if not _is_unicode(str(file)):
                raise UserError("the name of this file is not valid UTF-8", ascii(str(file)), "rename the file")
            utterance_id = one_name(file.relative_to(root).with_suffix("").as_posix().replace("/", "-"))
            if other := paths.get(utterance_id):
                raise UserError(
                    f"two recordings would both be utterance '{utterance_id}': {other} and {path}",
                    root,
                    "rename one of them",
                )
            paths[utterance_id] = path
            speaker_id, place = _speaker(file.relative_to(top), top, speaker)
            speaker_id = one_name(speaker_id)
            places[speaker_id].add((PurePath(name) / place).as_posix())
            recordings.append(Recording(utterance_id, speaker_id, None, path, split))
    report_passed_over(passed_over)
    _report_speakers(places, speaker)
    return recordings


def demo_recordings(root: Path) -> list[Recording]:
    """The recordings of a demo corpus: those of a folder, with each speaker's sex from `speakers.csv`.

    Raises:
        UserError: as `folder_recordings` does; speakers.csv is missing, broken, or lacks a speaker.
    """
    table = root / "speakers.csv"
    fix = "delete the folder and let Snakemake make the demo corpus again"
    try:
        with open(table, newline="", encoding="utf-8") as file:
            sexes = {one_name(row["speaker_id"]): _SEX[row["sex"]] for row in csv.DictReader(file)}
    except FileNotFoundError:
        raise UserError("the demo corpus lacks its table of speakers", table, fix) from None
    except KeyError as error:
        raise UserError(f"this table of speakers lacks a column or has an unknown sex ({error})", table, fix) from None
    recordings = folder_recordings(root)
    unlisted = sorted({recording.speaker_id for recording in recordings} - sexes.keys())
    if unlisted:
        raise UserError(f"this table does not list the speakers {', '.join(unlisted)}", table, fix)
    return [recording._replace(sex=sexes[recording.speaker_id]) for recording in recordings]


def _list(root: Path, name: str) -> tuple[list[Path], list[Path]]:
    """The audio files of a subset, sorted, and the others."""
    folder = root / name
    if not folder.is_dir():
        what = (
            f"there is no folder '{name}' in the corpus" if root.is_dir() else "the folder of the corpus does not exist"
        )
        fix = "correct root" + (" or subset" if name else "") + ", or run this in the folder that root starts at"
        raise UserError(what, whole_path(folder), fix)
    files: list[Path] = []
    others: list[Path] = []
    for file in files_below(folder):
        (files if file.name.lower().endswith(SUFFIXES) else others).append(file)
    if not files:
        report_passed_over(others)
        raise UserError(
            f"this folder holds no recordings (of {len(others)} files, none has a suffix of those that are read)",
            folder,
            f"let root name a folder with audio files ({', '.join(SUFFIXES)}), or convert them",
        )
    return sorted(files, key=str), others


def _speaker(path: Path, top: Path, rule: int | str) -> tuple[str, PurePath]:
    """The speaker of a file, by its path below `top`, and the folder that names it ("." for a pattern)."""
    folders = path.parts[:-1]
    if rule == "parent":
        return (folders[-1] if folders else top.resolve().name), path.parent
    if isinstance(rule, int):
        if len(folders) >= rule:
            return folders[rule - 1], PurePath(*folders[:rule])
        raise UserError(
            f"this recording lies in fewer than {rule} folders, so that `speaker: {rule}` does not name its speaker",
            top / path,
            "move it into its speaker's folder, or change the corpus's key `speaker`",
        )
    found = re.search(rule, path.as_posix())
    if found is None or not found[1]:
        raise UserError(
            f"the corpus's key `speaker`, {rule!r}, does not name the speaker of {path.as_posix()!r}",
            top,
            "change the pattern, so that its group is the speaker in every path",
        )
    return found[1], PurePath()


def _report_speakers(places: Mapping[str, set[str]], rule: int | str) -> None:
    """Warn where the folders taken as speakers may be something else.

    Args:
        places: the folders that name each speaker.
    """
    if "." in set().union(*places.values()) and rule == "parent":
        name = next(speaker for speaker, folders in places.items() if "." in folders)
        logger.warning("recordings lie in the corpus's root itself; their speaker is its name, '%s'; %s", name, _FIX)
    joined = {speaker: sorted(folders) for speaker, folders in places.items() if len(folders) > 1}
    if joined:
        each = [
            f"'{speaker}' ({len(folders)} folders: {_some(folders)})" for speaker, folders in sorted(joined.items())
        ]
        logger.warning("folders of one name in several places are joined into one speaker: %s; %s", _some(each), _FIX)
    deep = sorted(folder for folders in places.values() for folder in folders if "/" in folder)
    if deep and not joined and rule == "parent":
        logger.warning("folders within other folders are taken as the speakers: %s; %s", _some(deep), _FIX)
    if len(places) == 1:
        speaker, folders = next(iter(places.items()))
        logger.warning("there is only one speaker, '%s' (%s); %s", speaker, _some(sorted(folders)), _FIX)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _is_unicode(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # Python keeps undecodable bytes of a name as lone surrogates
        return False
    return True
