"""The manifest: every usable utterance of a corpus in one table, and the unusable ones in another.

Both are sorted, so that they depend on what a corpus holds and never on the order of listing or of workers.
Nothing is dropped silently: every listed file is in exactly one of the two.
"""

import collections
import functools
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from latentdyn.corpus.audio import AudioFacts, inspect_audio
from latentdyn.corpus.folder import demo_recordings, folder_recordings
from latentdyn.corpus.latents_index import LatentsFacts, inspect_latents, latents_recordings
from latentdyn.corpus.lhotse import lhotse_recordings
from latentdyn.corpus.librispeech import librispeech_recordings
from latentdyn.corpus.partition import part_of
from latentdyn.corpus.recording import Exclusion, Recording
from latentdyn.errors import UserError
from latentdyn.files import of_folders, write_json
from latentdyn.parquet import table_sha256, write_parquet
from latentdyn.progress import progress

logger = logging.getLogger(__name__)

LATENTS_MAX_EXCLUDED_SHARE = 0.05
_LOGGED_EXCLUSIONS = 100
_DIGITS = 4  # of levels: what decoders of compressed sound round differently on other machines

Facts = TypeVar("Facts")

_NAMES = {"utterance_id": "string", "speaker_id": "string", "sex": "string", "path": "string", "split": "string"}
_FACTS = {"sha256": "string", "duration_s": "float64"}
_COUNTS = {"sample_rate_hz": "int64", "n_channels": "int64", "n_samples": "int64"}
AUDIO_SCHEMA = _NAMES | _FACTS | _COUNTS | {"peak": "float64", "rms_dbfs": "float64"}
LATENTS_SCHEMA = _NAMES | _FACTS | {"n_frames": "int64", "dim": "int64", "n_nonfinite_frames": "int64"}
EXCLUDED_SCHEMA = dict.fromkeys(("path", "utterance_id", "speaker_id", "reason", "detail"), "string")


class Manifest(NamedTuple):
    """A corpus in two tables, each sorted by (speaker_id, utterance_id)."""

    utterances: pd.DataFrame  # columns AUDIO_SCHEMA or LATENTS_SCHEMA
    excluded: pd.DataFrame  # columns EXCLUDED_SCHEMA


def build_manifest(corpus: Mapping[str, Any], root: Path, *, workers: int) -> Manifest:
    """List a corpus and open each of its files once.

    Args:
        corpus: the corpus's section of the config: `kind`, and what that kind needs (`subset`, `speaker`, `recordings`,
            `supervisions`, `audio`, `frame_rate_hz`).
        root: its folder, which paths are relative to; of kind latents, its index.
        workers: threads that decode (libsndfile, numpy and hashing let them run side by side).

    Raises:
        UserError: the corpus cannot be listed.
    """
    if corpus["kind"] == "latents":
        recordings = latents_recordings(root)
        facts = _inspect_all(recordings, root.parent, inspect_latents, workers)
        return latents_manifest(recordings, facts, corpus["frame_rate_hz"])
    return inspect_recordings(corpus, root, workers=workers)


def inspect_recordings(
    corpus: Mapping[str, Any], root: Path, *, workers: int, part: int = 0, n_parts: int = 1
) -> Manifest:
    """The manifest of one part of a corpus of audio, whose files are opened once; those of all parts are joined by
    `merge_manifests`.

    Args:
        corpus, root, workers: as of `build_manifest`. part: 0 to n_parts - 1; a hash of its name decides which part an
            utterance is in.

    Raises:
        UserError: the corpus cannot be listed.
    """
    listed = [
        (recording, reason)
        for recording, reason in _recordings(corpus, root)
        if n_parts == 1 or part_of(recording.utterance_id, n_parts) == part
    ]
    inspect = functools.partial(
        inspect_audio,
        min_duration_s=corpus["audio"]["min_duration_s"],
        silence_dbfs=corpus["audio"]["silence_dbfs"],
    )
    whole = iter(_inspect_all([recording for recording, reason in listed if reason is None], root, inspect, workers))
    return audio_manifest([recording for recording, _ in listed], [reason or next(whole) for _, reason in listed])


def merge_manifests(parts: Collection[Manifest]) -> Manifest:
    """The manifest of a whole corpus from those of its parts."""
    utterances = pd.concat([part.utterances for part in parts]).astype(AUDIO_SCHEMA)
    excluded = pd.concat([part.excluded for part in parts]).astype(EXCLUDED_SCHEMA)
    return Manifest(_sorted(utterances), _sorted(excluded))


def write_manifest(manifest: Manifest, max_share: float, utterances: Path, excluded: Path, handle: Path) -> None:
    """Set aside files of two speakers, check how much is set aside, and write both tables; the handle is written last.

    Raises:
        UserError: as of `check_excluded_share`. Only `excluded` is written then.
    """
    manifest = set_aside_shared_files(manifest)
    write_parquet(excluded, manifest.excluded)
    check_excluded_share(manifest, max_share, excluded)
    write_parquet(utterances, manifest.utterances)
    write_json(handle, {**manifest_handle(manifest), **of_folders(handle, "corpus")})


def audio_manifest(recordings: Iterable[Recording], facts: Iterable[AudioFacts | Exclusion]) -> Manifest:
    """The manifest of recordings and of the facts about each."""
    good, bad = [], []
    for recording, content in zip(recordings, facts, strict=True):
        if isinstance(content, Exclusion):
            bad.append((recording, content))
        else:
            duration_s = content.n_samples / content.sample_rate_hz
            good.append(
                (
                    *recording,
                    content.sha256,
                    duration_s,
                    content.sample_rate_hz,
                    content.n_channels,
                    content.n_samples,
                    round(content.peak, _DIGITS),
                    round(content.rms_dbfs, _DIGITS),
                )
            )
    return Manifest(_table(good, AUDIO_SCHEMA), _excluded_table(bad))


def latents_manifest(
    recordings: Iterable[Recording], facts: Iterable[LatentsFacts | Exclusion], frame_rate_hz: float
) -> Manifest:
    """The manifest of utterances and of the facts about each file of latents.

    The corpus's dimension is the one that most files have; of two that are equally frequent, the smaller. Files of
    another dimension are set aside as `wrong_dim`.
    """
    good: list[tuple[Any, ...]] = []
    bad: list[tuple[Recording, Exclusion]] = []
    pairs = list(zip(recordings, facts, strict=True))
    counts = collections.Counter(content.dim for _, content in pairs if isinstance(content, LatentsFacts))
    corpus_dim = min(counts, key=lambda dim: (-counts[dim], dim), default=0)
    for recording, content in pairs:
        if isinstance(content, Exclusion):
            bad.append((recording, content))
        elif content.dim != corpus_dim:
            bad.append((recording, Exclusion("wrong_dim", f"D = {content.dim}; most files have {corpus_dim}")))
        else:
            duration_s = content.n_frames / frame_rate_hz
            good.append(
                (
                    *recording,
                    content.sha256,
                    duration_s,
                    content.n_frames,
                    content.dim,
                    content.n_nonfinite_frames,
                )
            )
    return Manifest(_table(good, LATENTS_SCHEMA), _excluded_table(bad))


def set_aside_shared_files(manifest: Manifest) -> Manifest:
    """Set aside every file whose very bytes are listed under another speaker too.

    Whose voice it is cannot be known, and it could be trained on and evaluated on. Copies under one speaker are kept,
    and counted in the log.
    """
    table = manifest.utterances
    n_speakers = table.groupby("sha256").speaker_id.transform("nunique")
    copies = table.duplicated("sha256") & (n_speakers == 1)
    if copies.any():
        names = ", ".join(table.path[copies].head(3))
        logger.warning("%d files have the same bytes as another one of their speaker: %s, ...", copies.sum(), names)
    shared = table[n_speakers > 1]
    rows = []
    for row in shared.itertuples():
        other = shared[(shared.sha256 == row.sha256) & (shared.speaker_id != row.speaker_id)].iloc[0]
        detail = f"the same bytes as {other.path} of speaker '{other.speaker_id}'"
        rows.append((row.path, row.utterance_id, row.speaker_id, "of_two_speakers", detail))
    excluded = _table([*manifest.excluded.itertuples(index=False, name=None), *rows], EXCLUDED_SCHEMA)
    return Manifest(table[n_speakers <= 1].reset_index(drop=True), excluded)


def check_excluded_share(manifest: Manifest, max_share: float, listing: Path | None = None) -> None:
    """Log what was set aside, and stop when it is too much.

    Args:
        listing: the table of Snakemake's that lists them too; None outside of the workflow.

    Raises:
        UserError: more than `max_share` of the files are set aside, or all are.
    """
    excluded = manifest.excluded
    for row in excluded.head(_LOGGED_EXCLUSIONS).itertuples():
        logger.warning("set aside: %s: %s (%s)", row.path, row.reason, row.detail)
    if len(excluded) > _LOGGED_EXCLUSIONS:
        logger.warning("set aside: and %d more", len(excluded) - _LOGGED_EXCLUSIONS)
    n_files = len(excluded) + len(manifest.utterances)
    if len(excluded) > max_share * n_files or manifest.utterances.empty:
        counts = ", ".join(f"{n} {reason}" for reason, n in _count_reasons(excluded).items())
        loosen = (
            ", or, for audio, loosen the corpus's checks (audio.min_duration_s, audio.silence_dbfs, "
            "audio.max_excluded_share)"
        )
        also = f" ({listing} too, unless Snakemake has removed it)" if listing else ""
        raise UserError(
            f"{len(excluded)} of {n_files} files must be set aside ({counts}), more than the allowed share "
            f"of {max_share:g}; the first is {excluded.path.iloc[0]} ({excluded.detail.iloc[0]})",
            "the lines above list them with their reasons" + also,
            "repair or remove these files" + (loosen if listing else ""),
        )


def manifest_handle(manifest: Manifest) -> dict[str, Any]:
    """The small description that later steps depend on: only what the content determines."""
    utterances = manifest.utterances
    return {
        "schema_version": 1,
        "n_utterances": len(utterances),
        "n_speakers": int(utterances.speaker_id.nunique()),
        "hours": float(utterances.duration_s.sum()) / 3600,
        "excluded": _count_reasons(manifest.excluded),
        "digest": table_sha256(utterances),
    }


def _recordings(corpus: Mapping[str, Any], root: Path) -> Iterable[tuple[Recording, Exclusion | None]]:
    """What a corpus of audio lists, and why a recording is set aside, where the list alone tells."""
    if corpus["kind"] == "lhotse":
        return lhotse_recordings(Path(corpus["recordings"]), Path(corpus["supervisions"]))
    if corpus["kind"] == "librispeech":
        recordings = librispeech_recordings(root, corpus["subset"])
    elif corpus["kind"] == "demo":
        recordings = demo_recordings(root)
    else:
        recordings = folder_recordings(root, corpus.get("subset"), corpus.get("speaker", "parent"))
    return ((recording, None) for recording in recordings)


def _inspect_all(
    recordings: list[Recording], base: Path, inspect: Callable[[Path], Facts], workers: int
) -> list[Facts]:
    paths = [base / recording.path for recording in recordings]  # an absolute path stays what it is
    logger.info("reading %d files below %s", len(paths), base)
    with ThreadPoolExecutor(workers) as pool:
        return list(progress(pool.map(inspect, paths), total=len(paths), unit="file"))


def _table(rows: list[tuple[Any, ...]], schema: dict[str, str]) -> pd.DataFrame:
    # dtypes are given, so that a column of unknown sexes and a table without rows have the same schema
    return _sorted(pd.DataFrame(rows, columns=list(schema)).astype(schema))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(["speaker_id", "utterance_id"], ignore_index=True)


def _excluded_table(pairs: list[tuple[Recording, Exclusion]]) -> pd.DataFrame:
    rows = [(r.path, r.utterance_id, r.speaker_id, exclusion.reason, exclusion.detail) for r, exclusion in pairs]
    return _table(rows, EXCLUDED_SCHEMA)


def _count_reasons(excluded: pd.DataFrame) -> dict[str, int]:
    return {str(reason): int(n) for reason, n in excluded.reason.value_counts().sort_index().items()}
