"""What a corpus lists before any file is opened, and why a listed file may be set aside.

Light on purpose: the Snakefile lists corpora at parse time, so nothing here or in `librispeech` and
`folder` imports numpy or pandas.
"""

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


class Exclusion(NamedTuple):
    """Why a file is set aside: a word to count by, and what exactly is wrong."""

    reason: str
    detail: str
