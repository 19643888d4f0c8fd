"""`corpora`: utterances and their speakers."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from latentdyn.config.values import Fraction, Strict


class Splits(Strict):
    """Which share of the speakers is held out. A hash of (salt, speaker) decides, so adding speakers moves nobody."""

    salt: str = Field("latentdyn", description="changing it draws other splits")
    validation: Fraction = Field(0.1, description="share of speakers held out of training to choose a checkpoint")
    eval: Fraction = Field(0.2, description="share of speakers that only evaluation sees")

    @model_validator(mode="after")
    def _leaves_training(self) -> "Splits":
        if self.validation + self.eval >= 1:
            raise ValueError("validation + eval must leave a share of the speakers for training")
        return self


class AudioChecks(Strict):
    """When a recording is set aside (excluded.parquet, with its reason), and when too many are."""

    min_duration_s: PositiveFloat = Field(1.0, description="a shorter recording is set aside")
    silence_dbfs: float = Field(-60.0, description="a recording whose RMS level is below this is silent")
    max_excluded_share: Fraction = Field(0.05, description="a larger share set aside stops the run")


class _Corpus(Strict):
    splits: Splits = Field(Splits(), description="which speakers are held out")


class _AudioCorpus(_Corpus):
    audio: AudioChecks = Field(AudioChecks(), description="when a recording is set aside")
    encoding_parts: PositiveInt = Field(1, description="jobs that encoding is divided into (per representation)")


class LibriSpeech(_AudioCorpus):
    """LibriSpeech in its own layout: an existing tree (`root`), or downloaded (`url` and `checksum`)."""

    kind: Literal["librispeech"]
    subset: str = Field("train-clean-100", pattern=r"^[a-z0-9-]+$", description="folder of the subset")
    root: str | None = Field(None, description="folder that holds SPEAKERS.TXT and the subset's folder")
    url: str | None = Field(None, pattern=r"^https?://", description="address of the subset's .tar.gz")
    checksum: str | None = Field(
        None, pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$", description="md5:... or sha256:... of the archive"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "LibriSpeech":
        if (self.root is None) == (self.url is None):
            raise ValueError("give either root (an existing tree) or url (to download it), not both and not neither")
        if (self.url is None) != (self.checksum is None):
            raise ValueError("url and checksum go together: a download is never used unverified")
        return self


class Folder(_AudioCorpus):
    """Any folder of audio files (.wav, .flac, .ogg, .mp3, .opus); a file's parent folder names its speaker."""

    kind: Literal["folder"]
    root: str = Field(description="folder of the recordings, at any depth")


class Demo(_AudioCorpus):
    """Sentences of our own, spoken offline by espeak-ng voices. No download."""

    kind: Literal["demo"]
    n_speakers: int = Field(24, ge=4, le=48, description="voices, women and men in turn")
    sentences_per_speaker: int = Field(20, ge=1, le=60, description="recordings of each")


class Latents(_Corpus):
    """Bring your own latents, without audio."""

    kind: Literal["latents"]
    index: str = Field(description="CSV with columns utterance_id, speaker_id, path of a (T, D) float .npy")
    frame_rate_hz: PositiveFloat = Field(description="frames a second of these latents")


class Synthetic(_Corpus):
    """Speakers and utterances without audio, for representations that are drawn from a known process."""

    kind: Literal["synthetic"]
    n_speakers: int = Field(60, ge=3, description="all draw from the same process")
    utterances_per_speaker: PositiveInt = Field(4, description="utterances of each; every one starts anew")
    frames_per_utterance: PositiveInt = Field(200, description="length of an utterance")
    frame_rate_hz: PositiveFloat = Field(12.5, description="how many frames are said to be a second")


Corpus = Annotated[LibriSpeech | Folder | Demo | Latents | Synthetic, Field(discriminator="kind")]
