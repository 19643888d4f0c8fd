"""A frame index of a table of frames, as tests change it."""

from dataclasses import replace

import numpy as np
import pandas as pd

from latentdyn.stores.frame_index import FrameIndex


def index_of(frames: pd.DataFrame) -> FrameIndex:
    """Of these frames of a whole or a partial table, in their order: row, utterance_id, speaker_id, split, t, valid and
    high_energy. An utterance ends with the last of its frames that there is."""
    owner, names = pd.factorize(frames["utterance_id"])
    t = frames["t"].to_numpy(np.int64)
    n_frames = pd.Series(t).groupby(owner).max().to_numpy() + 1
    of = frames.groupby(owner)
    utterances = pd.DataFrame(
        {
            "utterance_id": names.astype(str),
            "speaker_id": of["speaker_id"].first().astype(str),
            "start": of["row"].first().to_numpy() - of["t"].first().to_numpy(),
            "n_frames": n_frames,
        }
    )
    split_of = dict(zip(frames["speaker_id"].astype(str), frames["split"].astype(str), strict=True))
    number = (np.cumsum(n_frames) - n_frames)[owner] + t
    loud = np.zeros(n_frames.sum(), bool)
    loud[number] = frames["high_energy"]
    invalid = number[~frames["valid"].to_numpy()]
    whole = FrameIndex.whole(utterances, split_of, invalid, np.packbits(loud))
    begins = np.flatnonzero((np.diff(owner, prepend=-1) != 0) | (np.diff(t, prepend=-2) != 1))
    runs = {"owner": owner[begins], "first": t[begins], "length": np.diff(begins, append=len(t))}
    return replace(whole, **{name: of.astype(np.int32) for name, of in runs.items()})
