"""Which speakers the certificate holds out: by the workflow's own hash, or as the user says."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import pandas as pd

from latentdyn.config.corpora import Splits
from latentdyn.corpus.splits import SPLITS, assign_split, split_speakers
from latentdyn.errors import UserError

_FEWEST = 3  # to train on, to choose the ridge, to evaluate


def certificate_splits(manifest: pd.DataFrame, given: Mapping[Any, str] | None) -> tuple[pd.DataFrame, str | None]:
    """The split of each speaker (columns speaker_id, split), and the salt that draws them; None where they are given.

    The salt is the workflow's default one. With few speakers it may leave a split empty. Then it is the first of
    `latentdyn1`, `latentdyn2`, ... that leaves none empty and, of four speakers or more, puts two into `eval`: one
    alone has no interval.

    Args:
        manifest: columns speaker_id, sex and duration_s, a row for each utterance. given: the split of each speaker.

    Raises:
        UserError: there are fewer than three speakers, or a speaker has no split, or a split no speaker.
    """
    speakers = sorted(set(manifest.speaker_id))
    if len(speakers) < _FEWEST:
        raise UserError(
            f"there {'is 1 speaker' if len(speakers) == 1 else f'are {len(speakers)} speakers'}, and {_FEWEST} are "
            "needed: to fit, to choose the ridge, and to measure",
            "speakers",
            "give latents of more speakers; where speakers mean nothing, name each independent source",
        )
    if given is not None:
        return _given_splits(speakers, {str(name): split for name, split in given.items()}), None
    shares = Splits().model_dump()
    salt = next(salt for salt in _salts(shares.pop("salt")) if _is_usable(speakers, salt, shares))
    return split_speakers(manifest, salt=salt, **shares), salt


def _salts(default: str) -> Any:
    yield default
    yield from (f"{default}{number}" for number in count(1))


def _is_usable(speakers: list[str], salt: str, shares: Mapping[str, float]) -> bool:
    splits = [str(assign_split(speaker, salt=salt, **shares)) for speaker in speakers]
    fewest = {"train": 1, "validation": 1, "eval": 1 if len(speakers) == _FEWEST else 2}
    return all(splits.count(split) >= n for split, n in fewest.items())


def _given_splits(speakers: list[str], given: Mapping[str, str]) -> pd.DataFrame:
    fix = f"give every speaker one of {', '.join(SPLITS)}, and each of these a speaker"
    for speaker in speakers:
        if given.get(speaker) not in SPLITS:
            raise UserError(f"the split of this speaker is {given.get(speaker)!r}", f"splits, speaker {speaker!r}", fix)
    splits = pd.DataFrame({"speaker_id": speakers, "split": [given[speaker] for speaker in speakers]}, dtype="string")
    if empty := [split for split in SPLITS if split not in set(splits.split)]:
        raise UserError(f"no speaker is in {' and '.join(empty)}", "splits", fix)
    return splits
