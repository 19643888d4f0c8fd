"""Which speakers the certificate holds out: by the workflow's own hash, or as the user says."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import pandas as pd

from latentdyn.certificate.arrays import by_name
from latentdyn.config.corpora import Splits
from latentdyn.corpus.splits import SPLITS, assign_split, split_speakers
from latentdyn.errors import UserError

_FEWEST = 3  # to train on, to choose the ridge, to evaluate
_FEW = 30
_SHARES_OF_FEW = {"validation": 0.2, "eval": 0.4}


def certificate_splits(
    manifest: pd.DataFrame, given: Mapping[Any, str] | None
) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """The split of each speaker (columns speaker_id, split), and the settings that drew it; None where it is given, or
    where the index says it.

    The settings are the workflow's defaults. Of fewer than 30 speakers these would hold out too few to tell an effect
    from chance, or none at all. So there the shares are larger, and the salt is the first of `latentdyn`, `latentdyn1`,
    `latentdyn2`, ... that fills every split.

    Args:
        manifest: columns speaker_id, sex, split (null where the index does not say it) and duration_s, a row for each
            utterance. given: the split of each speaker.

    Raises:
        UserError: there are fewer than three speakers, or a speaker has no split or several, or a split no speaker.
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
        return _given_splits(speakers, given), None
    settings = Splits().model_dump(mode="json")
    if "split" in manifest and manifest.split.notna().any():
        if empty := [split for split in SPLITS if split not in set(manifest.split)]:
            raise UserError(
                f"the index says splits, and no row is in {' and '.join(empty)}",
                "the column split of the index",
                f"give every one of {', '.join(SPLITS)} a speaker, or leave the column out: then they are drawn",
            )
        return split_speakers(manifest, **settings), None
    if len(speakers) < _FEW:
        settings |= _SHARES_OF_FEW
        salts = (f"{settings['salt']}{number or ''}" for number in count())
        settings["salt"] = next(salt for salt in salts if _fills(speakers, {**settings, "salt": salt}))
    return split_speakers(manifest, **settings), settings


def unused_splits(splits: pd.DataFrame, given: Mapping[Any, str] | None) -> list[str]:
    """What to tell of given splits whose speaker has no utterance; `splits` are those of the speakers that have one."""
    unused = sorted({*by_name(given, "speaker", "splits")} - set(splits["speaker_id"])) if given is not None else []
    if not unused:
        return []
    who = "1 speaker" if len(unused) == 1 else f"{len(unused)} speakers"
    return [f"splits names {who} without utterances; the first is {unused[0]!r}."]


def _fills(speakers: list[str], settings: dict[str, Any]) -> bool:
    """Whether a draw leaves about its share for `eval`, two of four speakers or more, and something for the others."""
    splits = [str(assign_split(speaker, **settings)) for speaker in speakers]
    n = len(speakers)
    fewest = {"train": max(1, n // 4), "validation": 1, "eval": max(1 if n == _FEWEST else 2, n * 2 // 5)}
    return all(splits.count(split) >= least for split, least in fewest.items())


def _given_splits(speakers: list[str], by_speaker: Mapping[Any, str]) -> pd.DataFrame:
    fix = f"give every speaker one of {', '.join(SPLITS)}, and each of these a speaker"
    if not isinstance(by_speaker, (Mapping, pd.Series)):
        raise UserError(f"there are no splits in a {type(by_speaker).__name__}", "splits", fix)
    given = by_name(by_speaker, "speaker", "splits")
    for speaker in speakers:
        if speaker not in given:
            raise UserError("this speaker is missing", f"splits, speaker {speaker!r}", fix)
        if given[speaker] not in SPLITS:
            raise UserError(f"the split of this speaker is {given[speaker]!r}", f"splits, speaker {speaker!r}", fix)
    splits = pd.DataFrame({"speaker_id": speakers, "split": [given[speaker] for speaker in speakers]}, dtype="string")
    if empty := [split for split in SPLITS if split not in set(splits.split)]:
        raise UserError(f"no speaker is in {' and '.join(empty)}", "splits", fix)
    return splits
