"""When phones are spoken, and which frames of a representation stand for them.

The time of a frame is its centre in the audio: (t + ½) / frame rate, whatever the frame was derived from. An encoder
that looks back tells of audio before that time. So all functions take a delay: a frame stands for the phone that is
spoken at its centre less the delay. Phones do not overlap, so a frame stands for one phone, or for none (silence).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.parquet import read_parquet

SILENCE, UNKNOWN = -1, -2  # in place of a phone's number: nobody speaks; the utterance has no times
_COLUMNS = ("utterance_id", "tier", "start_s", "end_s", "label")
_TIER = "phoneme"
_MADE_BY = "synthesize_demo"
_OVERLAP_S = 1e-6  # what rounding may make of two phones that touch


def read_phones(path: Path) -> pd.DataFrame:
    """When each phone is spoken: utterance_id, start_s, end_s, label; sorted by utterance and time.

    Raises:
        UserError: the file is missing or damaged, holds no phones, or their times cannot be.
    """
    handle = path.parent.with_suffix(".json")  # of the folder that the table lies in
    fix = f"delete {handle} and run the same command again: rule {_MADE_BY} makes it"
    table = read_parquet(path, _COLUMNS, made_by=_MADE_BY, output=handle)
    phones = table[table["tier"] == _TIER].drop(columns="tier")
    phones = phones.sort_values(["utterance_id", "start_s"], kind="stable", ignore_index=True)
    start, end = phones["start_s"].to_numpy(np.float64), phones["end_s"].to_numpy(np.float64)
    same = phones["utterance_id"].to_numpy()[1:] == phones["utterance_id"].to_numpy()[:-1]
    bad = ~(np.isfinite(start) & np.isfinite(end) & (start >= 0) & (end > start))
    bad[1:] |= same & (start[1:] < end[:-1] - _OVERLAP_S)
    if phones.empty or bad.any():
        what = "there are none"
        if bad.any():
            what = f"a phone of {phones['utterance_id'][bad.argmax()]} ends before it begins, or overlaps with another"
        raise UserError(f"these are no times of phones: {what}", path, fix)
    return phones


def frames_of(
    phones: pd.DataFrame, utterances: pd.DataFrame, frame_rate_hz: float, delay_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """The store rows [first, stop) of each phone's frames, (n,) each: those whose centre less the delay lies in it.

    stop is first where there are none, and for a phone of an utterance that is not there.

    Args:
        phones: utterance_id, start_s, end_s. utterances: utterance_id, start, n_frames, as of a store.
    """
    known, start, length = _utterances_of(phones, utterances)
    first, stop = (
        np.clip(np.ceil((phones[side].to_numpy() + delay_s) * frame_rate_hz - 0.5), 0, length)
        for side in ("start_s", "end_s")
    )
    return np.where(known, start + first, 0).astype(np.int64), np.where(known, start + stop, 0).astype(np.int64)


def middle_frames(phones: pd.DataFrame, utterances: pd.DataFrame, frame_rate_hz: float, delay_s: float) -> np.ndarray:
    """The store row (n,) of the frame under the middle of each phone, by its centre less the delay; -1 without one."""
    known, start, length = _utterances_of(phones, utterances)
    middle = (phones["start_s"].to_numpy() + phones["end_s"].to_numpy()) / 2
    t = np.floor((middle + delay_s) * frame_rate_hz)
    return np.where(known & (t >= 0) & (t < length), start + t, -1).astype(np.int64)


def phones_of_rows(
    phones: pd.DataFrame, codes: np.ndarray, utterances: pd.DataFrame, n_rows: int, frame_rate_hz: float, delay_s: float
) -> np.ndarray:
    """The code of the phone that each row of a store stands for, (n_rows,); SILENCE, or UNKNOWN without any times.

    Args:
        phones, utterances: as of `frames_of`. codes: (n,) of the phones, 0 or more.
    """
    labels = np.full(n_rows, UNKNOWN)
    timed = utterances[utterances["utterance_id"].isin(phones["utterance_id"])]
    labels[ranges(timed["start"].to_numpy(), timed["n_frames"].to_numpy())] = SILENCE
    first, stop = frames_of(phones, utterances, frame_rate_hz, delay_s)
    labels[ranges(first, stop - first)] = np.repeat(codes, stop - first)
    return labels


def _utterances_of(phones: pd.DataFrame, utterances: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each phone: whether its utterance is there, that utterance's first row and number of frames."""
    place = pd.Index(utterances["utterance_id"].astype(object)).get_indexer(phones["utterance_id"].astype(object))
    start, n_frames = (utterances[name].to_numpy(np.int64)[place] for name in ("start", "n_frames"))
    return place >= 0, start, n_frames


def ranges(first: np.ndarray, length: np.ndarray) -> np.ndarray:
    """first_0, first_0 + 1, ..., first_1, ...: ranges of so many numbers, one after the other."""
    before = np.cumsum(length) - length
    return np.arange(length.sum()) - np.repeat(before - first, length)
