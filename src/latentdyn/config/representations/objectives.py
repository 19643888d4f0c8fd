"""What a beta-VAE is trained for: what is rebuilt, what a latent costs, and what is asked for besides."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from latentdyn.config.kinds import any_kind_of
from latentdyn.config.mel import check_bands
from latentdyn.config.networks import LinearNetwork, MLPNetwork, NetworkKind
from latentdyn.config.values import Horizons, LearningRate, Size, Strict
from latentdyn.families import METRICS

if TYPE_CHECKING:
    Network = NetworkKind
else:
    Network = any_kind_of(NetworkKind)

Forecaster = Field(MLPNetwork(kind="mlp", width=64, layers=1), description="forecasts a latent; one for each horizon")
WindowFrames = Field(1, ge=1, le=1000, description="latents that are read, the newest one included")


class ReconstructionKind(Strict):
    """What is to be rebuilt, and how it is compared."""

    listens: ClassVar[bool] = False  # to what the codec's decoder makes of the frames

    kind: str  # each kind's own word

    @property
    def reach(self) -> int:
        """Latents in a row that it takes."""
        return 1

    @property
    def fitted_by(self) -> list[str]:
        """The modules by which it is got ready, before the training."""
        return []

    def check_audio(self, rate_hz: int, latent_samples: int, latents: int) -> None:
        """Check that the decoded audio of sequences is as it listens to it.

        Args:
            rate_hz: of the audio. latent_samples: that a latent stands for. latents: of a sequence.

        Raises:
            ValueError: it is not. The text begins with the key that is to blame.
        """


class FramesReconstruction(ReconstructionKind):
    """The source's frames in their own deviations, as Gaussians of variance 1."""

    kind: Literal["frames"]


class Adversary(Strict):
    """Networks that learn to tell decoded audio from true audio, beside what is trained to be taken for true."""

    weight: float = Field(1.0, ge=0, le=1e6, description="of their opinion, beside the audio's distance")
    feature_weight: float = Field(
        2.0, ge=0, le=1e6, description="of how far what their layers see is from what they see of true audio"
    )
    channels: Size = Field(16, description="of their layers")
    learning_rate: LearningRate = Field(1e-3, description="of these networks")


class MelMetricReconstruction(ReconstructionKind):
    """The source's frames; an error counts by how far it moves the decoded log-mel (seed 002, Challenge 1)."""

    listens = True

    kind: Literal["mel_metric"]
    identity_share: float = Field(
        0.1,
        ge=1e-4,
        le=1,
        description="of the metric, that is the same in all directions: the price of what nobody hears. 1: as `frames`",
    )
    sequences: int = Field(
        128, ge=2, le=100_000, description="of training speakers, at most, whose decoding tells the metric"
    )
    probes: int = Field(2, ge=1, le=1000, description="random probes of each sequence; each costs a decoding and back")
    window_samples: int = Field(512, ge=8, le=1_000_000, description="of the log-mel's window, at the codec's own rate")
    hop_samples: int = Field(160, ge=1, le=1_000_000, description="between windows, at most window_samples")
    n_mels: int = Field(40, ge=1, le=10_000, description="mel bands")
    floor_db: float = Field(
        -40.0,
        ge=-200,
        le=100,
        description="noise floor of the bands, dB re a full sine. Near silence decibels change most: the higher the "
        "floor, the more loud frames count",
    )

    @property
    def fitted_by(self) -> list[str]:
        return [METRICS.module(self.kind)]

    def check_audio(self, rate_hz: int, latent_samples: int, latents: int) -> None:
        _check_window(self.window_samples, latents * latent_samples, f"{latents} latents of training.sequence_frames")
        check_bands(rate_hz, self.window_samples, self.n_mels, "window_samples")

    @model_validator(mode="after")
    def _windows_meet(self) -> "MelMetricReconstruction":
        if self.hop_samples > self.window_samples:
            raise ValueError(
                f"hop_samples: {self.hop_samples} is above window_samples ({self.window_samples}), so that audio "
                "between windows would not count"
            )
        return self


class WaveformReconstruction(ReconstructionKind):
    """The source's frames and, besides, the audio that the codec's decoder makes of them."""

    listens = True

    kind: Literal["waveform"]
    audio_weight: float = Field(
        1.0, gt=0, le=1e6, description="of the audio's distance, beside half a squared deviation of each number"
    )
    sequences: int = Field(4, ge=1, le=100_000, description="of a batch that are decoded")
    latents: int = Field(8, ge=1, le=100_000, description="in a row that are decoded of each; where is drawn")
    window_samples: list[Annotated[int, Field(ge=8, le=1_000_000)]] = Field(
        [256, 512, 1024, 2048], min_length=1, description="windows of the spectra that are compared"
    )
    n_mels: int = Field(64, ge=1, le=10_000, description="mel bands of the longest window that are compared")
    decoder: Literal["frozen", "trained"] = Field(
        "frozen", description="trained: a copy of the codec's decoder is trained too, and decodes this representation"
    )
    decoder_learning_rate: LearningRate = Field(3e-4, description="of that copy")
    adversary: Adversary | None = Field(None, description="a discriminator of the audio; null: none")

    @property
    def reach(self) -> int:
        return self.latents

    def check_audio(self, rate_hz: int, latent_samples: int, latents: int) -> None:
        longest = max(self.window_samples)
        _check_window(longest, self.latents * latent_samples, f"{self.latents} latents in a row")
        check_bands(rate_hz, longest, self.n_mels, "window_samples")

    @model_validator(mode="after")
    def _all_count(self) -> "WaveformReconstruction":
        """What would change nothing is refused."""
        if self.decoder == "frozen" and not self.is_default("decoder_learning_rate"):
            raise ValueError("decoder_learning_rate: a frozen decoder does not learn; leave it out")
        return self


def _check_window(window: int, samples: int, heard: str) -> None:
    """Check that a window is no longer than what is heard.

    Raises:
        ValueError: it is.
    """
    if window > samples:
        raise ValueError(
            f"window_samples: a window of {window} is longer than the {samples} samples of the {heard} that are "
            f"decoded; give at most {samples}"
        )


class PriorKind(Strict):
    """What a latent costs."""

    kind: str  # each kind's own word

    @property
    def reach(self) -> int:
        """Latents in a row that it takes."""
        return 1


class StandardPrior(PriorKind):
    """KL to N(0, I)."""

    kind: Literal["standard"]


class AutoregressivePrior(PriorKind):
    """KL to a Gaussian that a network reads off the latents before: the innovation rate."""

    kind: Literal["autoregressive"]
    share: float = Field(
        1.0, gt=0, le=1, description="of the cost; the rest is that of N(0, I). Above 1 nothing would bound it"
    )
    window_frames: int = WindowFrames
    network: Network = Field(LinearNetwork(kind="linear"), description="from earlier latents to mean and deviations")

    @property
    def reach(self) -> int:
        return self.window_frames + 1


class TermKind(Strict):
    """What is asked for beside reconstruction and prior."""

    kind: str  # each kind's own word
    weight: float = Field(gt=0, le=1e6, description="what it counts, beside a nat of the reconstruction")

    @property
    def reach(self) -> int:
        """Latents in a row that it takes."""
        return 2


class Smooth(TermKind):
    """Small steps of z (L_smooth of seed 003 §6.1). A named ablation: small latents cheat it."""

    kind: Literal["smooth"]


class AheadTerm(TermKind):
    """What latents tell about later ones."""

    horizons: Horizons = Field([1], description="h: latents ahead; the mean over all of them counts")
    window_frames: int = WindowFrames

    @property
    def reach(self) -> int:
        return self.window_frames + self.horizons[-1]


class Predict(AheadTerm):
    """Forecasts of z, in the units of z (L_pred of seed 003 §6.1). A named ablation: small latents cheat it."""

    kind: Literal["predict"]
    network: Network = Forecaster


class DecodedPrediction(AheadTerm):
    """Forecasts of z, decoded and compared with the source's frames."""

    kind: Literal["decoded_prediction"]
    network: Network = Forecaster


class LogDetGain(AheadTerm):
    """What latents tell linearly about later ones, in nats: neither scale nor mixing of the axes changes it."""

    kind: Literal["log_det_gain"]
    ridge: float = Field(1e-3, ge=0, le=1, description="share by which each variance of a batch is raised")


if TYPE_CHECKING:
    Reconstruction = ReconstructionKind
    Prior = PriorKind
    Term = TermKind
else:
    Reconstruction = any_kind_of(ReconstructionKind)
    Prior = any_kind_of(PriorKind)
    Term = any_kind_of(TermKind)


class VAEObjective(Strict):
    """What a beta-VAE is trained for: reconstruction + beta × prior + weighted terms, in nats of a latent."""

    beta: float = Field(0.1, gt=0, le=1e6, description="weight of the prior: the variance that is not worth a latent")
    beta_warmup_steps: int = Field(
        0, ge=0, le=1_000_000_000, description="updates until beta is whole; it begins near 0"
    )
    reconstruction: Reconstruction = Field(
        FramesReconstruction(kind="frames"), description="what is to be rebuilt, and how it is compared"
    )
    prior: Prior = Field(StandardPrior(kind="standard"), description="what a latent costs")
    terms: list[Term] = Field([], description="what is asked for besides, each with its weight")

    @property
    def named(self) -> str:
        """What it asks for beside the frames and the prior that are the default, by kind; `frames` if nothing."""
        asked = [term.kind for term in self.terms]
        asked += [part.kind for part in (self.reconstruction, self.prior) if part.kind not in ("frames", "standard")]
        return ", ".join(dict.fromkeys(asked)) or "frames"

    @property
    def reach(self) -> int:
        """Latents in a row that it takes."""
        return max(self.reconstruction.reach, self.prior.reach, *(term.reach for term in self.terms))
