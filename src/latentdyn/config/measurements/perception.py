"""Sections of measurements that decode latents and score what is heard (docs/perception.md)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from latentdyn.config.measurements.base import MeasurementKind
from latentdyn.config.measurements.lagged import WithEvaluation
from latentdyn.config.mel import check_bands
from latentdyn.config.shapes import Known
from latentdyn.config.values import Count, Horizons, Ridges, Split, Strict, Temperature, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root

_RATE_HZ = 16_000  # of all audio that is scored

ScoreName = Literal["pesq", "stoi", "mel_distance", "dnsmos", "speaker_similarity", "word_error_rate", "word_change"]
Scores = Annotated[list[ScoreName], AfterValidator(no_duplicates)]


def _even_bands(mel: "MelSpectrum") -> "MelSpectrum":
    if mel.n_fft < mel.hop:
        raise ValueError(f"n_fft = {mel.n_fft} skips audio between hops of {mel.hop}; set it to hop or more")
    check_bands(_RATE_HZ, mel.n_fft, mel.n_mels, "n_fft")
    return mel


class MelSpectrum(Strict):
    """Log-mel frames, at 16 kHz, that recordings are compared by."""

    n_fft: int = Field(1024, ge=4, le=100_000, description="samples of a window")
    hop: int = Field(256, ge=1, le=4000, description="samples between windows")
    n_mels: int = Field(80, ge=1, le=10_000, description="mel bands")
    floor_db: float = Field(-80.0, ge=-200, le=100, description="noise floor added to every band, dB re a full sine")


class OfRecordings(WithEvaluation):
    """What all measurements that read recordings share."""

    decodes: ClassVar[bool] = True
    roles: ClassVar = {}
    needs_gpu: ClassVar[bool] = False
    minutes: ClassVar[tuple[int, int]] = (120, 100)

    split: Split = Field("eval", description="whose utterances are heard")
    utterances: Count = Field(
        16, description="how many, drawn by name: a second one of a speaker only after the first of all"
    )
    max_duration_s: float = Field(20.0, ge=1, le=300, description="of a longer utterance the beginning is heard")
    mel: Annotated[MelSpectrum, AfterValidator(_even_bands)] = Field(
        MelSpectrum(), description="of the mel distance, and of the Fréchet distance of log-mel frames"
    )

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        super().check(where, config, known, by, variant)
        if known.corpus.gives != "audio":
            raise ValueError(
                f"{where}: what is decoded is scored against the recordings, and corpus '{known.corpus_name}' (kind "
                f"{known.corpus.kind}) has none"
            )
        known.check_split(f"{self.section}.split", self.split, f"{where} hears its utterances")
        if (there := known.utterances(self.split)) is not None and there < self.utterances:
            raise ValueError(
                f"{self.section}.utterances: {where} asks for {self.utterances} utterances of split {self.split}, and "
                f"corpus '{known.corpus_name}' has {there} there"
            )


class Perception(OfRecordings):
    """What all measurements that decode share."""

    wav_utterances: int = Field(
        2, ge=0, le=100_000, description="utterances that are written as WAV files, in every form"
    )

    @property
    def threads(self) -> int | None:
        """Processes that score; Snakemake takes no more than there are cores."""
        return 8


class ScoredPerception(Perception):
    """Those that score against the original."""

    scores: Annotated[Scores, Field(min_length=1)] = Field(
        ["pesq", "stoi", "mel_distance", "dnsmos", "speaker_similarity"],
        description="what is scored; each needs its package (docs/perception.md). Words take longest",
    )


class DecoderTolerance(ScoredPerception):
    """How much noise on latents can be heard, by its deviation."""

    measurement = "decoder_tolerance"
    section = "decoder_tolerance"
    purpose = "noise on latents, decoded"
    by = "representation"
    metrics = "decoder_tolerance.json"
    sums = "decoder_tolerance_speakers.parquet"
    folder = "decoder_tolerance.heard"

    sigmas: Annotated[
        list[Annotated[float, Field(ge=0, le=1000)]], Field(min_length=1), AfterValidator(no_duplicates)
    ] = Field(
        [0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0],
        description="σ of the noise, in deviations of each dimension of the training frames",
    )

    def needed_for_pesq(self) -> list[tuple[str, Sequence[Any], Any]]:
        """What a table that shows PESQ of true latents needs: a setting, its values, and what must be among them."""
        return [
            ("decoder_tolerance.split", [self.split], "eval"),
            ("decoder_tolerance.sigmas", self.sigmas, 0.0),
            ("decoder_tolerance.scores", self.scores, "pesq"),
        ]


_LEAST_NOISE = 1e-4  # float32 holds latents to about a thousandth of it


def _noise_to_send(sigmas: list[float]) -> list[float]:
    if min(sigmas) < _LEAST_NOISE:
        raise ValueError(
            f"frames without noise cost infinitely many bits, and noise below {_LEAST_NOISE} is lost in rounding; set "
            f"the smallest σ to {_LEAST_NOISE} or more. (The score without noise stands in the row `reconstruction`)"
        )
    return sigmas


class Shaping(Strict):
    """How the decoder's sensitivity is estimated, by which noise is shaped."""

    utterances: int = Field(64, ge=2, le=100_000, description="of training speakers, drawn as those that are heard")
    max_duration_s: float = Field(10.0, ge=1, le=300, description="of a longer utterance the beginning is taken")
    floor_db: float = Field(
        -40.0,
        ge=-200,
        le=100,
        description="noise floor of the log-mel frames, in place of that of `mel`. Near silence decibels change most: "
        "the higher the floor, the more loud frames count",
    )
    probes: int = Field(1, ge=1, le=1000, description="random probes of each utterance; each costs a decoding and back")
    ridge: float = Field(
        0.1,
        ge=1e-6,
        le=1e6,
        description="added to the sensitivity in every direction, as a share of its mean; it bounds the noise where "
        "nothing is heard. The larger, the nearer to white noise",
    )


class RateQuality(ScoredPerception):
    """What latents with noise cost to send, and how they sound."""

    measurement = "rate_quality"
    section = "rate_quality"
    purpose = "rate of latents with noise against their quality"
    by = "representation"
    metrics = "rate_quality.json"
    sums = "rate_quality_speakers.parquet"
    folder = "rate_quality.heard"
    of_evaluation = frozenset({"max_frames", "bootstrap_resamples"})
    copies = 4.0

    scores: Annotated[Scores, Field(min_length=1)] = Field(
        ["pesq", "stoi", "mel_distance"], description="what is scored; each needs its package (docs/perception.md)"
    )
    sigmas: Annotated[
        list[Annotated[float, Field(ge=0, le=1000)]],
        Field(min_length=1),
        AfterValidator(no_duplicates),
        AfterValidator(_noise_to_send),
    ] = Field(
        [0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0],
        description="σ of the noise, 0.0001 or more, in deviations of each dimension of the training frames",
    )
    noises: Annotated[list[Literal["white", "shaped"]], Field(min_length=1), AfterValidator(no_duplicates)] = Field(
        ["white"],
        description="`white` noise has σ deviations in each dimension; `shaped` has as much entropy, and lies where "
        "the decoder lets it be heard least (an encoder's own frames only)",
    )
    shaping: Shaping = Field(Shaping(), description="of shaped noise: how the decoder's sensitivity is estimated")
    window_frames: int = Field(8, ge=1, le=100_000, description="W: frames of the past that the prior knows")
    ridges: Ridges = Field(
        [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
        description="candidates for the ridge, in units of the mean context variance; validation speakers choose one",
    )

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        super().check(where, config, known, by, variant)
        if config.all_representations[by].kind == "quantized":  # its codes have a rate, and nothing is fitted
            return
        if "shaped" in self.noises:
            self._check_shaped(where, config, known, by)
        known.check_frames(where, self.window_frames + 1, "the section rate_quality (window_frames)")
        if len(self.ridges) > 1:
            known.check_split("rate_quality.ridges", "validation", "speakers of the split validation choose it")

    def _check_shaped(self, where: str, config: "Root", known: Known, by: str) -> None:
        if not getattr(kind := config.all_representations[by], "differentiable", False):
            raise ValueError(
                f"{where}: noise can be `shaped` (rate_quality.noises) for an encoder's own frames only, where its "
                f"decoder is a network; '{by}' is of kind {kind.kind}"
            )
        known.check_split("rate_quality.noises", "train", "the decoder's sensitivity is that at their frames")
        if (there := known.utterances("train")) is not None and there < self.shaping.utterances:
            raise ValueError(
                f"rate_quality.shaping.utterances: {where} asks for {self.shaping.utterances} utterances of split "
                f"train, and corpus '{known.corpus_name}' has {there} there"
            )


class Exp3BSynthetic(ScoredPerception):
    """Synthetic movements of true latents, decoded (Exp 3B), with controls."""

    measurement = "exp3b_synthetic"
    section = "exp3b_synthetic"
    purpose = "synthetic movements of latents, decoded (Exp 3B)"
    by = "representation"
    metrics = "exp3b_synthetic.json"
    sums = "exp3b_synthetic_speakers.parquet"
    folder = "exp3b_synthetic.heard"

    scores: Annotated[Scores, Field(min_length=1)] = Field(
        ["pesq", "stoi", "mel_distance", "dnsmos", "speaker_similarity", "word_change"],
        description="what is scored; word_error_rate needs transcripts beside the recordings",
    )

    alphas: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1), AfterValidator(no_duplicates)] = (
        Field([0.75, 0.5, 0.25], description="α: factors of magnitudes")
    )
    cosines: Annotated[
        list[Annotated[float, Field(ge=-1, le=1)]], Field(min_length=1), AfterValidator(no_duplicates)
    ] = Field([0.9, 0.6, 0.3], description="cosines that directions are turned to")


class PerceptualRollouts(ScoredPerception):
    """Forecasts of a few steps spliced into an utterance, decoded."""

    measurement = "perceptual_rollouts"
    section = "perceptual_rollouts"
    purpose = "forecasts of a few steps, decoded"
    by = "predictor"
    roles = MeasurementKind.roles
    metrics = "perceptual_rollouts.json"
    sums = "perceptual_rollouts_speakers.parquet"
    folder = "perceptual_rollouts.heard"

    scores: Annotated[Scores, Field(min_length=1)] = Field(
        ["pesq", "stoi", "mel_distance"],
        description="what is scored on the whole utterance; a few frames hardly change other scores",
    )

    steps: Horizons = Field([1, 2, 4, 8, 16], description="lengths of forecasts, in frames")
    segments: int = Field(1, ge=1, le=1000, description="segments of each utterance, each decoded for itself")
    margin_s: float = Field(0.5, gt=0, le=300, description="the window about a segment goes on so long on both sides")
    window_scores: Scores = Field(
        ["pesq", "stoi", "mel_distance"], description="what is scored on the window; all other scores need more speech"
    )

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        super().check(where, config, known, by, variant)
        needed = config.all_predictors[by].window_frames + max(self.steps)
        known.check_frames(where, needed, "a forecast (window_frames, and steps of the section perceptual_rollouts)")


class FreeListening(Perception):
    """Sampled free runs, decoded."""

    measurement = "free_listening"
    section = "free_listening"
    purpose = "sampled free runs, decoded"
    by = "predictor"
    roles = MeasurementKind.roles
    metrics = "free_listening.json"
    sums = "free_listening_speakers.parquet"
    folder = "free_listening.heard"

    utterances: Count = Field(16, description="free runs, each from an utterance of its own")
    duration_s: float = Field(4.0, gt=0.25, le=100, description="of a run")
    temperature: Temperature = Field(1.0, description="temperature of the draws")
    reference_utterances: int = Field(
        64,
        ge=2,
        le=100_000,
        description="utterances of training speakers whose recordings runs are compared with by the Fréchet distance",
    )

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        super().check(where, config, known, by, variant)
        if known.shape.rate_hz is not None:
            needed = config.all_predictors[by].window_frames + round(self.duration_s * known.shape.rate_hz)
            known.check_frames(
                where, needed, "a free run (window_frames, and duration_s of the section free_listening)"
            )


class Robustness(OfRecordings):
    """How much frames change when white noise is added to the audio."""

    measurement = "robustness"
    section = "robustness"
    purpose = "frames of audio with white noise added"
    by = "representation"
    metrics = "robustness.json"

    utterances: Count = Field(
        32, description="how many, drawn by name: a second one of a speaker only after the first of all"
    )
    mel: Annotated[MelSpectrum, AfterValidator(_even_bands)] = Field(
        MelSpectrum(), description="of the log-mel frames that are the control"
    )
    snrs_db: Annotated[
        list[Annotated[float, Field(ge=-100, le=200)]], Field(min_length=1), AfterValidator(no_duplicates)
    ] = Field([40.0, 30.0, 20.0, 10.0], description="signal-to-noise ratios, by the mean power of an utterance")
