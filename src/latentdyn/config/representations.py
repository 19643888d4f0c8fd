"""`representations`: encoders, known processes, and what derives from them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from latentdyn.config.values import Name, Split, Strict, no_duplicates


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
    splits: Annotated[list[Split], Field(min_length=1), AfterValidator(no_duplicates)] = Field(
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
