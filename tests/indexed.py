"""Frame indices of hand-made frames."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from latentdyn.stores.frame_index import FrameIndex


def whole_index(
    lengths: Sequence[int], speakers: Sequence[str] | None = None, splits: str | Mapping[str, str] = "eval",
    names: Sequence[str] | None = None,
) -> FrameIndex:  # fmt: skip
    """Of utterances one after another in the store (u0, u1, ... unless named) of speakers s0, s1, ..., all finite.

    splits: of all speakers, or by speaker.
    """
    counts, speakers = np.array(lengths), speakers or [f"s{i}" for i in range(len(lengths))]
    utterances = pd.DataFrame(
        {
            "utterance_id": names or [f"u{i}" for i in range(len(counts))],
            "speaker_id": speakers,
            "start": np.cumsum(counts) - counts,
            "n_frames": counts,
        }
    )
    split_of = dict.fromkeys(speakers, splits) if isinstance(splits, str) else dict(splits)
    return FrameIndex.whole(utterances, split_of, np.zeros(0, np.int64), np.zeros(counts.sum() // 8 + 1, np.uint8))
