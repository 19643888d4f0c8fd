"""Encoders of audio."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from latentdyn.config.corpora import CorpusKind
from latentdyn.config.mel import check_bands
from latentdyn.config.representations.base import Encoder
from latentdyn.config.shapes import Shape
from latentdyn.config.values import PathText

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class HubEncoder(Encoder):
    """An encoder whose weights come from the Hugging Face hub or a local folder."""

    needs_gpu = True
    differentiable = True
    weights_patterns: ClassVar = ("config.json", "*.safetensors", "*.safetensors.index.json")

    published: ClassVar[tuple[str, Shape, int]]  # the checkpoint that is known, its latents, its audio's rate in Hz

    checkpoint: PathText
    revision: str | None = Field(None, description="commit of the hub's repository; required for a hub id")
    tile_s: float = Field(
        2.56,
        gt=0,
        le=3600,
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

    @property
    def _is_published(self) -> bool:
        return self.checkpoint == self.published[0] and self._folder is None

    @property
    def audio_rate_hz(self) -> int | None:
        return self.published[2] if self._is_published else None

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        return self.published[1] if self._is_published else Shape()

    def check(self, where: str, config: "Root") -> None:
        is_hub_id = re.fullmatch(r"[\w.-]+/[\w.-]+", self.checkpoint) and self._folder is None
        if is_hub_id and self.revision is None and not self.untrained:
            raise ValueError(
                f"{where}.revision: pin the commit of '{self.checkpoint}', or results cannot be told from those of "
                "other weights"
            )
        if not is_hub_id and self._folder is None:
            raise ValueError(f"{where}.checkpoint: '{self.checkpoint}' is neither a folder nor the id of a repository")


class Mimi(HubEncoder):
    """Mimi's encoder without its quantizer (weights: CC BY 4.0): 512 dimensions at 12.5 Hz."""

    has_quantizer = True
    published = "kyutai/mimi", Shape(12.5, 512), 24_000

    kind: Literal["mimi"]
    checkpoint: PathText = Field(
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
    published = "facebook/encodec_24khz", Shape(75.0, 128), 24_000

    kind: Literal["encodec"]
    checkpoint: PathText = Field(
        "facebook/encodec_24khz", description="id on the Hugging Face hub, or a local folder; a causal mono model"
    )


class DAC(HubEncoder):
    """DAC's encoder without its quantizer: 1024 dimensions at 50, 75 or 86.13 Hz. It is not causal."""

    has_quantizer = True
    published = "descript/dac_16khz", Shape(50.0, 1024), 16_000

    kind: Literal["dac"]
    checkpoint: PathText = Field(
        "descript/dac_16khz",
        description="id on the Hugging Face hub (descript/dac_16khz, dac_24khz or dac_44khz), or a local folder",
    )


class CalmVAE(HubEncoder):
    """The VAE of continuous audio language models, as in Pocket TTS: 32 dimensions at 12.5 Hz, no quantizer."""

    published = "eustlb/pocket-tts-audio-tokenizer", Shape(12.5, 32), 24_000

    kind: Literal["calm_vae"]
    checkpoint: PathText = Field(
        "eustlb/pocket-tts-audio-tokenizer", description="id on the Hugging Face hub, or a local folder"
    )


class VibeVoice(HubEncoder):
    """VibeVoice's acoustic tokenizer, a VAE: 64 dimensions at 7.5 Hz, no quantizer."""

    published = "microsoft/VibeVoice-AcousticTokenizer", Shape(7.5, 64), 24_000

    kind: Literal["vibevoice"]
    checkpoint: PathText = Field(
        "microsoft/VibeVoice-AcousticTokenizer", description="id on the Hugging Face hub, or a local folder"
    )


class SoundStream(Encoder):
    """SoundStream's encoder of google/lyra v1.2.0 (TFLite; Apache-2.0): 64 dimensions at 50 Hz."""

    has_quantizer = True
    differentiable = True
    weights_names: ClassVar = ("soundstream_encoder.tflite", "lyragan.tflite", "quantizer.tflite")

    kind: Literal["soundstream"]
    folder: PathText = Field(
        description="holds soundstream_encoder.tflite, lyragan.tflite and, for `quantized`, quantizer.tflite"
    )
    runtime: Literal["tflite", "torch"] = Field(
        "tflite",
        description="what encodes: TFLite, or the same weights in torch, slower on a CPU. Their latents differ by up "
        "to 3e-4, so that now and then a frame gets other codes",
    )

    def weights(self) -> list[Path]:
        folder = Path(self.folder).expanduser()
        return [file for name in self.weights_names if (file := folder / name).is_file()]

    @property
    def audio_rate_hz(self) -> int:
        return 16_000

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
        check_bands(self.sample_rate_hz, self.fft_samples, self.n_mels, "fft_samples")
        return self

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        return Shape(self.sample_rate_hz / self.hop_samples, self.n_mels)
