"""Which speakers are trained on, which ones choose a checkpoint, and which ones only evaluation sees.

A speaker's split is a function of the speaker's name and the salt alone: adding, removing or renaming other
speakers moves nobody. For this reason the sexes are not balanced exactly. Each split has the corpus's ratio of
the sexes on average, with the spread of a random sample. A hash of the sex too would not reduce this spread,
and a corrected label would then move a speaker. So the counts of each split are reported, and another `salt`
draws again.

A corpus may say the splits itself. What it does not say is then drawn from its training speakers in the same way.
"""

import logging
import math
from pathlib import Path
from typing import get_args

import pandas as pd

from latentdyn.corpus.recording import Split
from latentdyn.errors import UserError
from latentdyn.files import check_folders
from latentdyn.parquet import parquet_facts, read_parquet
from latentdyn.seeds import seed_for

logger = logging.getLogger(__name__)

SPLITS: tuple[Split, ...] = get_args(Split)


def assign_split(speaker_id: str, *, salt: str, validation: float, eval: float) -> Split:
    """The split of a speaker: a hash of (salt, speaker) as a fraction u, uniform in [0, 1).

    `eval` takes u < eval, `validation` the next share, `train` the rest: so changing the share of
    validation moves nobody into or out of eval.
    """
    u = (seed_for("split", salt, speaker_id) >> 10) / (1 << 53)  # 53 of its 63 bits: exact in a float
    if u < eval:
        return "eval"
    return "validation" if u < eval + validation else "train"


def split_speakers(manifest: pd.DataFrame, *, salt: str, validation: float, eval: float) -> pd.DataFrame:
    """Assign every speaker of a manifest.

    Args:
        manifest: columns utterance_id, speaker_id, sex, split (null where the corpus does not say it) and duration_s, a
            row for each utterance.
        salt: another one draws other splits.
        validation: share of the speakers that choose a checkpoint; 0 for none.
        eval: share of the speakers that only evaluation sees; 0 for none.

    Where the corpus says splits, its speakers of `train` are drawn from only for the splits that it does not name.

    Returns:
        speaker_id, sex, split, n_utterances and duration_s (the speaker's total), sorted by speaker_id.

    Raises:
        UserError: a split that should have speakers got none; by the corpus, a speaker is in two splits.
    """
    speakers = (
        manifest.groupby("speaker_id", sort=True)
        .agg(sex=("sex", "first"), n_utterances=("duration_s", "size"), duration_s=("duration_s", "sum"))
        .reset_index()
    )
    said = _said_splits(manifest)
    shares = {
        "validation": 0.0 if "validation" in said.values() else validation,
        "eval": 0.0 if "eval" in said.values() else eval,
    }
    splits = [
        assign_split(s, salt=salt, **shares) if said.get(s, "train") == "train" else said[s]
        for s in speakers.speaker_id
    ]
    speakers.insert(2, "split", splits)
    expected = [split for split, share in shares.items() if share] + ["train"]
    if empty := [split for split in SPLITS if split in expected and split not in splits]:
        enough = len(speakers) >= len(expected)
        more = "change splits.salt to draw again, enlarge the share, or add speakers" if enough else "add speakers"
        if unsaid := [split for split in expected if said and split not in said.values()]:
            more = f"let the corpus name speakers of {' and '.join(unsaid)} too, or {more}"
        raise UserError(
            f"none of the {len(speakers)} speakers falls into {' and '.join(empty)}{_the_only_one(manifest)}"
            f"{_drawn_from_train([split for split in unsaid if split != 'train'])}",
            f"the corpus's splits (salt '{salt}', validation {validation:g}, eval {eval:g})",
            f"{more}: each of {', '.join(expected)} needs one. If these are not the speakers of a corpus of kind "
            "folder, set its key `speaker` (1: the folder directly below its root)",
        )
    return speakers.astype(
        {
            "speaker_id": "string",
            "sex": "string",
            "split": "string",
            "n_utterances": "int64",
            "duration_s": "float64",
        }
    )


def _said_splits(manifest: pd.DataFrame) -> dict[str, Split]:
    """The split of each speaker, as the corpus says it; empty where it says none."""
    if "split" not in manifest or manifest.split.isna().all():
        return {}
    by_speaker = manifest.groupby("speaker_id").split.unique()
    several = by_speaker[by_speaker.map(len) > 1]
    if len(several):
        each = ", ".join(f"'{speaker}' ({', '.join(sorted(several[speaker]))})" for speaker in several.index[:10])
        raise UserError(
            f"{len(several)} speakers are in several splits of the corpus, which would measure a predictor on speakers "
            f"that it has learned from: {each}",
            "the splits that the corpus says itself (its key subset, or the column split of its index)",
            "move all utterances of a speaker into one split, or leave one of them out; if these are other speakers of "
            "the same name, give them names of their own",
        )
    return {str(speaker): splits[0] for speaker, splits in by_speaker.items()}


def _drawn_from_train(splits: list[str]) -> str:
    """What splits that the corpus does not say are drawn from, where it says others."""
    return f": the corpus names none of {' and '.join(splits)}, so they are drawn from those of train" if splits else ""


def _the_only_one(manifest: pd.DataFrame) -> str:
    if manifest.speaker_id.nunique() != 1 or "utterance_id" not in manifest:
        return ""
    names = ", ".join(map(str, manifest.utterance_id.iloc[:3]))
    return f": there is only '{manifest.speaker_id.iloc[0]}' (of the utterances {names}, ...)"


def read_splits(path: Path) -> pd.DataFrame:
    """The split of each speaker, as `split_speakers` wrote it: columns speaker_id, split.

    Raises:
        UserError: the table cannot be read, is of another corpus, names an unknown split, or lists a speaker twice.
    """
    splits = read_parquet(path, ["speaker_id", "split"], made_by="split_speakers")
    check_folders(path, parquet_facts(path, made_by="split_speakers"))
    odd = sorted({str(split) for split in splits["split"]} - set(SPLITS))
    twice = splits.loc[splits["speaker_id"].duplicated(), "speaker_id"]
    if odd or len(twice):
        what = f"holds unknown splits ({', '.join(odd)})" if odd else f"lists speaker {twice.iloc[0]} twice"
        raise UserError(f"this table of splits {what}", path, f"name each speaker once, in {', '.join(SPLITS)}")
    return splits


def report_balance(speakers: pd.DataFrame) -> None:
    """Log the sexes in each split beside the number that the corpus's ratio makes likely; warn where one is absent.

    Args:
        speakers: columns sex, split and duration_s, a row for each speaker.
    """
    known = speakers.sex.dropna()
    n_known, n_women = len(known), int((known == "F").sum())
    for split in SPLITS:
        members = speakers[speakers.split == split]
        n_f, n_m = (int((members.sex == sex).sum()) for sex in ("F", "M"))
        # a sample without replacement: hypergeometric
        n, ratio = n_f + n_m, n_women / max(1, n_known)
        deviation = math.sqrt(n * ratio * (1 - ratio) * (n_known - n) / max(1, n_known - 1))
        logger.info(
            "%s: %d speakers (%d F, %d M, %d unknown), %.2f h; F expected %.1f +- %.1f",
            split,
            len(members),
            n_f,
            n_m,
            len(members) - n,
            members.duration_s.sum() / 3600,
            n * ratio,
            deviation,
        )
        if known.nunique() > 1 and n and 0 in (n_f, n_m):
            logger.warning(
                "%s has speakers of one sex only, though the corpus has both: what is measured there holds "
                "for that sex; change splits.salt to draw again",
                split,
            )
