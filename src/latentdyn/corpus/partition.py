"""A corpus's utterances in parts, so that several jobs can work at the same time.

An utterance's part is a function of its name and the number of parts: adding an utterance changes one part
and leaves the files of the others as they were, byte for byte.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from latentdyn.seeds import seed_for

PART_COLUMNS = ("utterance_id", "speaker_id", "path", "sha256", "n_samples", "sample_rate_hz")


def part_of(utterance_id: str, n_parts: int) -> int:
    """The part of an utterance, 0 to n_parts - 1, by a hash of its name."""
    return seed_for("part", utterance_id) % n_parts


def select_part(manifest: Iterable[pd.DataFrame], part: int, n_parts: int) -> pd.DataFrame:
    """The utterances of one part: PART_COLUMNS of an audio manifest, sorted by utterance_id; maybe no rows.

    Args:
        manifest: in blocks, of which one after the other is looked at. part: 0 to n_parts - 1.
    """
    mine = []
    for block in manifest:
        parts = np.fromiter((part_of(name, n_parts) for name in block.utterance_id), np.int64, len(block))
        mine.append(block.loc[parts == part, list(PART_COLUMNS)])
    return pd.concat(mine).sort_values("utterance_id", ignore_index=True)
