"""`representations`: encoders, known processes, and what is derived from them.

A family of kinds (encoders, provided latents, processes, derived latents) says what its stores are made from and by
which modules. A kind of a family adds its settings.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from latentdyn.config.corpora import Source
from latentdyn.config.values import Name, Split, Strict, no_duplicates
from latentdyn.families import CODECS, PROCESSES, TRANSFORMS, Family

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class RepresentationKind(Strict):
    """A sequence of latents for each utterance."""

    made_from: ClassVar[Source | Literal["representation"]]  # what a corpus must give, or another representation
    family: ClassVar[Family]  # of the modules that make the latents
    needs_gpu: ClassVar[bool] = False

    kind: str  # each kind's own word
    dtype: Literal["float32", "float16"] = Field("float32", description="how latents are stored")

    @property
    def module(self) -> str:
        """The module that makes these latents."""
        return self.family.module(self.kind)

    def weights(self) -> list[Path]:
        """The local files that the latents depend on, as far as they exist."""
        return []

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


class HubEncoder(Encoder):
    """An encoder whose weights come from the Hugging Face hub or a local folder."""

    needs_gpu = True
    weights_patterns: ClassVar = ("config.json", "*.safetensors", "*.safetensors.index.json")

    checkpoint: str
    revision: str | None = Field(None, description="commit of the hub's repository; required for a hub id")
    tile_s: PositiveFloat = Field(
        2.56,
        description="long clips are encoded in causal tiles of this length. The latents do not depend on it; memory "
        "and speed do",
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

    def check(self, where: str, config: "Root") -> None:
        is_hub_id = re.fullmatch(r"[\w.-]+/[\w.-]+", self.checkpoint) and self._folder is None
        if is_hub_id and self.revision is None:
            raise ValueError(
                f"{where}.revision: pin the commit of '{self.checkpoint}', or results cannot be told from those of "
                "other weights"
            )


class Derived(RepresentationKind):
    """Latents that are made of another representation's."""

    made_from = "representation"
    family = TRANSFORMS

    source: Name = Field(description="name of the representation that it is made of")

    def check(self, where: str, config: "Root") -> None:
        name = where.rpartition(".")[2]
        chain = [name]
        while isinstance(node := config.representations.get(chain[-1]), Derived):
            if node.source in chain:
                raise ValueError(f"{where}.source: goes round in a circle ({' -> '.join(chain)})")
            chain.append(node.source)
        if node is None:
            raise ValueError(f"representations.{chain[-2]}.source: no representation is named '{chain[-1]}'")


class Mimi(HubEncoder):
    """Mimi's encoder without its quantizer: 512 dimensions at 12.5 Hz."""

    kind: Literal["mimi"]
    checkpoint: str = Field(
        "kyutai/mimi",
        description="id on the Hugging Face hub, or a local folder with config.json and model.safetensors",
    )


class EnCodec(HubEncoder):
    """EnCodec's encoder without its quantizer: 128 dimensions at 75 Hz."""

    kind: Literal["encodec"]
    checkpoint: str = Field(
        "facebook/encodec_24khz", description="id on the Hugging Face hub, or a local folder; a causal mono model"
    )


class SoundStream(Encoder):
    """Lyra v1.2.0's SoundStream encoder (TFLite): 64 dimensions at 50 Hz."""

    weights_names: ClassVar = ("soundstream_encoder.tflite", "lyragan.tflite")

    kind: Literal["soundstream"]
    folder: str = Field(description="holds soundstream_encoder.tflite and lyragan.tflite")

    def weights(self) -> list[Path]:
        folder = Path(self.folder).expanduser()
        return [file for name in self.weights_names if (file := folder / name).is_file()]


class LogMel(Encoder):
    """Log-mel spectrum: the classical reference that needs no download."""

    kind: Literal["logmel"]
    sample_rate_hz: PositiveInt = Field(16000, description="recordings are resampled to it")
    hop_samples: PositiveInt = Field(1280, description="samples a frame; 1280 at 16 kHz is 12.5 Hz")
    fft_samples: PositiveInt = Field(1280, description="length of the window, at least `hop_samples`")
    n_mels: PositiveInt = Field(64, description="mel bands: the latent's dimension")
    floor_db: float = Field(-80.0, description="noise floor added to every band, dB re a full-scale sine")


class Pooled(Derived):
    """Another representation, mean-pooled in time to a lower frame rate."""

    kind: Literal["pooled"]
    frame_rate_hz: PositiveFloat = Field(description="the source's rate divided by a whole number")


class Provided(RepresentationKind):
    """The latents that a corpus of kind `latents` brings."""

    made_from = "latents"
    family = Family("import", "latentdyn.steps.import_latents", "step")

    kind: Literal["provided"]


SurrogateMethod = Literal["shuffled", "white", "phase_randomised", "time_reversed"]


class Surrogate(Derived):
    """Another representation with some of its structure destroyed. What stays predictable is not due to it."""

    kind: Literal["surrogate"]
    method: SurrogateMethod = Field(description="what is kept and what is destroyed")


class Outliers(Derived):
    """Another representation with a few of its frames scaled up, to see which numbers these few frames change."""

    kind: Literal["outliers"]
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        1e-4, description="probability that a frame of the affected speakers becomes an outlier"
    )
    factor: float = Field(1e3, description="these frames are multiplied by it")
    splits: Annotated[list[Split], Field(min_length=1), AfterValidator(no_duplicates)] = Field(
        ["eval"], description="splits whose speakers are affected"
    )


class Process(RepresentationKind):
    """A random process whose exact predictability is known."""

    made_from = "nothing"
    family = PROCESSES

    dim: PositiveInt = Field(16, description="dimensions")
    seed: NonNegativeInt = Field(0, description="random seed of the process's own parameters and of its utterances")


class VAR(Process):
    """Gaussian VAR(1), x_t = A x_{t-1} + e_t, A a scaled rotation; at radius 0 white noise, above 1 unstable."""

    kind: Literal["var"]
    radius: NonNegativeFloat = Field(
        0.9, description="spectral radius of A: 0 is white noise, above 1 grows without bound"
    )
    noise: Literal["isotropic", "correlated"] = Field(
        "isotropic", description="covariance of e: the identity, or one whose dimensions move together"
    )


class Jumps(Process):
    """Steps of either sign along a direction that the context gives. No mean predicts them, but a density does."""

    kind: Literal["jumps"]
    amplitude: PositiveFloat = Field(4.0, description="a: length of the jump")
    noise: PositiveFloat = Field(0.5, description="s: deviation of each dimension's noise")


class ScaleMixture(Process):
    """Steps whose size varies, and that no context predicts."""

    kind: Literal["scale_mixture"]
    sd: PositiveFloat = Field(0.45, description="deviation of the logarithm of the size")


class Prototypes(Process):
    """A cycle of prototype steps, with noise."""

    kind: Literal["prototypes"]
    n_prototypes: int = Field(16, ge=2, description="K: length of the cycle")
    separation: PositiveFloat = Field(
        4.0, description="deviation of each dimension of the anchors that the cycle visits"
    )
    noise: PositiveFloat = Field(1.0, description="deviation of each dimension about an anchor")


class VMFSteps(Process):
    """Steps of von Mises-Fisher direction and log-normal length, towards the origin on average."""

    kind: Literal["vmf_steps"]
    dim: int = Field(16, ge=2, description="dimensions")
    kappa: PositiveFloat = Field(40.0, description="concentration of the direction; `dim` must be 2 or more")
    mu_logm: float = Field(0.0, description="mean of the logarithm of the length")
    sigma: PositiveFloat = Field(0.3, description="deviation of the logarithm of the length")


class Switching(Process):
    """Several linear systems, one of which is drawn at every frame."""

    kind: Literal["switching"]
    n_regimes: int = Field(2, ge=2, description="how many, equally likely")
    radius: Annotated[float, Field(gt=0, lt=1)] = Field(0.9, description="spectral radius of each")
    noise: PositiveFloat = Field(1.0, description="deviation of each dimension's noise")
