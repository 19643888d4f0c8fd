"""Utterances that can be heard: latents, the codec's own latents, the original recording, and the way from one to
another.

A representation is walked back to its codec link by link (representations.inversion). All recordings of an utterance
end where the shortest of them does, so that every row of a table is scored on the same stretch of speech.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import soxr

from latentdyn.codecs.base import open_codec
from latentdyn.codecs.decoder_weights import use_weights
from latentdyn.codecs.makers import check_codec
from latentdyn.corpus.audio import audio_blocks
from latentdyn.corpus.partition import PART_COLUMNS
from latentdyn.corpus.transcripts import transcript_of
from latentdyn.corpus.unchanged import check_unchanged
from latentdyn.errors import UserError
from latentdyn.parquet import read_parquet
from latentdyn.perception.mel import RATE_HZ
from latentdyn.perception.scores import Original, words_of
from latentdyn.representations.base import Transform
from latentdyn.representations.inversion import invert_chain, open_chain
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.latents import LatentsStore, open_latents

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Decoding:
    """What leads back to audio.

    codec: the section of the config of the representation at the root. chain: handles, from the root to the
    representation. manifest: of the recordings. audio: the folder that its paths are relative to.
    """

    codec: Mapping[str, Any]
    chain: list[Path]
    manifest: Path
    audio: Path


@dataclass(frozen=True)
class Decoder:
    """The codec's decoder; it can be sent to another process, and is opened there.

    codec: section of the config. device: in torch's notation. weights: of the decoder, in the place of the codec's own;
    arrays, since torch sends each tensor as an open file in shared memory, of which there are few.
    """

    codec: Mapping[str, Any]
    device: str = "cpu"
    weights: Mapping[str, np.ndarray] | None = None

    @cached_property
    def _opened(self) -> Any:
        codec = open_codec(self.codec, device=self.device)
        if self.weights is not None:
            use_weights(codec.decoder_module(), self.weights)
        return codec

    @property
    def sample_rate_hz(self) -> int:
        return int(self._opened.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        return int(self._opened.hop_samples)

    @property
    def weights_sha256(self) -> str | None:
        return self._opened.weights_sha256

    def module(self) -> "nn.Module":
        """The decoder as a torch module (B, D, T) to (B, T * hop), through which gradients flow.

        Raises:
            UserError: the codec's decoder is no network of torch.
        """
        return self._opened.decoder_module()

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """Audio (T * hop,) float32 at the codec's rate, clipped to [-1, 1] as a WAV file would; (T, D) are its own."""
        return np.clip(self._opened.decode(np.ascontiguousarray(latents, np.float32)), -1, 1)

    def __getstate__(self) -> dict[str, Any]:
        return {"codec": self.codec, "device": self.device, "weights": self.weights}


@dataclass(frozen=True)
class Utterance:
    """One utterance that can be heard.

    start: store row of its first frame. latents: (T, D) of the representation. own: (T', D') of the codec.
    original: its recording at 16 kHz, as long as what is decoded.
    """

    utterance_id: str
    speaker_id: str
    start: int
    latents: np.ndarray
    own: np.ndarray
    original: Original


class Source:
    """A representation of recordings, with the way back to audio.

    Attributes:
        codec: the decoder of the codec's own frames. decoder: of the frames that `to_root` gives; the same one, unless
            the representation has trained another.

    Raises:
        UserError: a link of the chain has no inverse (it is named), the codec is another than the one that made the
            root, or a file is missing or damaged.
    """

    def __init__(self, decoding: Decoding, device: str) -> None:
        self.codec = self.decoder = Decoder(decoding.codec, device)
        self.transforms: list[Transform] = open_chain(decoding.chain)
        for link in self.transforms:
            if (weights := link.decoder_weights()) is not None:
                self.decoder = Decoder(decoding.codec, device, weights)
        self.root, self.store = open_latents(decoding.chain[0]), open_latents(decoding.chain[-1])
        check_codec(decoding.codec, self.codec.weights_sha256, self.root, decoding.chain[0])
        self._audio, manifest = decoding.audio, read_parquet(decoding.manifest, PART_COLUMNS, made_by="build_manifest")
        self._recordings = manifest.set_index("utterance_id")

    @property
    def samples_a_frame(self) -> float:
        """Samples of the codec's audio for each frame of the representation."""
        return self.decoder.sample_rate_hz / self.store.frame_rate_hz

    def to_root(self, latents: np.ndarray, utterance_id: str, noise: "torch.Generator | None" = None) -> np.ndarray:
        """The codec's own frames for (T, D) frames of the representation: stored ones, or others.

        Args:
            noise: of what links draw, as of `invert_chain`.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # of forecasts that grow without bound
            return invert_chain(self.transforms, latents.astype(np.float32), utterance_id, noise)

    def utterance(self, utterance_id: str, max_duration_s: float) -> Utterance:
        """An utterance, or its beginning where it is longer.

        Raises:
            UserError: its recording is missing, or is another than the manifest lists.
        """
        row = _row(self.store, utterance_id)
        n = min(int(row.n_frames), int(max_duration_s * self.store.frame_rate_hz))
        latents = np.asarray(self.store.array()[row.start : row.start + n], np.float32)
        own_row = _row(self.root, utterance_id)
        back = self.to_root(latents, utterance_id)
        own = np.asarray(self.root.array()[own_row.start : own_row.start + len(back)], np.float32)
        seconds = min(len(back), len(own)) * self.decoder.hop_samples / self.decoder.sample_rate_hz
        return Utterance(
            utterance_id, str(row.speaker_id), int(row.start), latents, own[: len(back)],
            self._original(utterance_id, round(seconds * RATE_HZ), whole=n == row.n_frames),
        )  # fmt: skip

    def original(self, utterance_id: str, max_duration_s: float) -> np.ndarray:
        """The recording at 16 kHz, or its beginning where it is longer.

        Raises:
            UserError: as of `utterance`.
        """
        return self._original(utterance_id, round(max_duration_s * RATE_HZ), whole=False).audio

    def _original(self, utterance_id: str, samples: int, whole: bool) -> Original:
        recording = self._recordings.loc[utterance_id]
        path = self._audio / str(recording.path)
        check_unchanged(path, str(recording.sha256))
        blocks, n = [np.empty(0, np.float32)], 0
        for block in audio_blocks(path, RATE_HZ):
            blocks.append(block)
            n += len(block)
            if n >= samples:
                break
        text = transcript_of(path) if whole else None  # a transcript tells nothing of a part
        return Original(np.clip(np.concatenate(blocks)[:samples], -1, 1), None if text is None else words_of(text))


def to_scored_rate(audio: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Audio resampled to 16 kHz, as recordings are (soxr, high quality)."""
    if sample_rate_hz == RATE_HZ:
        return audio
    return np.clip(np.asarray(soxr.resample(audio, sample_rate_hz, RATE_HZ), np.float32), -1, 1)


def draw_utterances(
    frames: FrameIndex, split: str, wanted: int, needed: int, names: tuple[object, ...], where: str
) -> pd.DataFrame:
    """Utterances of a split, drawn by name: a second one of a speaker only after the first of all.

    Args:
        needed: frames; shorter utterances, and those with a frame that is not finite, are not drawn.
        where: the section of the config, for the message.

    Returns:
        A row each: utterance_id (the index), speaker_id, row (its first frame's), n.

    Raises:
        UserError: there are fewer than `wanted`.
    """
    whole = frames.of_splits(split).utterance_table()
    fit = whole[(whole["n"] >= needed) & whole["valid"]]
    if len(fit) < wanted:
        raise UserError(
            f"{len(fit)} of {len(whole)} utterances of split {split} have at least {needed} frames, all finite; "
            f"{wanted} are asked for",
            f"utterances and split of the section {where}",
            "ask for fewer utterances, or use a larger corpus",
        )
    return speakers_in_turn(fit, names).iloc[:wanted]


def speakers_in_turn(utterances: pd.DataFrame, names: tuple[object, ...]) -> pd.DataFrame:
    """Utterances in an order that is drawn by name: a second one of a speaker only after the first of all."""
    shuffled = utterances.iloc[numpy_generator(*names, "utterances").permutation(len(utterances))]
    turn = shuffled.groupby("speaker_id", observed=True).cumcount().to_numpy()
    return shuffled.iloc[np.argsort(turn, kind="stable")]


def _row(store: LatentsStore, utterance_id: str) -> Any:
    found = store.utterances[store.utterances["utterance_id"] == utterance_id]
    return found.iloc[0]
