"""The configuration: strict models of everything a user can write in `config/*.yaml`.

Read by the Snakefile alone. Rules hand each step the part it needs as canonical JSON, so that editing this
module, or a setting that a step does not use, re-runs nothing. `config/schema.json` is generated from here:
`python -m latentdyn.config > config/schema.json`.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from latentdyn.errors import UserError
from latentdyn.files import canonical_json

SCHEMA_VERSION = 1

# Names become folders of results/, so they are kept to what every file system and shell takes unquoted.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=64)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Split = Literal["train", "validation", "eval"]
Slice = Literal["all", "high_energy", "utterance_medial"]


class Strict(BaseModel):
    """A section of the config: unknown keys are refused, nothing is coerced silently, nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())

    def canonical(self) -> str:
        """The section as canonical JSON: what a rule passes to its step and what triggers a re-run."""
        return canonical_json(self.model_dump(mode="json"))


def _no_duplicates(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("lists the same entry twice")
    return values


Names = Annotated[list[Name], Field(min_length=1), AfterValidator(_no_duplicates)]
Horizons = Annotated[list[PositiveInt], Field(min_length=1), AfterValidator(_no_duplicates), AfterValidator(sorted)]


# ---------------------------------------------------------------------------------------------------- corpora


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
    sentences_per_speaker: int = Field(20, ge=1, le=60, description="a recording each")


class Latents(_Corpus):
    """Bring your own latents, without audio."""

    kind: Literal["latents"]
    index: str = Field(description="CSV with columns utterance_id, speaker_id, path of a (T, D) float .npy")
    frame_rate_hz: PositiveFloat = Field(description="frames a second of these latents")


Corpus = Annotated[LibriSpeech | Folder | Demo | Latents, Field(discriminator="kind")]


# -------------------------------------------------------------------------------------------- representations


class _Representation(Strict):
    dtype: Literal["float32", "float16"] = Field("float32", description="how latents are stored")


class Mimi(_Representation):
    """Mimi's encoder without its quantizer: 512 dimensions at 12.5 Hz."""

    kind: Literal["mimi"]
    checkpoint: str = Field("kyutai/mimi", description="hub id, or a local folder with config.json and weights")
    revision: str | None = Field(None, description="commit of the hub repository; required for a hub id")
    tile_s: PositiveFloat = Field(2.56, description="long clips are encoded in causal tiles of this length")


class EnCodec(_Representation):
    """EnCodec's encoder without its quantizer: 128 dimensions at 75 Hz."""

    kind: Literal["encodec"]
    checkpoint: str = Field("facebook/encodec_24khz", description="hub id, or a local folder")
    revision: str | None = Field(None, description="commit of the hub repository; required for a hub id")
    tile_s: PositiveFloat = Field(2.56, description="long clips are encoded in causal tiles of this length")


class SoundStream(_Representation):
    """Lyra v1.2.0's SoundStream encoder (TFLite): 64 dimensions at 50 Hz."""

    kind: Literal["soundstream"]
    folder: str = Field(description="holds soundstream_encoder.tflite and lyragan.tflite")


class LogMel(_Representation):
    """Log-mel spectrum: the classical reference that needs no download."""

    kind: Literal["logmel"]
    sample_rate_hz: PositiveInt = Field(16000, description="recordings are resampled to it")
    hop_samples: PositiveInt = Field(1280, description="1280 at 16 kHz is 12.5 Hz")
    fft_samples: PositiveInt = Field(1280, description="length of the window, at least hop_samples")
    n_mels: PositiveInt = Field(64, description="mel bands: the latent's dimension")
    floor_db: float = Field(-80.0, description="noise floor added to every band, dB re a full-scale sine")


class Pooled(_Representation):
    """Another representation, mean-pooled in time to a lower frame rate."""

    kind: Literal["pooled"]
    source: Name = Field(description="name of the representation to pool")
    frame_rate_hz: PositiveFloat = Field(description="the source's rate divided by a whole number")


class Provided(_Representation):
    """The latents that a corpus of kind `latents` brings."""

    kind: Literal["provided"]


Representation = Annotated[Mimi | EnCodec | SoundStream | LogMel | Pooled | Provided, Field(discriminator="kind")]
Encoder = Mimi | EnCodec | SoundStream | LogMel


# ------------------------------------------------------------------------------------------------- predictors


class Training(Strict):
    """Teacher-forced maximum likelihood by AdamW (seed 001, Appendix B)."""

    steps: PositiveInt = Field(25000, description="parameter updates")
    batch_size: PositiveInt = Field(256, description="frames in a step")
    learning_rate: PositiveFloat = Field(1e-3, description="AdamW's step size, constant")
    weight_decay: NonNegativeFloat = Field(1e-4, description="AdamW's decoupled decay")
    gradient_clip_norm: PositiveFloat = Field(1.0, description="gradients are scaled down to this norm")
    validate_every_steps: PositiveInt = Field(500, description="a point of the held-out curve")
    select: Literal["best_validation", "last"] = Field(
        "best_validation", description="which step's weights are kept; best_validation uses held-out training speakers"
    )
    patience_validations: PositiveInt | None = Field(
        None, description="stop after this many validations without a new best; null trains all steps"
    )


class _Predictor(Strict):
    closed_form: ClassVar[bool] = False  # draws nothing: every seed would give the same

    window_frames: PositiveInt = Field(8, description="W: frames of context")
    horizons: Horizons = Field([1, 2, 4, 8], description="k: staleness of the context, in frames")


class MDN(_Predictor):
    """Mixture density network (seed 001 §2.4): an MLP whose head is a mixture of diagonal Gaussians over the delta."""

    kind: Literal["mdn"]
    target_axes: Literal["natural", "principal"] = Field(
        "natural",
        description="axes in which each component is diagonal: the latents' own (seed 001), or the principal axes of "
        "the training deltas",
    )
    n_components: PositiveInt = Field(8, description="K: Gaussians in the mixture")
    hidden_width: PositiveInt = Field(1024, description="units of a hidden layer")
    hidden_layers: PositiveInt = Field(2, description="hidden layers, GELU")
    dropout: Fraction = Field(0.0, description="after each hidden layer")
    log_sigma_min: float = Field(-5.0, description="clamp of log sigma, in units of the training deltas' deviation")
    log_sigma_max: float = Field(3.0, description="upper end of that clamp")
    training: Training = Field(Training(), description="how it is fitted")

    @model_validator(mode="after")
    def _ordered_clamp(self) -> "MDN":
        if self.log_sigma_min >= self.log_sigma_max:
            raise ValueError("log_sigma_min must be below log_sigma_max")
        return self


class LinearGaussian(_Predictor):
    """Closed-form linear regression of the delta on the context, with a Gaussian residual."""

    closed_form: ClassVar[bool] = True

    kind: Literal["linear_gaussian"]
    covariance: Literal["diagonal", "full"] = Field("full", description="form of the residual's covariance")
    ridges: Annotated[list[NonNegativeFloat], Field(min_length=1)] = Field(
        [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
        description="candidates, in units of the mean context variance; validation speakers choose",
    )


Predictor = Annotated[MDN | LinearGaussian, Field(discriminator="kind")]


# ----------------------------------------------------------------------------------------- evaluation, tables


class Evaluation(Strict):
    """How a trained predictor is scored."""

    max_frames: PositiveInt = Field(200_000, description="frames scored in each split; a larger split is subsampled")
    rollout_frames: PositiveInt = Field(
        4096, description="frames of each split whose context is generated by the model"
    )
    bootstrap_resamples: PositiveInt = Field(1000, description="resamples of the speakers for 95 % intervals")
    worst_frames: NonNegativeInt = Field(20, description="frames of highest NLL listed for each split and horizon")


LaggedColumn = Literal[
    "representation", "predictor", "split", "slice", "k", "n", "speakers", "nll", "nll_baseline", "dnll", "dnll_ci_low",
    "dnll_ci_high", "dnll_median", "dnll_trimmed", "dnll_per_dim", "bits_per_frame", "kbit_per_s", "level_gain",
    "cosine", "cosine_ci_low", "cosine_ci_high", "r2_mean", "r2_head", "rollout_gap", "rollout_gap_median",
    "rollout_overflow", "nonfinite", "frame_rate_hz", "dim", "ms_per_step", "seeds", "dnll_seed_sd", "published_dnll",
    "published_cosine", "published_r2", "published_rollout_gap",
]  # fmt: skip

LAGGED_COLUMNS: list[LaggedColumn] = [
    "representation", "predictor", "split", "k", "n", "nll", "nll_baseline", "dnll", "dnll_ci_low", "dnll_ci_high",
    "dnll_median", "dnll_per_dim", "bits_per_frame", "kbit_per_s", "level_gain", "cosine", "r2_mean", "r2_head",
    "rollout_gap", "rollout_gap_median", "rollout_overflow", "ms_per_step", "seeds", "published_dnll",
    "published_cosine",
]  # fmt: skip


class LaggedTable(Strict):
    """Phase 1 (seed 001): a row for each representation, predictor, split, slice and horizon."""

    kind: Literal["lagged"]
    corpora: Names = Field(description="a table is made for each")
    representations: Names = Field(description="rows, in this order")
    predictors: Names = Field(description="rows; they share window_frames and the longest horizon")
    horizons: Horizons = Field([1, 2, 4, 8], description="rows; each predictor must be trained at them")
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1), AfterValidator(_no_duplicates)] = Field(
        [0], description="training runs that a row averages"
    )
    splits: Annotated[list[Split], Field(min_length=1), AfterValidator(_no_duplicates)] = Field(
        ["train", "eval"], description="rows"
    )
    slices: Annotated[list[Slice], Field(min_length=1), AfterValidator(_no_duplicates)] = Field(
        ["all"], description="rows; high_energy needs audio"
    )
    columns: Annotated[list[LaggedColumn], Field(min_length=1), AfterValidator(_no_duplicates)] = Field(
        LAGGED_COLUMNS, description="columns, in this order"
    )


Table = LaggedTable


class Config(Strict):
    """The whole configuration."""

    schema_version: Literal[1] = Field(description="of the configuration's form")
    corpora: dict[Name, Corpus] = Field(description="speech, by name")
    representations: dict[Name, Representation] = Field(description="encoders and what derives from them, by name")
    predictors: dict[Name, Predictor] = Field(description="models of the next step, by name")
    tables: Annotated[dict[Name, Table], Field(min_length=1)] = Field(description="what a run makes, by name")
    evaluation: Evaluation = Field(Evaluation(), description="how every predictor is scored")

    @model_validator(mode="after")
    def _names_resolve(self) -> "Config":
        for name, representation in self.representations.items():
            if isinstance(representation, Pooled):
                self._check_pooling(name)
            if isinstance(representation, (Mimi, EnCodec)):
                _check_revision(f"representations.{name}", representation)
        for name, table in self.tables.items():
            self._check_table(f"tables.{name}", table)
        return self

    def _check_pooling(self, name: str) -> None:
        chain = [name]
        while isinstance(node := self.representations.get(chain[-1]), Pooled):
            if node.source in chain:
                raise ValueError(f"representations.{name}.source: goes round in a circle ({' -> '.join(chain)})")
            chain.append(node.source)
        if node is None:
            raise ValueError(f"representations.{chain[-2]}.source: no representation is named '{chain[-1]}'")

    def _check_table(self, where: str, table: Table) -> None:
        for key in ("corpora", "representations", "predictors"):
            for name in getattr(table, key):
                if name not in getattr(self, key):
                    known = ", ".join(sorted(getattr(self, key))) or "none"
                    raise ValueError(f"{where}.{key}: '{name}' is not defined (defined: {known})")
        for corpus in table.corpora:
            for name in table.representations:
                brought = isinstance(self.root_representation(name), Provided)
                if brought != isinstance(self.corpora[corpus], Latents):
                    raise ValueError(
                        f"{where}: corpus '{corpus}' (kind {self.corpora[corpus].kind}) cannot give representation "
                        f"'{name}': kind provided goes with corpora of kind latents, every codec with audio"
                    )
        frames = {(p.window_frames, max(p.horizons)): n for n, p in self.predictors.items() if n in table.predictors}
        if len(frames) > 1:
            raise ValueError(
                f"{where}.predictors: {' and '.join(frames.values())} differ in window_frames or in their longest "
                "horizon, so their rows would be measured on different frames"
            )
        for name in table.predictors:
            missing = sorted(set(table.horizons) - set(self.predictors[name].horizons))
            if missing:
                raise ValueError(f"{where}.horizons: predictor '{name}' is not trained at k = {missing}")

    def root_representation(self, name: str) -> "Encoder | Provided":
        """The encoder (or provided latents) at the start of a chain of derived representations."""
        node = self.representations[name]
        while isinstance(node, Pooled):
            node = self.representations[node.source]
        return node


def _check_revision(where: str, codec: Mimi | EnCodec) -> None:
    is_hub_id = re.fullmatch(r"[\w.-]+/[\w.-]+", codec.checkpoint) and not Path(codec.checkpoint).is_dir()
    if is_hub_id and codec.revision is None:
        raise ValueError(
            f"{where}.revision: pin the commit of '{codec.checkpoint}', or results cannot be told from those of "
            "other weights"
        )


def load_config(values: dict[str, Any]) -> Config:
    """Validate a merged configuration.

    Raises:
        UserError: names each mistake by its dotted path.
    """
    try:
        return Config.model_validate_json(json.dumps(values))
    except ValidationError as error:
        mistakes = "; ".join(_describe(mistake) for mistake in error.errors())
        raise UserError(
            f"the configuration is not valid: {mistakes}",
            "the merged config (config/config.yaml and every --configfile, --config)",
            "correct the keys named above; config/README.md lists every key",
        ) from None


def _describe(mistake: Any) -> str:
    place = list(mistake["loc"])
    if len(place) >= 3 and place[0] in {"corpora", "representations", "predictors"}:
        del place[2]  # pydantic puts the chosen member of a union (its kind) there, where the user has written no key
    dotted = ".".join(str(part) for part in place)
    message = "unknown key" if mistake["type"] == "extra_forbidden" else mistake["msg"].removeprefix("Value error, ")
    return f"{dotted}: {message}" if dotted else message


def json_schema() -> str:
    return json.dumps(Config.model_json_schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")
