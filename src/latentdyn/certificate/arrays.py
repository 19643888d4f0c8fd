"""Latents in memory, checked and written as what a corpus of kind `latents` reads: a CSV and a `.npy` an utterance.

What is wrong with an array is told by the utterance's name, before anything is written.
"""

import csv
import math
import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from latentdyn.corpus.recording import one_name, same_number
from latentdyn.errors import UserError

_LONG = 100  # characters of a name, as a file's
_FORM = "give one array (frames, dims) of floats for each utterance, in a list, or in a dict with utterances' names"


def write_index(
    folder: Path, arrays: Iterable[Any] | Mapping[Any, Any], speakers: Sequence[Any] | Mapping[Any, Any]
) -> Path:
    """Write the utterances below `folder`; returns the CSV that names them.

    Args:
        arrays: of each utterance (frames, dims): numpy arrays, torch tensors, or what numpy makes an array of. A dict
            or a Series names the utterances; those of a list are named by their numbers.
        speakers: the speaker of each utterance, by the utterance's name or in the same order: see `_speakers`.

    Raises:
        UserError: an array or a speaker cannot be used; it names the first such utterance.
    """
    utterances = _utterances(arrays)
    named = _speakers(speakers, list(utterances), isinstance(_with_keys(arrays), (Mapping, pd.Series)))
    if pair := same_number(named.values()):
        raise UserError(f"there are speakers {pair[0]!r} and {pair[1]!r}, which are one number", "speakers",
                        "write each speaker in one way")  # fmt: skip
    files = {name: _frames(name, array) for name, array in utterances.items()}
    _check_dims({name: array.shape for name, array in files.items()})
    index = folder / "index.csv"
    with open(index, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["utterance_id", "speaker_id", "path"])
        for number, (name, array) in enumerate(files.items()):
            own = f"{quote(name, safe=' ')}.npy"  # what is told of a file names the utterance
            own = own if len(own) < _LONG else f"%%{number}.npy"
            np.save(folder / own, array)
            writer.writerow([name, named[name], own])
    return index


def check_frame_rate(frame_rate_hz: Any) -> float:
    """The rate as a float.

    Raises:
        UserError: it is no finite number above 0.
    """
    try:
        rate = float(frame_rate_hz)
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if isinstance(frame_rate_hz, (bool, str)) or not 0 < rate < math.inf:
        raise UserError(
            f"the frame rate is {frame_rate_hz!r}", "frame_rate_hz", "give the frames a second, a number above 0"
        )
    return rate


def check_reach(window_frames: Any, horizons: Any) -> tuple[int, list[int]]:
    """The context's length and its staleness, in frames, the latter sorted.

    Raises:
        UserError: they are no whole numbers above 0, or there is no horizon, or the same one twice.
    """
    try:
        window, chosen = operator.index(window_frames), sorted(operator.index(k) for k in horizons)
        truths = any(isinstance(value, bool) for value in (window_frames, *horizons))
    except TypeError:
        window, chosen, truths = 0, [], False
    if truths or window < 1 or not chosen or chosen[0] < 1 or len(set(chosen)) < len(chosen):
        raise UserError(
            f"window_frames is {window_frames!r} and horizons is {horizons!r}",
            "window_frames and horizons",
            "give a whole number of frames, and a list of such numbers, all above 0 and no two equal",
        )
    return window, chosen


def _utterances(arrays: Any) -> dict[str, Any]:
    """The arrays by the utterances' names."""
    if isinstance(arrays, (str, bytes)) or not isinstance(arrays, Iterable):
        raise UserError(f"there are no latents in a {type(arrays).__name__}", "arrays", _FORM)
    if isinstance(arrays, (set, frozenset)):
        raise UserError("arrays is a set, which has no order", "arrays", _FORM)
    arrays = _with_keys(arrays)
    if isinstance(arrays, (Mapping, pd.Series)):
        utterances = by_name(arrays, "utterance", "arrays")
    else:
        n_axes = getattr(arrays, "ndim", 3)
        if n_axes < 3 and str(getattr(arrays, "dtype", "")) != "object":  # an array of objects may hold arrays
            raise UserError(f"arrays is one array of {n_axes} dimensions", "arrays", _FORM)
        utterances = {str(number): array for number, array in enumerate(arrays)}
    if not utterances:
        raise UserError("there are no utterances", "arrays", _FORM)
    return utterances


def _speakers(speakers: Any, utterances: list[str], named: bool) -> dict[str, str]:
    """The speaker of each utterance.

    A mapping tells them by the utterance's name. So does a Series beside utterances that have names; its index may also
    be the one that pandas makes by itself (0, 1, 2, ...), which says no more than the order. Everything else is in the
    order of the utterances, and so is a Series beside a list.

    Raises:
        UserError: an utterance has no speaker, or the speakers have no order, or an index that names other things.
    """
    fix = "give one speaker for each utterance, in the order of the arrays, or a dict from utterance to speaker"
    if isinstance(speakers, (str, bytes, set, frozenset)) or not isinstance(speakers, Iterable):
        raise UserError(f"there are no speakers in a {type(speakers).__name__}", "speakers", fix)
    if not isinstance(speakers, Mapping) and getattr(speakers, "ndim", 1) != 1:
        raise UserError(f"speakers is a table of {speakers.ndim} dimensions", "speakers", fix)  # type: ignore[attr-defined]
    speakers = _with_keys(speakers)
    if isinstance(speakers, Mapping) or (
        named and isinstance(speakers, pd.Series) and not _is_counted(speakers, utterances)
    ):
        known = by_name(speakers, "utterance", "speakers")
        missing = [name for name in utterances if name not in known]
        if missing:
            raise UserError(f"{len(missing)} utterances have no speaker", f"speakers, utterance {missing[0]!r}", fix)
        return {name: name_of(known[name], "speaker") for name in utterances}
    names = [name_of(speaker, "speaker") for speaker in speakers]
    if len(names) != len(utterances):
        raise UserError(f"{len(utterances)} utterances come with {len(names)} speakers", "arrays and speakers", fix)
    return dict(zip(utterances, names, strict=True))


def _with_keys(values: Any) -> Any:
    """What has labels but is no mapping (a DataArray of xarray), as a Series; all else as it is."""
    labelled = hasattr(values, "to_series") and not isinstance(values, pd.Index) and getattr(values, "ndim", 0) == 1
    return values.to_series() if labelled else values


def _is_counted(speakers: pd.Series, utterances: list[str]) -> bool:
    """Whether a Series has the index 0, 1, 2, ... of pandas, and this names no utterance."""
    index = speakers.index
    counted = isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1
    return counted and not {str(number) for number in index} & set(utterances)


def by_name(values: "Mapping[Any, Any] | pd.Series", noun: str, where: str) -> dict[str, Any]:
    """A mapping or a Series with names as `name_of` gives them.

    Raises:
        UserError: a key is no name, or two are one.
    """
    named = {name_of(name, noun): value for name, value in values.items()}
    if len(named) < len(values):
        raise UserError(f"two {noun}s have the same name", where, f"name each {noun} differently")
    return named


def name_of(value: Any, noun: str) -> str:
    """A name as text: numbers are names too. A whole number is written as one, since pandas makes 7.0 of 7 where a
    column has gaps.

    Raises:
        UserError: it is nothing, or not printable.
    """
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    text = one_name(str(value).strip())
    missing = value is None or (isinstance(value, float) and math.isnan(value)) or text in ("", "<NA>", "NaT")
    if missing or not text.isprintable():
        raise UserError(
            f"{value!r} is no name of a {noun}", "arrays and speakers", f"name every {noun} by a text or a number"
        )
    return text


def _frames(name: str, value: Any) -> np.ndarray:
    """One utterance's latents (frames, dims)."""
    where = f"arrays, utterance {name!r}"
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise UserError("this array has masked values", where, "cut the utterance to the frames that exist")
        value = value.data
    array = _as_numpy(value, where)
    if array.ndim != 2 or array.shape[1] == 0:
        raise UserError(f"this array has the shape {array.shape} instead of (frames, dims)", where, _FORM)
    if array.dtype.kind != "f":
        raise UserError(
            f"this array holds {array.dtype}, and latents are floats", where, "convert it, by .astype('float32')"
        )
    if len(array) < 2:
        raise UserError(f"this utterance has {len(array)} frames, and a step needs two", where, "leave it out")
    return array


def _as_numpy(value: Any, where: str) -> np.ndarray:
    if hasattr(value, "detach"):  # a tensor of torch, maybe on a GPU, in a graph, or in bfloat16, which numpy lacks
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() and value.element_size() < 4 else value
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"numpy can make no array of this ({str(error).splitlines()[0]})", where, _FORM) from None


def _check_dims(shapes: Mapping[str, tuple[int, ...]]) -> None:
    frames, dims = (Counter(shape[axis] for shape in shapes.values()) for axis in (0, 1))
    if len(dims) == 1:
        return
    usual = dims.most_common(1)[0][0]
    odd = next(name for name, shape in shapes.items() if shape[1] != usual)
    turned = "; these look like (dims, frames), so transpose them" if len(frames) == 1 else ""
    raise UserError(
        f"utterances differ in their dimensions: {shapes[odd][1]} here, {usual} in most others",
        f"arrays, utterance {odd!r}",
        f"give arrays (frames, dims) with the same dims in all{turned}",
    )
