"""Corpora that Lhotse has prepared: a JSONL of recordings and one of supervisions, which name the speakers.

P. Zelasko et al., "Lhotse: a speech data representation library for the modern deep learning ecosystem", 2021;
https://lhotse.readthedocs.io/en/latest/datasets.html. The two files are read as text, without Lhotse. An utterance is a
whole recording of one file and one speaker; any other recording is set aside. Imports nothing heavy.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from latentdyn.corpus.recording import Exclusion, Recording, Sex, one_name
from latentdyn.errors import UserError, whole_path
from latentdyn.pointers import refuse_pipe

_SEX: dict[str, Sex] = {"f": "F", "female": "F", "m": "M", "male": "M"}


def lhotse_recordings(recordings: Path, supervisions: Path) -> list[tuple[Recording, Exclusion | None]]:
    """The recordings in their order, and why one must be set aside, as far as the two files tell.

    Reasons are `not_one_file` (several sources, a command, an address, or a change that Lhotse would make to the
    samples) and `not_one_speaker` (its supervisions, or one of them, name none, or several). Nothing is cut by
    supervisions: a recording in which several people speak must be cut with Lhotse first.

    Args:
        recordings, supervisions: .jsonl or .jsonl.gz.

    Raises:
        UserError: a file is missing or damaged, a line is not what Lhotse writes, or an id is there twice (it names the
            line).
    """
    speakers: dict[str, set[str]] = {}
    unnamed = set[str]()
    sexes: dict[str, Sex] = {}
    for where, line in _lines(supervisions):
        recording_id, speaker = one_name(_text(line, "recording_id", where)), one_name(str(line.get("speaker") or ""))
        if not speaker:
            unnamed.add(recording_id)
        else:
            speakers.setdefault(recording_id, set()).add(speaker)
            sex = _SEX.get(str(line.get("gender")).lower())
            if sex and sexes.setdefault(speaker, sex) != sex:
                raise UserError(f"speaker '{speaker}' has another gender in an earlier line", where, "correct one")
    found: list[tuple[Recording, Exclusion | None]] = []
    names = set()
    for where, line in _lines(recordings):
        utterance_id = one_name(_text(line, "id", where))
        if utterance_id in names:
            raise UserError(f"recording '{utterance_id}' is in an earlier line already", where, "rename or remove one")
        names.add(utterance_id)
        path, exclusion = _only_file(line, where)
        of_it = sorted(speakers.get(utterance_id, ()))
        if exclusion is None and len(of_it) == 1 and utterance_id in unnamed:
            said = f"its supervisions name {of_it[0]}, and one of them names nobody"
            exclusion = Exclusion("not_one_speaker", said)
        elif exclusion is None and len(of_it) != 1:
            said = f"its supervisions name {len(of_it)} speakers" + (f": {', '.join(of_it[:3])}" if of_it else "")
            exclusion = Exclusion("not_one_speaker", said)
        speaker_id = of_it[0] if of_it else ""
        found.append((Recording(utterance_id, speaker_id, sexes.get(speaker_id), path), exclusion))
    if not found:
        raise UserError("this file lists no recordings", recordings, "give the recordings that Lhotse has written")
    return found


def _only_file(line: Mapping[str, Any], where: str) -> tuple[str, Exclusion | None]:
    """The path of a recording's file, and why it is not all of the recording, if it is not."""
    sources = line.get("sources")
    if not isinstance(sources, list) or not all(isinstance(source, dict) for source in sources):
        raise UserError("this line has no list of sources", where, "give the recordings that Lhotse has written")
    path = str(sources[0].get("source", "")) if sources else ""
    if len(sources) != 1 or sources[0].get("type") != "file" or not path:
        kinds = ", ".join(str(source.get("type")) for source in sources)
        return path, Exclusion("not_one_file", f"it has {len(sources)} sources ({kinds})")
    if line.get("transforms"):
        return path, Exclusion("not_one_file", "Lhotse would change its samples (transforms); save the result first")
    return path, None


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file, each with where it stands."""
    number = 0
    refuse_pipe(path)
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as file:
            for number, text in enumerate(file, start=1):
                if text.strip():
                    line = json.loads(text)
                    if not isinstance(line, dict):
                        raise ValueError("not an object in braces")
                    yield f"{path}, line {number}", line
    except FileNotFoundError:
        fix = "correct the corpus's keys, or run this in the folder that the path starts at"
        raise UserError("a file of Lhotse's does not exist", whole_path(path), fix) from None
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        where = f"{path}, line {number}"
        raise UserError(f"this is not a whole JSONL file ({error})", where, "write it again with Lhotse") from None


def _text(line: Mapping[str, Any], key: str, where: str) -> str:
    value = line.get(key)
    if not isinstance(value, str) or not value:
        raise UserError(f"this line has no {key}", where, "give the files that Lhotse has written, each for its key")
    return value
