"""`representations`: encoders, known processes, and what is derived from them.

A family of kinds (encoders, provided latents, processes, derived latents) says what its stores are made from and by
which modules. A kind of a family adds its settings.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Field,
    PositiveFloat,
    field_validator,
    model_validator,
)

from latentdyn.config.corpora import CorpusKind, Source
from latentdyn.config.mel import most_bands
from latentdyn.config.mistakes import alike
from latentdyn.config.shapes import Shape
from latentdyn.config.values import FrameRate, Name, Split, Strict, no_duplicates
from latentdyn.families import CODECS, PROCESSES, TRANSFORMS, Family
from latentdyn.rates import whole_factor

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class RepresentationKind(Strict):
    """A sequence of latents for each utterance."""

    made_from: ClassVar[Source | Literal["representation"]]  # what a corpus must give, or another representation
    family: ClassVar[Family]  # of the modules that make the latents
    needs_gpu: ClassVar[bool] = False
    has_inverse: ClassVar[bool] = True  # frames lead back to what they were made from, if not exactly

    kind: str  # each kind's own word
    dtype: Literal["float32", "float16"] = Field("float32", description="how latents are stored")

    @property
    def module(self) -> str:
        """The module that makes these latents."""
        return self.family.module(self.kind)

    def weights(self) -> list[Path]:
        """The local files that the latents depend on, as far as they exist."""
        return []

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        """What is known of its latents before they are made.

        Args:
            corpus: that they are of; None for what is the same of every corpus.

        Raises:
            ValueError: it cannot be made of such latents. The text begins with the dotted path that is to blame.
        """
        return Shape()

    def check(self, where: str, config: "Root") -> None:
        """Check what a kind alone cannot know.

        Args:
            where: dotted path of this entry.

        Raises:
            ValueError: what the entry names is not defined, or does not fit.
        """


class Encoder(RepresentationKind):
    """Latents that a codec's encoder makes of audio."""

    made_from = "audio"
    family = CODECS
    has_quantizer: ClassVar[bool] = False  # of its own, for its latents


class HubEncoder(Encoder):
    """An encoder whose weights come from the Hugging Face hub or a local folder."""

    needs_gpu = True
    weights_patterns: ClassVar = ("config.json", "*.safetensors", "*.safetensors.index.json")

    published: ClassVar[tuple[str, Shape]]  # the checkpoint that is known, and what its latents are

    checkpoint: str
    revision: str | None = Field(None, description="commit of the hub's repository; required for a hub id")
    tile_s: PositiveFloat = Field(
        2.56,
        description="long clips are encoded in tiles of this length. The latents do not depend on it; memory "
        "and speed do",
    )
    untrained: bool = Field(
        False,
        description="random weights in the architecture of the checkpoint (of a folder with config.json, or the "
        "default one of its kind): for tests. No table shows numbers of it unless the table says `untrained: true` too",
    )

    @property
    def _folder(self) -> Path | None:
        folder = Path(self.checkpoint).expanduser()
        return folder if folder.is_dir() else None

    def weights(self) -> list[Path]:
        folder = self._folder  # a hub id is pinned by its revision
        if folder is None:
            return []
        return sorted(file for pattern in self.weights_patterns for file in folder.glob(pattern))

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        known, shape = self.published
        return shape if self.checkpoint == known and self._folder is None else Shape()

    def check(self, where: str, config: "Root") -> None:
        is_hub_id = re.fullmatch(r"[\w.-]+/[\w.-]+", self.checkpoint) and self._folder is None
        if is_hub_id and self.revision is None and not self.untrained:
            raise ValueError(
                f"{where}.revision: pin the commit of '{self.checkpoint}', or results cannot be told from those of "
                "other weights"
            )
        if not is_hub_id and self._folder is None:
            raise ValueError(f"{where}.checkpoint: '{self.checkpoint}' is neither a folder nor the id of a repository")


class Derived(RepresentationKind):
    """Latents that are made of another representation's."""

    made_from = "representation"
    family = TRANSFORMS
    learns: ClassVar[bool] = True  # from the training speakers; what does not says so

    source: Name = Field(description="name of the representation that it is made of")

    @property
    def is_fitted(self) -> bool:
        """Whether each corpus has its own fit, so that the latents of two corpora cannot be compared."""
        return self.learns

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        source = config.all_representations[self.source].shape(config, corpus)
        try:
            return self.shape_of(source)
        except ValueError as error:
            name = next((name for name, entry in config.representations.items() if entry is self), self.source)
            raise ValueError(f"representations.{name}.{error}") from None

    def shape_of(self, source: Shape) -> Shape:
        """What is known of it, by what is known of its source.

        Raises:
            ValueError: it cannot be made of such a source. The text begins with the key that is to blame.
        """
        return source

    def check(self, where: str, config: "Root") -> None:
        name = where.rpartition(".")[2]
        chain = [name]
        while isinstance(node := config.representations.get(chain[-1]), Derived):
            if node.source in chain:
                raise ValueError(f"{where}.source: goes round in a circle ({' -> '.join(chain)})")
            chain.append(node.source)
        if node is None:
            raise ValueError(
                f"representations.{chain[-2]}.source: no representation is named '{chain[-1]}'"
                + alike(chain[-1], config.representations)
            )
        self.shape(config, None)


class Mimi(HubEncoder):
    """Mimi's encoder without its quantizer: 512 dimensions at 12.5 Hz."""

    has_quantizer = True
    published = "kyutai/mimi", Shape(12.5, 512)

    kind: Literal["mimi"]
    checkpoint: str = Field(
        "kyutai/mimi",
        description="id on the Hugging Face hub, or a local folder with config.json and model.safetensors",
    )

    frames: Literal["latent", "before_downsampling", "overlapping_views"] = Field(
        "latent",
        description="which sequence: the latent (12.5 Hz), what goes into Mimi's last downsampling (25 Hz), or four "
        "encodings of shifted audio, interleaved (50 Hz; overlapping views of the same audio, not frames of their own)",
    )

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        shape = super().shape(config, corpus)
        times = {"latent": 1, "before_downsampling": 2, "overlapping_views": 4}[self.frames]
        return replace(shape, rate_hz=shape.rate_hz and shape.rate_hz * times)


class EnCodec(HubEncoder):
    """EnCodec's encoder without its quantizer: 128 dimensions at 75 Hz."""

    has_quantizer = True
    published = "facebook/encodec_24khz", Shape(75.0, 128)

    kind: Literal["encodec"]
    checkpoint: str = Field(
        "facebook/encodec_24khz", description="id on the Hugging Face hub, or a local folder; a causal mono model"
    )


class DAC(HubEncoder):
    """DAC's encoder without its quantizer: 1024 dimensions at 50, 75 or 86.13 Hz. It is not causal."""

    has_quantizer = True
    published = "descript/dac_16khz", Shape(50.0, 1024)

    kind: Literal["dac"]
    checkpoint: str = Field(
        "descript/dac_16khz",
        description="id on the Hugging Face hub (descript/dac_16khz, dac_24khz or dac_44khz), or a local folder",
    )


class CalmVAE(HubEncoder):
    """The VAE of continuous audio language models, as in Pocket TTS: 32 dimensions at 12.5 Hz, no quantizer."""

    published = "eustlb/pocket-tts-audio-tokenizer", Shape(12.5, 32)

    kind: Literal["calm_vae"]
    checkpoint: str = Field(
        "eustlb/pocket-tts-audio-tokenizer", description="id on the Hugging Face hub, or a local folder"
    )


class VibeVoice(HubEncoder):
    """VibeVoice's acoustic tokenizer, a VAE: 64 dimensions at 7.5 Hz, no quantizer."""

    published = "microsoft/VibeVoice-AcousticTokenizer", Shape(7.5, 64)

    kind: Literal["vibevoice"]
    checkpoint: str = Field(
        "microsoft/VibeVoice-AcousticTokenizer", description="id on the Hugging Face hub, or a local folder"
    )


class SoundStream(Encoder):
    """Lyra v1.2.0's SoundStream encoder (TFLite): 64 dimensions at 50 Hz."""

    has_quantizer = True
    weights_names: ClassVar = ("soundstream_encoder.tflite", "lyragan.tflite", "quantizer.tflite")

    kind: Literal["soundstream"]
    folder: str = Field(
        description="holds soundstream_encoder.tflite, lyragan.tflite and, for `quantized`, quantizer.tflite"
    )

    def weights(self) -> list[Path]:
        folder = Path(self.folder).expanduser()
        return [file for name in self.weights_names if (file := folder / name).is_file()]

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        return Shape(50.0, 64)


class LogMel(Encoder):
    """Log-mel spectrum: the classical reference that needs no download."""

    kind: Literal["logmel"]
    sample_rate_hz: int = Field(16000, ge=1000, le=768_000, description="recordings are resampled to it")
    hop_samples: int = Field(1280, ge=1, le=1_000_000, description="samples a frame; 1280 at 16 kHz is 12.5 Hz")
    fft_samples: int = Field(1280, ge=4, le=1_000_000, description="length of the window, at least `hop_samples`")
    n_mels: int = Field(64, ge=1, le=10_000, description="mel bands: the latent's dimension")
    floor_db: float = Field(
        -80.0, ge=-200, le=100, description="noise floor added to every band, dB re a full-scale sine"
    )

    @model_validator(mode="after")
    def _hears_everything(self) -> "LogMel":
        if self.fft_samples < self.hop_samples:
            raise ValueError(
                f"fft_samples = {self.fft_samples} skips audio between hops of {self.hop_samples}; set it to "
                "hop_samples or more"
            )
        most = most_bands(self.sample_rate_hz, self.fft_samples, self.n_mels)
        if most < self.n_mels:
            raise ValueError(
                f"n_mels = {self.n_mels} is too many for fft_samples = {self.fft_samples}: at a resolution of "
                f"{self.sample_rate_hz / self.fft_samples:.1f} Hz some bands would be empty; at most {most} fit"
            )
        return self

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        return Shape(self.sample_rate_hz / self.hop_samples, self.n_mels)


class LowerRate(Derived):
    """Another representation at a lower frame rate, a frame for each few consecutive ones."""

    learns = False

    frame_rate_hz: FrameRate = Field(description="the source's rate divided by a whole number")

    def shape_of(self, source: Shape) -> Shape:
        try:
            return source.grouped(self.frame_rate_hz)
        except ValueError as error:
            raise ValueError(f"frame_rate_hz: {error}") from None


class Pooled(LowerRate):
    """Another representation, mean-pooled in time to a lower frame rate."""

    kind: Literal["pooled"]


class Stacked(LowerRate):
    """Another representation at a lower frame rate, consecutive frames stacked as one. Nothing is lost."""

    kind: Literal["stacked"]

    def shape_of(self, source: Shape) -> Shape:
        stacked = super().shape_of(source)
        if source.rate_hz is None or source.dim is None:
            return replace(stacked, dim=None)
        return replace(stacked, dim=source.dim * whole_factor(source.rate_hz, self.frame_rate_hz))


class Subsampled(LowerRate):
    """Another representation at a lower frame rate: the first of each few consecutive frames."""

    kind: Literal["subsampled"]


class Interpolated(Derived):
    """Another representation, averaged over equal spans of time to any lower frame rate."""

    learns = False

    kind: Literal["interpolated"]
    frame_rate_hz: FrameRate = Field(description="at most the source's rate; it need not divide it")

    def shape_of(self, source: Shape) -> Shape:
        if source.rate_hz is None:
            return Shape(self.frame_rate_hz, source.dim)
        if self.frame_rate_hz > source.rate_hz * (1 + 1e-9):
            raise ValueError(f"frame_rate_hz: {self.frame_rate_hz:g} Hz is above the source's {source.rate_hz:g} Hz")
        frames = source.frames and int(source.frames * self.frame_rate_hz / source.rate_hz + 1e-9)
        return replace(source, rate_hz=self.frame_rate_hz, frames=frames)


class Readout(Derived):
    """Another representation, read out by fewer linear functions of each frame."""

    dim: int = Field(ge=1, le=100_000, description="dimensions, at most the source's")

    def shape_of(self, source: Shape) -> Shape:
        if source.dim is not None and self.dim > source.dim:
            raise ValueError(f"dim: {self.dim} is above the {source.dim} dimensions of '{self.source}'")
        return replace(source, dim=self.dim)


class PCA(Readout):
    """Another representation's principal components: the directions of most variance."""

    kind: Literal["pca"]
    whiten: bool = Field(False, description="divide every component by its deviation")


class RandomProjection(Readout):
    """Random orthonormal directions of another representation: what a number of dimensions alone keeps."""

    kind: Literal["random_projection"]
    seed: int = Field(0, ge=0, lt=2**32, description="another one gives other directions")


class SlowFeatures(Readout):
    """Another representation's slow features: the directions that change least from frame to frame."""

    kind: Literal["sfa"]


class CanonicalCorrelations(Readout):
    """The directions of another representation that its past predicts best."""

    kind: Literal["cca"]
    window_frames: int = Field(8, ge=1, le=100_000, description="W: frames of the past, up to the one before")


class Leaky(Derived):
    """Another representation, leakily integrated. It is invertible: what it gains, smoothing alone buys."""

    learns = False

    kind: Literal["leaky"]
    coefficient: float = Field(0.9, ge=0, lt=1, description="a in y_t = a y_{t-1} + x_t")


class Noisy(Derived):
    """Another representation with white noise: what a channel of limited precision passes on."""

    kind: Literal["noisy"]
    sigma: float = Field(gt=0, le=1e6, description="deviation of the noise, in deviations of each dimension")


class Quantized(Derived):
    """An encoder's frames, quantized by the codec's own quantizer to some depth and dequantized again."""

    kind: Literal["quantized"]
    stages: int = Field(
        ge=1,
        le=1024,
        description="of the quantizer, the first so many (codebooks; SoundStream: 16, 30 or 46 of 4 bits)",
    )

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        source = config.representations[self.source]
        if not getattr(source, "has_quantizer", False) or getattr(source, "frames", "latent") != "latent":
            raise ValueError(
                f"{where}.source: '{self.source}' (kind {source.kind}) is no encoder whose codec quantizes such "
                "frames; soundstream, encodec, dac and mimi (frames: latent) are"
            )


class Provided(RepresentationKind):
    """The latents that a corpus of kind `latents` brings."""

    made_from = "latents"
    family = Family("import", "latentdyn.steps.import_latents", "step")

    kind: Literal["provided"]

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        return corpus.latents_shape if corpus else Shape()


SurrogateMethod = Literal["shuffled", "white", "phase_randomised", "time_reversed"]


class Surrogate(Derived):
    """Another representation with some of its structure destroyed. What stays predictable is not due to it."""

    has_inverse = False

    kind: Literal["surrogate"]
    method: SurrogateMethod = Field(description="what is kept and what is destroyed")

    @property
    def is_fitted(self) -> bool:
        return self.method == "white"


class Outliers(Derived):
    """Another representation with a few of its frames scaled up, to see which numbers these few frames change."""

    learns = False
    has_inverse = False

    kind: Literal["outliers"]
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        1e-4, description="probability that a frame of the affected speakers becomes an outlier"
    )
    factor: float = Field(1e3, ge=-1e30, le=1e30, description="these frames are multiplied by it")

    @field_validator("factor")
    @classmethod
    def _changes_frames(cls, factor: float) -> float:
        if factor == 1:
            raise ValueError("must not be 1, which changes no frame")
        return factor

    splits: Annotated[list[Split], Field(min_length=1), AfterValidator(no_duplicates)] = Field(
        ["eval"], description="splits whose speakers are affected"
    )


Size = Annotated[float, Field(ge=1e-12, le=1e12)]  # a length that float32 and its square can hold


class Process(RepresentationKind):
    """A random process whose exact predictability is known."""

    made_from = "nothing"
    family = PROCESSES
    exact_at_all_horizons: ClassVar[bool] = False  # exact values of predictors are known at every k, not at k = 1 alone
    exact_clusters: ClassVar[bool] = False  # an exact value of clusters of contexts is known, at k = 1
    exact_geometry: ClassVar[bool] = False  # exact values are known of what is measured without a predictor

    @property
    def exact_readouts(self) -> bool:
        """Whether exact values of slow features and canonical correlations are known."""
        return False

    dim: int = Field(16, ge=1, le=100_000, description="dimensions")
    seed: int = Field(
        0, ge=0, lt=2**32, description="random seed of the process's own parameters and of its utterances"
    )

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        return replace(corpus.latents_shape if corpus else Shape(), dim=self.dim)


class VAR(Process):
    """Gaussian VAR(1), x_t = A x_{t-1} + e_t, A a scaled rotation; at radius 0 white noise, above 1 unstable."""

    exact_at_all_horizons = True
    exact_geometry = True

    kind: Literal["var"]
    radius: float = Field(
        0.9, ge=0, le=1e6, description="spectral radius of A: 0 is white noise, above 1 grows without bound"
    )
    noise: Literal["isotropic", "correlated"] = Field(
        "isotropic", description="covariance of e: the identity, or one whose dimensions move together"
    )

    @property
    def exact_readouts(self) -> bool:
        return 0 < self.radius < 1


class Jumps(Process):
    """Steps of either sign along a direction that the context gives. No mean predicts them, but a density does."""

    exact_clusters = True

    kind: Literal["jumps"]
    amplitude: Size = Field(4.0, description="a: length of the jump")
    noise: Size = Field(0.5, description="s: deviation of each dimension's noise")


class ScaleMixture(Process):
    """Steps whose size varies, and that no context predicts."""

    exact_at_all_horizons = True

    kind: Literal["scale_mixture"]
    sd: float = Field(0.45, gt=0, le=10, description="deviation of the logarithm of the size")


class Prototypes(Process):
    """A cycle of prototype steps, with noise."""

    exact_clusters = True

    kind: Literal["prototypes"]
    n_prototypes: int = Field(16, ge=2, le=100_000, description="K: length of the cycle")
    separation: Size = Field(4.0, description="deviation of each dimension of the anchors that the cycle visits")
    noise: Size = Field(1.0, description="deviation of each dimension about an anchor")


class VMFSteps(Process):
    """Steps of von Mises-Fisher direction and log-normal length, towards the origin on average."""

    kind: Literal["vmf_steps"]
    dim: int = Field(16, ge=2, le=100_000, description="dimensions")
    kappa: Size = Field(40.0, description="concentration of the direction; `dim` must be 2 or more")
    mu_logm: float = Field(0.0, ge=-30, le=30, description="mean of the logarithm of the length")
    sigma: float = Field(0.3, gt=0, le=10, description="deviation of the logarithm of the length")


class Switching(Process):
    """Several linear systems, one of which is drawn at every frame."""

    kind: Literal["switching"]
    n_regimes: int = Field(2, ge=2, le=10_000, description="how many, equally likely")
    radius: Annotated[float, Field(gt=0, lt=1)] = Field(0.9, description="spectral radius of each")
    noise: Size = Field(1.0, description="deviation of each dimension's noise")
