"""`corpora`: utterances and their speakers."""

import os
import re
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from latentdyn.config.shapes import Shape
from latentdyn.config.values import Fraction, FrameRate, PathText, Split, Strict, text_like

if TYPE_CHECKING:
    from latentdyn.config.root import Root

Source = Literal["audio", "latents", "nothing"]  # what a corpus gives, for representations to be made from


class Splits(Strict):
    """Which share of the speakers is held out, unless the corpus says its splits itself. A hash of (salt, speaker)
    decides, so adding speakers moves nobody."""

    salt: Annotated[str, text_like(r"^[^\x00-\x1f\x7f]*$", "one line of text"), Field(max_length=256)] = Field(
        "latentdyn", description="another salt draws other splits"
    )
    validation: Fraction = Field(
        0.1, description="share of the speakers held out of training, to choose steps and ridges"
    )
    eval: Fraction = Field(0.2, description="share of the speakers that only evaluation sees")

    def share(self, split: Split) -> float:
        """The share of the speakers that are in this split, on average."""
        return {"train": 1 - self.validation - self.eval, "validation": self.validation, "eval": self.eval}[split]

    @model_validator(mode="after")
    def _leaves_training(self) -> "Splits":
        if self.validation + self.eval >= 1:
            raise ValueError("validation + eval must leave a share of the speakers for training")
        return self


class AudioChecks(Strict):
    """When a recording is set aside (excluded.parquet, with its reason), and when too many are."""

    min_duration_s: float = Field(1.0, gt=0, le=86_400, description="a shorter recording is set aside")
    silence_dbfs: float = Field(
        -60.0, ge=-200, le=0, description="a recording whose RMS level (dB re 1.0) is lower is set aside"
    )
    max_excluded_share: Fraction = Field(0.05, description="setting aside a larger share stops the run")


class CorpusKind(Strict):
    """Utterances and their speakers."""

    gives: ClassVar[Source]

    kind: str  # each kind's own word
    splits: Splits = Field(Splits(), description="which speakers are held out")
    max_nonfinite_share: Fraction = Field(
        0.05,
        description="a larger share of frames with a NaN or an infinity, in any representation, stops the run: frames "
        "near them are lost too",
    )

    @property
    def audio_by(self) -> str | None:
        """The rule that makes its audio; None where nothing makes it."""
        return None

    @property
    def manifest_by(self) -> str:
        """The rule that makes its manifest."""
        return "build_manifest"

    @property
    def latents_shape(self) -> Shape:
        """What is known of latents that it gives itself, or that are drawn for it."""
        return Shape()

    def speakers(self) -> list[str] | None:
        """Its speakers' names; None where only its files tell."""
        return None

    def may_have(self, split: Split) -> bool:
        """Whether a split may have speakers."""
        return self.splits.share(split) > 0

    @cached_property
    def speakers_of_splits(self) -> dict[Split, int] | None:
        """The number of speakers of each split; None where only its files tell."""
        names = self.speakers()
        if names is None:
            return None
        from latentdyn.corpus.splits import SPLITS, assign_split  # and with it pandas, only where it is needed

        splits = [assign_split(name, **self.splits.model_dump()) for name in names]
        return {split: splits.count(split) for split in SPLITS}

    def utterances(self, speakers: int) -> int | None:
        """How many utterances so many speakers have; None where only its files tell."""
        return None

    def alignments(self, made: str) -> str | None:
        """The parquet of when its phones are spoken; None where nothing says it.

        Args:
            made: as of `location`.
        """
        return None

    def location(self, made: str) -> str:
        """What its recordings' paths are relative to.

        Args:
            made: the folder of audio that a rule makes for this corpus.
        """
        raise NotImplementedError  # abstract; a corpus without recordings has none

    def files(self) -> list[Path]:
        """Every file that its manifest is built from and that nothing makes, as far as it exists.

        Raises:
            UserError: the files cannot be listed.
        """
        return []

    def check(self, where: str, config: "Root") -> None:
        """Check what the section alone cannot know.

        Args:
            where: dotted path of this entry.

        Raises:
            ValueError: what it says does not fit.
        """
        counts = self.speakers_of_splits
        empty = [split for split, n in (counts or {}).items() if n == 0 and self.splits.share(split) > 0]
        if counts and empty:
            raise ValueError(
                f"{where}.splits: none of the {sum(counts.values())} speakers falls into {' and '.join(empty)}; "
                "another salt draws again, or enlarge the share"
            )


class AudioCorpus(CorpusKind):
    """A corpus of recordings."""

    gives = "audio"

    audio: AudioChecks = Field(AudioChecks(), description="when a recording is set aside")
    manifest_parts: int = Field(
        1, ge=1, le=10_000, description="the recordings are opened, to list them, in so many jobs"
    )
    encoding_parts: int = Field(
        1, ge=1, le=10_000, description="encoding is divided into so many jobs, for each representation"
    )

    @property
    def manifest_by(self) -> str:
        return "build_manifest" if self.manifest_parts == 1 else "merge_manifests"


def _existing(files: list[Path]) -> list[Path]:
    return [file for file in files if os.path.isfile(file)]  # others are set aside; any odd name is none, not an error


def _names(subset: str | list[str] | dict[str, str] | None) -> str | list[str] | None:
    return list(subset) if isinstance(subset, dict) else subset


def _says(subset: str | list[str] | dict[str, str] | None, split: Split) -> bool | None:
    """Whether a corpus that says its splits itself has this one; None where it does not say them."""
    return split in subset.values() if isinstance(subset, dict) else None


def _folders_and_splits(subset: str | list[str] | dict[str, str]) -> str | list[str] | dict[str, str]:
    names = [subset] if isinstance(subset, str) else list(subset)
    if not names or len(set(names)) != len(names):
        raise ValueError("name at least one folder, and none twice")
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or not path.parts or ".." in path.parts or str(path) != name:
            raise ValueError(f"'{name}' is not the path of a folder below root")
    splits = set(subset.values()) if isinstance(subset, dict) else {"train"}
    if odd := splits - set(get_args(Split)):
        raise ValueError(f"'{min(odd)}' is no split: train, validation or eval")
    if "train" not in splits:
        raise ValueError("one folder at least must be of the split train")
    return subset


def _names_a_speaker(rule: int | str) -> int | str:
    if rule == "parent" or isinstance(rule, int):
        return rule
    try:
        groups = re.compile(rule).groups
    except re.error as error:
        raise ValueError(f"this is not a regular expression ({error})") from None
    if groups != 1:
        raise ValueError("give 'parent', a number of levels below root, or a regular expression with one group")
    return rule


Subset = Annotated[str | list[str] | dict[str, str], AfterValidator(_folders_and_splits)]
Speaker = Annotated[Annotated[int, Field(ge=1, le=100)] | str, AfterValidator(_names_a_speaker)]


class LibriSpeech(AudioCorpus):
    """LibriSpeech (V. Panayotov, G. Chen, D. Povey and S. Khudanpur, CC BY 4.0) in its own layout: an existing tree
    (`root`), or downloaded (`url` and `checksum`)."""

    kind: Literal["librispeech"]
    subset: Subset = Field(
        "train-clean-100",
        description="the subset's folder; a list of them; or the split of each, as in `{train-clean-100: train, "
        "dev-clean: validation, test-clean: eval}`",
    )
    root: PathText | None = Field(None, description="the folder that holds SPEAKERS.TXT and the subsets' folders")
    url: Annotated[str, text_like(r"^https?://", "an address that begins with http:// or https://")] | None = Field(
        None, description="address (http, https) of the subset's .tar.gz"
    )
    checksum: (
        Annotated[
            str,
            text_like(
                r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$",
                "md5: and 32 hexadecimal digits, or sha256: and 64 of them, in small letters",
            ),
        ]
        | None
    ) = Field(
        None,
        description="`md5:` or `sha256:` and the digest of that archive. It is verified before it is unpacked",
    )

    @property
    def audio_by(self) -> str | None:
        return "download_corpus" if self.url else None

    def may_have(self, split: Split) -> bool:
        said = _says(self.subset, split)
        return super().may_have(split) if said is None else said

    def location(self, made: str) -> str:
        return self.root or f"{made}/LibriSpeech"

    def files(self) -> list[Path]:
        if self.root is None:
            return []
        from latentdyn.corpus.librispeech import librispeech_files

        root = Path(self.root)
        return [
            file for file in (root / "SPEAKERS.TXT", *librispeech_files(root, _names(self.subset))) if file.is_file()
        ]

    @model_validator(mode="after")
    def _one_source(self) -> "LibriSpeech":
        if (self.root is None) == (self.url is None):
            raise ValueError("give either root (an existing tree) or url (to download it), not both and not neither")
        if (self.url is None) != (self.checksum is None):
            raise ValueError("url and checksum go together: a download is never used unverified")
        if self.url and not isinstance(self.subset, str):
            raise ValueError("a download holds one subset; unpack several into one folder, and give it as root")
        return self


class Folder(AudioCorpus):
    """Any folder of audio files (WAV, FLAC, MP3, Ogg, Opus, AIFF, AU, NIST SPHERE). Its folders name the speakers."""

    kind: Literal["folder"]
    root: PathText = Field(description="the folder; recordings may lie at any depth")
    subset: Subset | None = Field(
        None,
        description="folders below root that are the corpus: one, a list, or the split of each, as in `{training: "
        "train, test: eval}`",
    )
    speaker: Speaker = Field(
        "parent",
        description="what names a file's speaker: `parent`, the folder that holds it; a number, the folder so many "
        "levels below root (1: directly below it) or the subset's folder; or a regular expression with one group, "
        "searched in the path from there",
    )

    def may_have(self, split: Split) -> bool:
        said = _says(self.subset, split)
        return super().may_have(split) if said is None else said

    def location(self, made: str) -> str:
        return self.root

    def files(self) -> list[Path]:
        from latentdyn.corpus.folder import folder_files

        return _existing(folder_files(Path(self.root), _names(self.subset)))


class Lhotse(AudioCorpus):
    """Recordings that Lhotse has prepared, each of one file and one speaker."""

    kind: Literal["lhotse"]
    recordings: PathText = Field(description="Lhotse's JSONL of recordings (.jsonl or .jsonl.gz)")
    supervisions: PathText = Field(description="Lhotse's JSONL of supervisions, which name the speakers")
    root: PathText = Field(".", description="what the paths of the recordings' sources are relative to")

    def location(self, made: str) -> str:
        return self.root

    def files(self) -> list[Path]:
        from latentdyn.corpus.lhotse import lhotse_recordings

        lists = Path(self.recordings), Path(self.supervisions)
        return _existing([*lists, *(Path(self.root) / recording.path for recording, _ in lhotse_recordings(*lists))])


class Demo(AudioCorpus):
    """Sentences of our own, spoken offline by espeak-ng voices. No download."""

    kind: Literal["demo"]
    n_speakers: int = Field(24, ge=4, le=48, description="voices; women and men alternate")
    sentences_per_speaker: int = Field(20, ge=1, le=60, description="recordings of each voice")

    @property
    def audio_by(self) -> str | None:
        return "synthesize_demo"

    def speakers(self) -> list[str]:
        return [f"{'fm'[i % 2]}{i // 2 + 1:02d}" for i in range(self.n_speakers)]

    def utterances(self, speakers: int) -> int:
        return speakers * self.sentences_per_speaker

    def alignments(self, made: str) -> str:
        return f"{made}/alignments.parquet"

    def location(self, made: str) -> str:
        return made


class Latents(CorpusKind):
    """Bring your own latents, without audio."""

    gives = "latents"

    kind: Literal["latents"]
    index: PathText = Field(
        description="CSV with the columns utterance_id, speaker_id, path (of a `.npy` of shape (T, D), relative to "
        "the CSV), and perhaps sex and split"
    )
    frame_rate_hz: FrameRate = Field(description="frames a second of these latents")

    @property
    def latents_shape(self) -> Shape:
        return Shape(self.frame_rate_hz)

    def may_have(self, split: Split) -> bool:
        return True  # the index may say so

    def location(self, made: str) -> str:
        return self.index

    def files(self) -> list[Path]:
        from latentdyn.corpus.latents_index import latents_recordings  # and with it numpy, only where it is needed

        index = Path(self.index)
        return _existing([index, *(index.parent / recording.path for recording in latents_recordings(index))])


class Synthetic(CorpusKind):
    """Speakers and utterances without audio, for representations that are drawn from a known process."""

    gives = "nothing"
    kind: Literal["synthetic"]
    n_speakers: int = Field(60, ge=3, le=100_000, description="all draw from the same process; intervals resample them")
    utterances_per_speaker: int = Field(4, ge=1, le=10_000, description="all are drawn independently")
    frames_per_utterance: int = Field(200, ge=2, le=1_000_000, description="length of an utterance")
    frame_rate_hz: FrameRate = Field(12.5, description="how many frames count as one second")

    @property
    def manifest_by(self) -> str:
        return "number_utterances"

    @property
    def latents_shape(self) -> Shape:
        return Shape(self.frame_rate_hz, frames=self.frames_per_utterance)

    def speakers(self) -> list[str]:
        return [f"s{i:04d}" for i in range(self.n_speakers)]

    def utterances(self, speakers: int) -> int:
        return speakers * self.utterances_per_speaker
