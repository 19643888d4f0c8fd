"""Latents that a user brings: a CSV that names one `.npy` of shape (T, D) for each utterance.

Columns `utterance_id, speaker_id, path` and optionally `sex` (F, M or empty) and `split` (train, validation or eval, in
all rows or in none); paths are absolute or relative to the CSV. A mistake in the CSV itself stops the run; a file that
cannot be used is set aside.
"""

import csv
import os
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from latentdyn.corpus.npy import NpyError, open_npy
from latentdyn.corpus.recording import Exclusion, Recording, Sex, Split, one_name, same_number
from latentdyn.errors import UserError, whole_path
from latentdyn.files import file_sha256
from latentdyn.pointers import refuse_pipe, why_no_file

MIN_FRAMES = 2  # a delta needs two

_COLUMNS = ("utterance_id", "speaker_id", "path")
_SEX: dict[str, Sex | None] = {"F": "F", "M": "M", "": None}
_SPLITS: dict[str, Split | None] = {split: split for split in get_args(Split)} | {"": None}
_BLOCK_FRAMES = 1 << 14


class LatentsFacts(NamedTuple):
    """What a file of latents holds."""

    n_frames: int
    dim: int
    n_nonfinite_frames: int  # frames with a NaN or infinity: kept, and counted
    sha256: str  # of the file's bytes


def latents_recordings(index: Path) -> list[Recording]:
    """The rows of the CSV, in its order.

    Raises:
        UserError: the CSV is missing, no regular file, empty or not UTF-8, lacks a column or has one twice, or has a
            row with an empty or surplus field, an utterance named before, an unknown sex or split, a speaker of two
            sexes, or a split where the first row has none or the other way round (it names the line).
    """
    refuse_pipe(index)
    try:
        with open(index, newline="", encoding="utf-8-sig") as file:
            return _parse(index, csv.DictReader(file, strict=True))
    except FileNotFoundError:
        raise UserError(
            "the index of latents does not exist",
            whole_path(index),
            "correct the path (in a config, the corpus's key index), or run this in the folder that it starts at",
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"the index is not a CSV in UTF-8 ({error})", index, "save it as such") from None


def _check_columns(index: Path, names: list[str]) -> None:
    where = f"{index}, line 1"
    if missing := [column for column in _COLUMNS if column not in names]:
        raise UserError(
            f"the index lacks the column {' and '.join(missing)}: its first line is {','.join(names)!r}",
            where,
            f"give it a first line with the names {', '.join(_COLUMNS)} and, if known, sex and split, with commas and "
            "no blanks between them",
        )
    if repeated := [column for column in (*_COLUMNS, "sex", "split") if names.count(column) > 1]:
        raise UserError(f"the index has the column {' and '.join(repeated)} twice", where, "leave one of them")


def _parse(index: Path, rows: "csv.DictReader[str]") -> list[Recording]:
    _check_columns(index, list(rows.fieldnames or ()))
    recordings: list[Recording] = []
    lines: dict[str, int] = {}
    sexes: dict[str, Sex | None] = {}
    for row in rows:
        where = f"{index}, line {rows.line_num}"
        if None in row or None in row.values():
            raise UserError("this row has more or fewer fields than the first line", where, "correct the row")
        fields = {name: value.strip() for name, value in row.items()}
        if empty := [column for column in _COLUMNS if not fields[column]]:
            raise UserError(f"{' and '.join(empty)} of this row is empty", where, "fill it in or remove the row")
        recording_sex = fields.get("sex", "")
        if recording_sex not in _SEX:
            raise UserError(f"sex is {recording_sex!r} in this row", where, "write F, M or nothing")
        said = fields.get("split", "")
        if said not in _SPLITS:
            raise UserError(f"split is {said!r} in this row", where, "write train, validation or eval")
        split = _SPLITS[said]
        if recordings and (split is None) != (recordings[0].split is None):
            raise UserError("some rows have a split, and others have none", where, "fill in the column for all or none")
        utterance_id, speaker_id = one_name(fields["utterance_id"]), one_name(fields["speaker_id"])
        if utterance_id in lines:
            raise UserError(
                f"utterance '{utterance_id}' is in line {lines[utterance_id]} already",
                where,
                "rename or remove one",
            )
        lines[utterance_id] = rows.line_num
        sex = _SEX[recording_sex]
        if sexes.setdefault(speaker_id, sex) != sex:
            raise UserError(
                f"speaker '{speaker_id}' has another sex in an earlier row",
                where,
                "give each speaker one sex throughout",
            )
        recordings.append(Recording(utterance_id, speaker_id, sex, fields["path"], split))
    if not recordings:
        raise UserError("the index has no rows", index, "list at least one utterance")
    if pair := same_number(sexes):
        raise UserError(
            f"there are speakers '{pair[0]}' and '{pair[1]}', which are one number",
            f"{index}, column speaker_id",
            "write each speaker in one way",
        )
    return recordings


def inspect_latents(path: Path) -> LatentsFacts | Exclusion:
    """Read a file of latents block by block and say what it is or why it must be set aside.

    The first reason that applies is given, in this order: `missing`, `corrupt` (not a whole .npy of one array; pickled
    objects are never loaded), `not_2d`, `not_float`, `too_short` (fewer than 2 frames).
    """
    if not os.path.isfile(path):
        return Exclusion("missing", why_no_file(path))
    try:
        latents = open_npy(path)
        if latents.ndim != 2 or latents.shape[1] == 0:
            return Exclusion("not_2d", f"shape {latents.shape} instead of (T, D)")
        if latents.dtype.kind != "f":
            return Exclusion("not_float", f"dtype {latents.dtype}")
        n_frames, dim = latents.shape
        if n_frames < MIN_FRAMES:
            return Exclusion("too_short", f"{n_frames} frames; {MIN_FRAMES} are needed")
        blocks = (latents[start : start + _BLOCK_FRAMES] for start in range(0, n_frames, _BLOCK_FRAMES))
        n_nonfinite = sum(int((~np.isfinite(block)).any(axis=1).sum()) for block in blocks)
        return LatentsFacts(n_frames, dim, n_nonfinite, file_sha256(path))
    except NpyError as error:
        return Exclusion("corrupt", str(error))
    except OSError as error:
        return Exclusion("corrupt", error.strerror or str(error))
