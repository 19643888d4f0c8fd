"""The configuration: strict models of everything a user can write in `config/*.yaml`.

Read by the Snakefile alone. Rules hand each step the part it needs as canonical JSON, so that editing this
module, or a setting that a step does not use, re-runs nothing. `config/schema.json` is generated from here:
`python -m latentdyn.config > config/schema.json`.
"""

import json
import re
from functools import cached_property
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
# Two underscores in a row are kept for names that follow from others: soundstream__shuffled, mdn__unconditional.
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$", max_length=64)]
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


SurrogateMethod = Literal["shuffled", "white", "phase_randomised", "time_reversed"]


class Surrogate(_Representation):
    """Another representation with some of its structure destroyed: what remains predictable is not that structure."""

    kind: Literal["surrogate"]
    source: Name = Field(description="name of the representation")
    method: SurrogateMethod = Field(description="what is kept and what is destroyed")


class Outliers(_Representation):
    """Another representation with a few of its frames scaled up, to see which numbers a handful of frames moves."""

    kind: Literal["outliers"]
    source: Name = Field(description="name of the representation")
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        1e-4, description="probability that a frame of the affected speakers is one"
    )
    factor: float = Field(1e3, description="what multiplies these frames")
    splits: Annotated[list[Split], Field(min_length=1), AfterValidator(_no_duplicates)] = Field(
        ["eval"], description="whose speakers are affected"
    )


class _Process(_Representation):
    """A random process whose exact predictability is known."""

    dim: PositiveInt = Field(16, description="dimensions")
    seed: NonNegativeInt = Field(0, description="draws the process's own parameters, and its utterances")


class VAR(_Process):
    """Gaussian VAR(1), x_t = A x_{t-1} + e_t, A a scaled rotation; at radius 0 white noise, above 1 unstable."""

    kind: Literal["var"]
    radius: NonNegativeFloat = Field(
        0.9, description="spectral radius of A: 0 is white noise, above 1 grows without bound"
    )
    noise: Literal["isotropic", "correlated"] = Field("isotropic", description="covariance of e")


class Jumps(_Process):
    """Steps of either sign along a direction that the context gives: no mean, much information."""

    kind: Literal["jumps"]
    amplitude: PositiveFloat = Field(4.0, description="a: length of the jump")
    noise: PositiveFloat = Field(0.5, description="s: deviation of each dimension's noise")


class ScaleMixture(_Process):
    """Steps whose size varies and that no context foretells."""

    kind: Literal["scale_mixture"]
    sd: PositiveFloat = Field(0.45, description="deviation of the logarithm of the size")


class Prototypes(_Process):
    """A cycle of prototype steps, with noise."""

    kind: Literal["prototypes"]
    n_prototypes: int = Field(16, ge=2, description="K: length of the cycle")
    separation: PositiveFloat = Field(
        4.0, description="deviation of each dimension of the anchors that the cycle visits"
    )
    noise: PositiveFloat = Field(1.0, description="deviation of each dimension about an anchor")


class VMFSteps(_Process):
    """Steps of von Mises-Fisher direction and log-normal length, towards the origin on average."""

    kind: Literal["vmf_steps"]
    dim: int = Field(16, ge=2, description="dimensions")
    kappa: PositiveFloat = Field(40.0, description="concentration of the direction")
    mu_logm: float = Field(0.0, description="mean of the logarithm of the length")
    sigma: PositiveFloat = Field(0.3, description="deviation of the logarithm of the length")


class Switching(_Process):
    """Two linear systems, one of which a fair coin picks at every frame."""

    kind: Literal["switching"]
    n_regimes: int = Field(2, ge=2, description="how many, equally likely")
    radius: Annotated[float, Field(gt=0, lt=1)] = Field(0.9, description="spectral radius of each")
    noise: PositiveFloat = Field(1.0, description="deviation of each dimension's noise")


Process = VAR | Jumps | ScaleMixture | Prototypes | VMFSteps | Switching
Encoder = Mimi | EnCodec | SoundStream | LogMel
Derived = Pooled | Surrogate | Outliers
Representation = Annotated[Encoder | Provided | Process | Derived, Field(discriminator="kind")]


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


class NoNetwork(Strict):
    """No context at all: the head by itself."""

    kind: Literal["none"]


class LinearNetwork(Strict):
    """One affine map of the flattened context."""

    kind: Literal["linear"]


class MLPNetwork(Strict):
    """Hidden layers over the flattened context (seed 001 §2.4)."""

    kind: Literal["mlp"]
    width: PositiveInt = Field(1024, description="units of a hidden layer")
    layers: PositiveInt = Field(2, description="hidden layers, GELU")
    dropout: Fraction = Field(0.0, description="after each hidden layer")


class TransformerNetwork(Strict):
    """Causal self-attention over the frames of the context."""

    kind: Literal["transformer"]
    width: PositiveInt = Field(256, description="numbers of a token; a multiple of heads")
    layers: PositiveInt = Field(2, description="blocks")
    heads: PositiveInt = Field(4, description="attention heads of a block")
    dropout: Fraction = Field(0.0, description="within each block")

    @model_validator(mode="after")
    def _divides(self) -> "TransformerNetwork":
        if self.width % self.heads:
            raise ValueError("width must be a multiple of heads")
        return self


Network = Annotated[NoNetwork | LinearNetwork | MLPNetwork | TransformerNetwork, Field(discriminator="kind")]


class _Predictor(Strict):
    closed_form: ClassVar[bool] = False  # draws nothing: every seed would give the same

    window_frames: PositiveInt = Field(8, description="W: frames of context")
    horizons: Horizons = Field([1, 2, 4, 8], description="k: staleness of the context, in frames")

    def unconditional(self) -> "Predictor | None":
        """The same density without a context, the reference of the context gain; None where this is one.

        It is fitted once, at the longest horizon: on the frames that all horizons share.
        """
        raise NotImplementedError  # abstract


class _NetworkPredictor(_Predictor):
    network: Network = Field(MLPNetwork(kind="mlp"), description="reads the context")
    context_normalisation: Literal["standard", "deltas", "none"] = Field(
        "standard",
        description="the context in deviations of the training frames; as the newest frame like that and the steps "
        "between the older ones in deviations of the training deltas; or as it is",
    )
    context_clip: PositiveFloat | None = Field(None, description="normalised contexts are clamped to plus, minus this")
    training: Training = Field(Training(), description="how it is fitted")

    def unconditional(self) -> "Predictor | None":
        if isinstance(self.network, NoNetwork):
            return None
        return self.model_copy(update={"network": NoNetwork(kind="none"), "horizons": self.horizons[-1:]})  # type: ignore[return-value]


class MDN(_NetworkPredictor):
    """Mixture density network (seed 001 §2.4): a network whose head is a mixture over the delta."""

    kind: Literal["mdn"]
    target_axes: Literal["natural", "principal"] = Field(
        "natural",
        description="axes in which each component is diagonal: the latents' own (seed 001), or the principal axes of "
        "the training deltas",
    )
    components: Literal["gaussian", "student_t"] = Field("gaussian", description="student_t has heavier tails")
    n_components: PositiveInt = Field(8, description="K: components of the mixture")
    log_sigma_min: float = Field(
        -5.0, description="lower clamp of log sigma, in units of the training deltas' deviation along those axes"
    )
    log_sigma_max: float = Field(3.0, description="upper clamp of log sigma")

    @model_validator(mode="after")
    def _ordered_clamp(self) -> "MDN":
        if self.log_sigma_min >= self.log_sigma_max:
            raise ValueError("log_sigma_min must be below log_sigma_max")
        return self


class VMFLogNormal(_NetworkPredictor):
    """Direction from a von Mises-Fisher law, length from a log-normal one (seed 003 §1.1, seed 004 §4)."""

    kind: Literal["vmf_lognormal"]
    kappa_depends_on_magnitude: bool = Field(False, description="let long steps have another concentration")
    mu_logm_min: float = Field(-5.0, description="lower clamp of the mean log length (seed 003 §1.2)")
    mu_logm_max: float = Field(12.0, description="upper clamp of the mean log length (seed 003 §1.2)")
    log_sigma_min: float = Field(
        -5.0, description="lower clamp of log sigma, sigma being the deviation of the log length"
    )
    log_sigma_max: float = Field(0.7, description="upper clamp of log sigma (seed 003 §1.2)")
    log_kappa_min: float = Field(-5.0, description="lower clamp of log kappa, the direction's concentration")
    log_kappa_max: float = Field(12.0, description="upper clamp of log kappa")

    @model_validator(mode="after")
    def _ordered_clamps(self) -> "VMFLogNormal":
        for name in ("mu_logm", "log_sigma", "log_kappa"):
            if getattr(self, f"{name}_min") >= getattr(self, f"{name}_max"):
                raise ValueError(f"{name}_min must be below {name}_max")
        return self


class Flow(_NetworkPredictor):
    """Conditional normalising flow over the delta (coupling layers)."""

    kind: Literal["flow"]
    target_axes: Literal["natural", "principal"] = Field(
        "natural", description="axes whose halves transform each other, as for mdn"
    )
    univariate: Literal["affine", "spline"] = Field("spline", description="maps of one dimension; affine is far faster")
    transforms: PositiveInt = Field(3, description="coupling layers")
    hidden_width: PositiveInt = Field(128, description="units of a hidden layer within a coupling layer")
    hidden_layers: PositiveInt = Field(2, description="hidden layers within a coupling layer")
    features: PositiveInt = Field(
        64, description="numbers that the network makes of the context, to condition the flow"
    )
    mean_samples: PositiveInt = Field(16, description="draws, in pairs, that estimate its mean")


class LinearGaussian(_Predictor):
    """Closed-form linear regression of the delta on the context, with a Gaussian residual."""

    closed_form: ClassVar[bool] = True

    kind: Literal["linear_gaussian"]
    covariance: Literal["diagonal", "full"] = Field("full", description="form of the residual's covariance")
    ridges: Annotated[list[NonNegativeFloat], Field(min_length=1)] = Field(
        [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
        description="candidates, in units of the mean context variance; validation speakers choose",
    )

    def unconditional(self) -> "Predictor | None":
        return Gaussian(
            kind="gaussian", covariance=self.covariance, window_frames=self.window_frames, horizons=self.horizons[-1:]
        )


class AR1(_Predictor):
    """Each dimension regressed on its own newest known value."""

    closed_form: ClassVar[bool] = True

    kind: Literal["ar1"]

    def unconditional(self) -> "Predictor | None":
        return Gaussian(kind="gaussian", window_frames=self.window_frames, horizons=self.horizons[-1:])


class Gaussian(_Predictor):
    """One Gaussian for every step, whatever the context."""

    closed_form: ClassVar[bool] = True

    kind: Literal["gaussian"]
    covariance: Literal["diagonal", "full"] = Field("diagonal", description="form of the covariance")
    mean: Literal["fitted", "zero"] = Field("fitted", description="zero is persistence: the next frame is this one")

    def unconditional(self) -> "Predictor | None":
        return None


Predictor = Annotated[MDN | VMFLogNormal | Flow | LinearGaussian | AR1 | Gaussian, Field(discriminator="kind")]


# ----------------------------------------------------------------------------------------- evaluation, tables


class Evaluation(Strict):
    """How a trained predictor is scored."""

    max_frames: PositiveInt = Field(200_000, description="frames scored in each split; a larger split is subsampled")
    rollout_frames: PositiveInt = Field(
        4096, description="frames of each split whose context is generated by the model"
    )
    bootstrap_resamples: PositiveInt = Field(1000, description="resamples of the speakers for 95 % intervals")
    worst_frames: NonNegativeInt = Field(20, description="frames of highest NLL listed for each split and horizon")
    principal_dims: Annotated[list[PositiveInt], AfterValidator(_no_duplicates), AfterValidator(sorted)] = Field(
        [8],
        description="m: R² of the delta and variance ratios of clusters are also taken along the first m principal "
        "axes of the training deltas",
    )


class Injection(Strict):
    """Forecasts of a few steps into which truth is injected or not (seed 003 §1.2)."""

    splits: Annotated[list[Split], Field(min_length=1), AfterValidator(_no_duplicates)] = Field(
        ["train", "eval"], description="where segments are drawn from"
    )
    utterances: PositiveInt = Field(16, description="of each split, drawn among those that are long enough")
    segments: PositiveInt = Field(8, description="of each of these utterances")
    steps: PositiveInt = Field(16, description="of a forecast")
    injected_steps_b: Horizons = Field([4, 8, 12], description="steps at which mode B is given the truth")
    draws: NonNegativeInt = Field(8, description="sampled forecasts of a segment; 0 leaves them out")
    temperature: PositiveFloat = Field(1.0, description="of these draws; below 1 they keep closer to the likeliest")

    @model_validator(mode="after")
    def _within_the_forecast(self) -> "Injection":
        if max(self.injected_steps_b) > self.steps:
            raise ValueError("injected_steps_b must be at most steps")
        return self


class Generation(Strict):
    """Long free runs: bounded, and like the data?"""

    split: Split = Field("eval", description="whose contexts runs start from, and what they are compared with")
    runs: PositiveInt = Field(64, description="free runs, each from a context of its own")
    steps: int = Field(256, ge=9, description="frames of a run")
    at_steps: Horizons = Field([1, 16, 64, 256], description="steps at which energy and step length are told")
    temperature: PositiveFloat = Field(1.0, description="of the draws")
    max_frames: PositiveInt = Field(20_000, description="frames of the data to compare with")

    @model_validator(mode="after")
    def _within_the_run(self) -> "Generation":
        if max(self.at_steps) > self.steps:
            raise ValueError("at_steps must be at most steps")
        return self


class Compute(Strict):
    """Where rules that ask for a GPU run, and in which arithmetic."""

    require_gpu: bool = Field(False, description="such a rule fails without a GPU, instead of taking the CPU")
    float32_matmul: Literal["highest", "high", "medium"] = Field(
        "highest", description="matrix products on a GPU: float32; TF32 (high) or bfloat16 (medium) where it is faster"
    )


class Clustering(Strict):
    """How every key is clustered and scored (Phase 0)."""

    window_frames: PositiveInt = Field(8, description="W: frames of context, the newest x_{t-1}")
    longest_horizon: PositiveInt = Field(
        8, description="the frames are those of predictors with this W and this longest k, so that rows compare"
    )
    cluster_counts: Horizons = Field([64, 128, 256, 512, 1024], description="numbers of clusters of k-means")
    min_cluster_frames: PositiveInt = Field(20, description="a cluster with fewer training frames is left out")
    variance_prior_frames: PositiveFloat = Field(
        20.0, description="frames that the variance of all steps counts for in that of a cluster"
    )
    permutations: int = Field(10, ge=2, description="permutations of the labels: the random baseline")
    kmeans_iterations: PositiveInt = Field(25, description="iterations of Lloyd's algorithm")
    kmeans_restarts: PositiveInt = Field(3, description="runs of k-means, the best of which is kept")
    kmeans_frames_per_cluster: PositiveInt = Field(
        256, description="at most so many frames a cluster fit the centroids"
    )


class MeanPoolKey(Strict):
    """k-means of the mean of the context's frames."""

    kind: Literal["mean_pool"]


class PCAKey(Strict):
    """k-means of the context's principal components."""

    kind: Literal["pca"]
    dims: PositiveInt = Field(16, description="components kept")


class LearnedKey(Strict):
    """k-means of what a reduced-rank regression of the step on the context predicts."""

    kind: Literal["learned"]
    dims: PositiveInt = Field(16, description="rank of the regression")
    ridges: Annotated[list[PositiveFloat], Field(min_length=1)] = Field(
        [1e-3, 1e-2, 1e-1, 1.0],
        description="candidates, beside context variances of 1; validation speakers choose",
    )


class PCABinsKey(Strict):
    """Quartiles of the context's first principal components: 4^dims labels."""

    kind: Literal["pca_bins"]
    dims: int = Field(3, ge=1, le=6, description="components binned")


Key = Annotated[MeanPoolKey | PCAKey | LearnedKey | PCABinsKey, Field(discriminator="kind")]


LaggedColumn = Literal[
    "representation", "predictor", "split", "slice", "k", "n", "speakers", "nll", "nll_baseline", "dnll", "dnll_ci_low",
    "dnll_ci_high", "dnll_median", "dnll_trimmed", "dnll_per_dim", "bits_per_frame", "kbit_per_s", "dnll_full",
    "dnll_full_ci_low", "dnll_full_ci_high", "context_gain", "context_gain_ci_low", "context_gain_ci_high",
    "level_gain", "level_gain_ci_low", "level_gain_ci_high", "cosine", "cosine_ci_low", "cosine_ci_high", "r2_delta",
    "r2_mean", "r2_head", "rollout_gap", "rollout_gap_median", "rollout_overflow", "spectral_radius", "unbounded",
    "nonfinite", "frame_rate_hz", "dim", "ms_per_step", "seeds", "dnll_seed_sd", "published_dnll", "published_cosine",
    "published_r2", "published_rollout_gap",
]  # fmt: skip

LAGGED_COLUMNS: list[LaggedColumn] = [
    "representation", "predictor", "split", "k", "n", "nll", "nll_baseline", "dnll", "dnll_ci_low", "dnll_ci_high",
    "dnll_median", "dnll_per_dim", "bits_per_frame", "kbit_per_s", "dnll_full", "context_gain", "context_gain_ci_low",
    "context_gain_ci_high", "level_gain", "cosine", "r2_delta", "r2_mean", "r2_head", "rollout_gap",
    "rollout_gap_median", "rollout_overflow", "ms_per_step", "seeds", "dnll_seed_sd", "published_dnll",
    "published_cosine",
]  # fmt: skip


Seeds = Annotated[list[NonNegativeInt], Field(min_length=1), AfterValidator(_no_duplicates)]
SplitRows = Annotated[list[Split], Field(min_length=1), AfterValidator(_no_duplicates)]
SliceRows = Annotated[list[Slice], Field(min_length=1), AfterValidator(_no_duplicates)]
SurrogateRows = Annotated[list[SurrogateMethod], AfterValidator(_no_duplicates)]


class _Table(Strict):
    corpora: Names = Field(description="a table is made for each")
    seeds: Seeds = Field([0], description="training runs that a row averages")


class _PredictorTable(_Table):
    representations: Names = Field(description="rows, in this order")
    surrogates: SurrogateRows = Field([], description="rows after those of each representation: its surrogates")
    predictors: Names = Field(description="rows; they share window_frames and the longest horizon")
    horizons: Horizons = Field([1, 2, 4, 8], description="rows; each predictor must be trained at them")
    splits: SplitRows = Field(["train", "eval"], description="rows")


class LaggedTable(_PredictorTable):
    """Phase 1 (seed 001): a row for each representation, predictor, split, slice and horizon."""

    kind: Literal["lagged"]
    slices: SliceRows = Field(["all"], description="rows; high_energy needs audio")
    columns: Annotated[list[LaggedColumn], Field(min_length=1), AfterValidator(_no_duplicates)] = Field(
        LAGGED_COLUMNS, description="columns, in this order"
    )


class PairedTable(_PredictorTable):
    """Differences between rows, with the interval of the difference: predictors, and surrogates against the real."""

    kind: Literal["paired"]
    metrics: Annotated[
        list[Literal["nll", "dnll", "dnll_full", "level_gain", "cosine"]],
        Field(min_length=1),
        AfterValidator(_no_duplicates),
    ] = Field(["dnll", "cosine"], description="what is compared")


class OutlierAuditTable(_PredictorTable):
    """What a few frames do to a mean: quantiles, trimmed means, the worst frames."""

    kind: Literal["outlier_audit"]


class _RolloutTable(_Table):
    representations: Names = Field(description="rows, in this order")
    surrogates: SurrogateRows = Field([], description="methods: rows beside those of each representation")
    predictors: Names = Field(description="rows; each is fitted at k = 1, and a ceiling is shown at its other horizons")
    splits: SplitRows = Field(["eval"], description="rows")


class InjectionTable(_RolloutTable):
    """Forecasts with and without injected truth, beside the ceiling (seed 003, Appendix A)."""

    kind: Literal["injection"]


class InjectionStepsTable(_RolloutTable):
    """The same, a row for each step."""

    kind: Literal["injection_steps"]


class StabilityTable(_RolloutTable):
    """Long free runs beside the data: bounded, moving, of the same distribution?"""

    kind: Literal["stability"]


class ClusteringTable(_Table):
    """Phase 0 (seed 000 §2, 001 §1): do clusters of contexts tell about the next step?"""

    kind: Literal["clustering"]
    representations: Names = Field(description="rows, in this order")
    surrogates: SurrogateRows = Field([], description="rows after those of each representation: its surrogates")
    keys: Names = Field(description="rows, in this order")
    predictors: Annotated[list[Name], AfterValidator(_no_duplicates)] = Field(
        [], description="further rows, at k = 1 on the same frames: what the whole context tells"
    )
    splits: SplitRows = Field(["eval"], description="rows")
    slices: SliceRows = Field(["all"], description="rows; high_energy needs audio")


class CalibrationTable(_Table):
    """The battery's own certificate: what it measures on known processes beside the exact values."""

    kind: Literal["calibration"]
    predictors: dict[Name, Name] = Field(description="of each process, a predictor that can represent it")
    keys: dict[Name, Names] = Field({}, description="of a process with clusters, the keys that are to find them")
    horizons: Horizons = Field([1, 2, 4, 8], description="k at which values are compared with exact ones")
    tolerance: Fraction = Field(0.02, description="of the exact value: near enough where the interval excludes it")

    @property
    def representations(self) -> list[str]:
        return list(dict.fromkeys([*self.predictors, *self.keys]))


Table = Annotated[
    InjectionTable
    | InjectionStepsTable
    | StabilityTable
    | LaggedTable
    | PairedTable
    | OutlierAuditTable
    | ClusteringTable
    | CalibrationTable,
    Field(discriminator="kind"),
]


class Config(Strict):
    """The whole configuration."""

    schema_version: Literal[1] = Field(description="of the configuration's form")
    corpora: dict[Name, Corpus] = Field(description="utterances and their speakers, by name")
    representations: dict[Name, Representation] = Field(
        description="encoders, known processes and what derives from them, by name"
    )
    predictors: dict[Name, Predictor] = Field({}, description="models of the next step, by name")
    keys: dict[Name, Key] = Field({}, description="coarse views of the context, by name")
    tables: Annotated[dict[Name, Table], Field(min_length=1)] = Field(description="what a run makes, by name")
    evaluation: Evaluation = Field(Evaluation(), description="how every predictor is scored")
    clustering: Clustering = Field(Clustering(), description="how every key is scored")
    compute: Compute = Field(Compute(), description="where, and in which arithmetic")
    injection: Injection = Field(Injection(), description="forecasts of a few steps")
    generation: Generation = Field(Generation(), description="long free runs")

    @model_validator(mode="after")
    def _names_resolve(self) -> "Config":
        for name, representation in self.representations.items():
            if isinstance(representation, Derived):
                self._check_sources(name)
            if isinstance(representation, (Mimi, EnCodec)):
                _check_revision(f"representations.{name}", representation)
        for name in self.predictors.keys() & self.keys.keys():
            raise ValueError(f"keys.{name}: a predictor has this name too, and rows of tables could not be told apart")
        for name, table in self.tables.items():
            self._check_table(f"tables.{name}", table)
        return self

    def _check_sources(self, name: str) -> None:
        chain = [name]
        while isinstance(node := self.representations.get(chain[-1]), Derived):
            if node.source in chain:
                raise ValueError(f"representations.{name}.source: goes round in a circle ({' -> '.join(chain)})")
            chain.append(node.source)
        if node is None:
            raise ValueError(f"representations.{chain[-2]}.source: no representation is named '{chain[-1]}'")

    def _check_table(self, where: str, table: Table) -> None:
        if isinstance(table, CalibrationTable):
            self._check_calibration(where, table)
        for key in ("corpora", "representations", "predictors", "keys"):
            for name in _named(getattr(table, key, [])):
                if name not in getattr(self, key):
                    known = ", ".join(sorted(getattr(self, key))) or "none"
                    raise ValueError(f"{where}.{key}: '{name}' is not defined (defined: {known})")
        for corpus in table.corpora:
            for name in table.representations:
                root, needed = self.root_representation(name), _CORPUS_OF.get(type(self.corpora[corpus]), Encoder)
                if not isinstance(root, needed):
                    raise ValueError(
                        f"{where}: corpus '{corpus}' (kind {self.corpora[corpus].kind}) cannot give representation "
                        f"'{name}': kind provided goes with corpora of kind latents, known processes with corpora of "
                        "kind synthetic, every codec with audio"
                    )
        if isinstance(table, CalibrationTable):
            return
        if isinstance(table, _RolloutTable):
            self._check_rollouts(where, table)
        scored = [(f"predictor '{n}'", p.window_frames, p.horizons[-1]) for n, p in self.predictors.items()
                  if n in table.predictors]  # fmt: skip
        if isinstance(table, ClusteringTable):
            scored.append(("clustering", self.clustering.window_frames, self.clustering.longest_horizon))
        if len({(window, longest) for _, window, longest in scored}) > 1:
            raise ValueError(
                f"{where}: {' and '.join(name for name, *_ in scored)} differ in window_frames or in their longest "
                "horizon, so their rows would be measured on different frames"
            )
        horizons = [1] if isinstance(table, (ClusteringTable, _RolloutTable)) else table.horizons
        for name in table.predictors:
            missing = sorted(set(horizons) - set(self.predictors[name].horizons))
            if missing:
                raise ValueError(f"{where}.horizons: predictor '{name}' is not trained at k = {missing}")

    def _check_calibration(self, where: str, table: "CalibrationTable") -> None:
        for section, names in (("predictors", table.predictors), ("keys", table.keys)):
            for name in names:
                if name not in self.representations:
                    raise ValueError(f"{where}.{section}.{name}: no representation is named '{name}'")
                process = self.representations[name]
                if isinstance(process, Outliers) and section == "predictors":
                    if table.predictors.get(process.source) != table.predictors[name]:
                        raise ValueError(
                            f"{where}.{section}.{name}: it is compared with '{process.source}', which must be listed "
                            "with the same predictor"
                        )
                    process = self.representations[process.source]
                if not isinstance(process, Process):
                    raise ValueError(f"{where}.{section}.{name}: not a process whose exact values are known")

    def _check_rollouts(self, where: str, table: "_RolloutTable") -> None:
        of_generation = isinstance(table, StabilityTable)
        section = "generation.split" if of_generation else "injection.splits"
        measured = {self.generation.split} if of_generation else set(self.injection.splits)
        missing = sorted(set(table.splits) - measured)
        if missing:
            raise ValueError(f"{where}.splits: {', '.join(missing)} not among {section}")

    @cached_property
    def all_representations(self) -> dict[str, "Representation"]:
        """The representations of the config, and the surrogates that tables ask for."""
        return self.representations | {
            f"{source}__{method}": Surrogate(kind="surrogate", source=source, method=method)
            for table in self.tables.values()
            for source in table.representations
            for method in getattr(table, "surrogates", [])
        }

    @cached_property
    def all_predictors(self) -> dict[str, "Predictor"]:
        """The predictors of the config, and the unconditional one beside each."""
        twins = {f"{name}__unconditional": predictor.unconditional() for name, predictor in self.predictors.items()}
        return self.predictors | {name: twin for name, twin in twins.items() if twin is not None}

    def rows(self, table: Table) -> list[str]:
        """The representations of a table, each followed by its surrogates."""
        methods = getattr(table, "surrogates", [])
        return [row for name in table.representations for row in (name, *(f"{name}__{method}" for method in methods))]

    def predictions(self, table: Table) -> list[tuple[str, str, int]]:
        """The (representation, predictor, seed) that a table's rows are measured with, unconditional ones included."""
        if isinstance(table, _RolloutTable):
            return []
        if isinstance(table, CalibrationTable):
            pairs = [(r, p) for r, p in table.predictors.items()]
        else:
            pairs = [(r, p) for r in self.rows(table) for p in table.predictors]
        found = []
        for representation, name in pairs:
            for predictor in (name, f"{name}__unconditional"):
                if predictor in self.all_predictors:
                    drawn = table.seeds[:1] if self.all_predictors[predictor].closed_form else table.seeds
                    found += [(representation, predictor, seed) for seed in drawn]
        return found

    def rollouts(self, table: Table) -> list[tuple[str, str, int]]:
        """The (representation, predictor, seed) whose forecasts or free runs a table shows."""
        if not isinstance(table, _RolloutTable):
            return []
        return [
            (representation, predictor, seed)
            for representation in self.rows(table)
            for predictor in table.predictors
            for seed in (table.seeds[:1] if self.predictors[predictor].closed_form else table.seeds)
        ]

    def clusterings(self, table: Table) -> list[tuple[str, str]]:
        """The (representation, key) that a table's rows are measured with."""
        if isinstance(table, CalibrationTable):
            return [(r, key) for r, keys in table.keys.items() for key in keys]
        return [(r, key) for r in self.rows(table) for key in getattr(table, "keys", [])]

    def derivation(self, name: str) -> list["Representation"]:
        """A representation, what it derives from, and so on to the encoder, process or provided latents."""
        chain = [self.all_representations[name]]
        while isinstance(chain[-1], Derived):
            chain.append(self.all_representations[chain[-1].source])
        return chain

    def root_representation(self, name: str) -> "Encoder | Provided | Process":
        """What stands at the start of a chain of derived representations."""
        return self.derivation(name)[-1]  # type: ignore[return-value]


_CORPUS_OF: dict[type, Any] = {Latents: Provided, Synthetic: Process}  # what a corpus gives, if not audio to encode


def _named(names: list[str] | dict[str, Any]) -> list[str]:
    """The names in a table's list, or in the values of its mapping."""
    if isinstance(names, dict):
        return [name for value in names.values() for name in ([value] if isinstance(value, str) else value)]
    return names


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
    if len(place) >= 3 and place[0] in {"corpora", "representations", "predictors", "keys", "tables"}:
        del place[2]  # pydantic puts the chosen member of a union (its kind) there, where the user has written no key
    if len(place) >= 4 and place[2] == "network":
        del place[3]  # and there
    dotted = ".".join(str(part) for part in place)
    message = "unknown key" if mistake["type"] == "extra_forbidden" else mistake["msg"].removeprefix("Value error, ")
    return f"{dotted}: {message}" if dotted else message


def json_schema() -> str:
    return json.dumps(Config.model_json_schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")
