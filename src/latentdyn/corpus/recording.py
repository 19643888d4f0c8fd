"""What a corpus lists before any file is opened, and why a listed file may be set aside.

Light on purpose: the Snakefile lists corpora at parse time, so nothing here or in `librispeech` and
`folder` imports numpy or pandas.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal, NamedTuple

Sex = Literal["F", "M"]
Split = Literal["train", "validation", "eval"]


class Recording(NamedTuple):
    """One utterance of one speaker: a file of audio, or of latents."""

    utterance_id: str  # unique in its corpus
    speaker_id: str
    sex: Sex | None  # None where the corpus does not say
    path: str  # as the corpus names it: relative to its root, or absolute
    split: Split | None = None  # None where the corpus does not say


def one_name(text: str) -> str:
    """A name in the one form (NFC) of those that look the same: é is one character, or e with an accent after it."""
    return unicodedata.normalize("NFC", text)


def same_number(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that are one whole number, such as 7 and 7.0; None if there are none. Tables write 7 as 7.0 where a row
    of the column is empty."""
    known = set(names)
    pairs = ((re.sub(r"\.0+$", "", name), name) for name in sorted(known) if re.fullmatch(r"-?\d+\.0+", name))
    return next(((short, name) for short, name in pairs if short in known), None)


class Exclusion(NamedTuple):
    """Why a file is set aside: a word to count by, and what exactly is wrong."""

    reason: str
    detail: str
