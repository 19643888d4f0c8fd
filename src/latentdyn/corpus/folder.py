"""Any folder of recordings: the folder that holds a file names its speaker.

Hidden files and folders are left out. The demo corpus is such a folder with a `speakers.csv` that knows
the speakers' sex. Imports nothing heavy.
"""

import csv
import os
from pathlib import Path

from latentdyn.corpus.recording import Recording, Sex
from latentdyn.errors import UserError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus")

_SEX: dict[str, Sex | None] = {"F": "F", "M": "M", "": None}


def folder_files(root: Path) -> list[Path]:
    """The audio files below `root` at any depth (suffixes in any letter case), sorted; opens none of them.

    Links to folders are followed, each folder once.

    Raises:
        UserError: `root` is not a folder, or holds no audio.
    """
    if not root.is_dir():
        raise UserError("the folder of the corpus does not exist", root, "correct root")
    files, visited = [], set()
    for folder, below, names in os.walk(root, followlinks=True):
        visited.add(os.path.realpath(folder))
        below[:] = sorted(
            name
            for name in below
            if not name.startswith(".") and os.path.realpath(os.path.join(folder, name)) not in visited
        )
        files += [
            os.path.join(folder, name) for name in names if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    if not files:
        raise UserError(
            "this folder holds no recordings",
            root,
            f"let root name a folder with audio files ({', '.join(SUFFIXES)})",
        )
    return [Path(file) for file in sorted(files)]


def folder_recordings(root: Path) -> list[Recording]:
    """The recordings below `root`, speakers of unknown sex; paths are relative to `root`.

    The speaker is the name of the file's own folder, so folders of one name, wherever they lie, are one
    speaker. The utterance is the relative path without its suffix, "/" written as "-".

    Raises:
        UserError: as `folder_files` does; two files would have one name; a name is not valid Unicode.
    """
    paths: dict[str, str] = {}
    recordings = []
    for file in folder_files(root):
        path = file.relative_to(root).as_posix()
        if not _is_unicode(str(file)):
            raise UserError("the name of this file is not valid UTF-8", ascii(str(file)), "rename the file")
        utterance_id = file.relative_to(root).with_suffix("").as_posix().replace("/", "-")
        if other := paths.get(utterance_id):
            raise UserError(
                f"two recordings would both be utterance '{utterance_id}': {other} and {path}",
                root,
                "rename one of them",
            )
        paths[utterance_id] = path
        speaker = root.resolve() if file.parent == root else file.parent
        recordings.append(Recording(utterance_id, speaker.name, None, path))
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
            sexes = {row["speaker_id"]: _SEX[row["sex"]] for row in csv.DictReader(file)}
    except FileNotFoundError:
        raise UserError("the demo corpus lacks its table of speakers", table, fix) from None
    except KeyError as error:
        raise UserError(f"this table of speakers lacks a column or has an unknown sex ({error})", table, fix) from None
    recordings = folder_recordings(root)
    unlisted = sorted({recording.speaker_id for recording in recordings} - sexes.keys())
    if unlisted:
        raise UserError(f"this table does not list the speakers {', '.join(unlisted)}", table, fix)
    return [recording._replace(sex=sexes[recording.speaker_id]) for recording in recordings]


def _is_unicode(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # Python keeps undecodable bytes of a name as lone surrogates
        return False
    return True
