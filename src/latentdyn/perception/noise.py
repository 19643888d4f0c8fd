"""How much frames change when white noise is added to the audio: E‖f(a + n) - f(a)‖² over tr S, by the SNR.

f is the codec's encoder and then every fitted transform of the chain. S is the covariance of the clean frames f(a) that
are compared, so that log-mel frames, the control, stand on the same footing. No link needs an inverse.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from latentdyn.codecs.base import open_codec
from latentdyn.codecs.encoding import encode_stream
from latentdyn.codecs.makers import check_codec
from latentdyn.corpus.audio import audio_blocks
from latentdyn.corpus.partition import PART_COLUMNS
from latentdyn.corpus.unchanged import check_unchanged
from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval
from latentdyn.diagnostics.records import Record, record
from latentdyn.metrics import NOISE_RESPONSE, NOISE_RESPONSE_LOG_MEL, NONFINITE, Metric
from latentdyn.parquet import read_parquet
from latentdyn.perception.mel import MelSettings, log_mel
from latentdyn.perception.source import Decoding, draw_utterances, to_scored_rate
from latentdyn.progress import progress
from latentdyn.representations.base import Utterance
from latentdyn.representations.inversion import open_links
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.latents import open_latents

_Sums = np.ndarray  # (3 + D,): of frames x, about one point: Σ‖change‖², how many, Σ‖x‖², Σx


class Encoder:
    """From audio to frames of a representation.

    Raises:
        UserError: the codec is another than the one that made the root, or a store of the chain is missing or damaged.
    """

    def __init__(self, way: Decoding, device: str) -> None:
        self._codec = open_codec(way.codec, device=device)
        check_codec(way.codec, self._codec.weights_sha256, open_latents(way.chain[0]), way.chain[0])
        self._links = open_links(way.chain)

    @property
    def sample_rate_hz(self) -> int:
        return self._codec.sample_rate_hz

    def __call__(self, audio: np.ndarray, utterance_id: str, speaker_id: str, split: str) -> np.ndarray:
        """(T, D) of audio (n,) at the codec's rate."""
        pieces = list(encode_stream(self._codec, iter([audio])))
        latents, energy_db = (np.concatenate(part) for part in zip(*pieces, strict=True))
        for link in self._links:
            latents, energy_db = link.apply(Utterance(utterance_id, speaker_id, split, latents, energy_db))
        return latents


class _Response(NamedTuple):
    """Sums over the finite frames of one utterance, and how many frames were not finite."""

    speaker_id: str
    sums: _Sums
    nonfinite: int


def noise_responses(
    way: Decoding, frames: FrameIndex, settings: Mapping[str, Any], section: str, device: str
) -> list[Record]:
    """The response of frames, and of log-mel frames of the same audio, at every SNR.

    Noise is drawn at the codec's rate and scaled to the mean power of each utterance. The sum is clipped to [-1, 1] as
    a WAV file would. The same noise serves every SNR. What is not finite is left out and counted.

    Args:
        frames: the frame index of the representation. settings: split, utterances, max_duration_s, snrs_db, mel and
            bootstrap_resamples. section: of the config, for messages.

    Raises:
        UserError: as of `Encoder` and `draw_utterances`, or a recording is missing or changed.
    """
    encoder, mel, split = Encoder(way, device), MelSettings(**settings["mel"]), settings["split"]
    names = ("perception", split)
    drawn = draw_utterances(frames, split, settings["utterances"], 2, names, section)
    recordings = read_parquet(way.manifest, PART_COLUMNS, made_by="build_manifest").set_index("utterance_id")
    found: dict[tuple[Metric, float], list[_Response]] = {}
    origins: dict[Metric, np.ndarray] = {}
    for name, row in progress(drawn.iterrows(), total=len(drawn), unit="utterance", desc="noise"):
        recording = recordings.loc[name]
        path = way.audio / str(recording.path)
        check_unchanged(path, str(recording.sha256))
        audio = _beginning(path, encoder.sample_rate_hz, settings["max_duration_s"])
        who = (str(name), str(row["speaker_id"]), split)
        noise = numpy_generator("robustness", str(name)).standard_normal(len(audio))
        noise *= np.sqrt(np.square(audio, dtype=np.float64).mean() / np.square(noise).mean())

        def heard(sound: np.ndarray, who: tuple[str, str, str] = who) -> dict[Metric, np.ndarray]:
            scored = to_scored_rate(sound, encoder.sample_rate_hz)
            return {NOISE_RESPONSE: encoder(sound, *who), NOISE_RESPONSE_LOG_MEL: log_mel(scored, mel)}

        clean = heard(audio)
        for snr in settings["snrs_db"]:
            noisy = heard(np.clip(audio + 10 ** (-snr / 20) * noise, -1, 1).astype(np.float32))
            for metric, x in clean.items():
                origin = origins.setdefault(
                    metric, np.nan_to_num(x[:1], posinf=0, neginf=0).sum(axis=0, dtype=np.float64)
                )
                found.setdefault((metric, snr), []).append(_response(who[1], x, noisy[metric], origin))
    records: list[Record] = []
    for (metric, snr), responses in found.items():
        where = {"split": split, "mode": f"snr_{snr:g}_db"}
        records.append(_summary(metric, responses, settings["bootstrap_resamples"], names, where))
        if metric is NOISE_RESPONSE:
            lost, n = sum(r.nonfinite for r in responses), int(sum(r.sums[1] for r in responses))
            records.append(record(NONFINITE, lost, n + lost, **where))
    return records


def _beginning(path: Any, sample_rate_hz: int, seconds: float) -> np.ndarray:
    """Audio at this rate, up to these seconds."""
    wanted, n = round(seconds * sample_rate_hz), 0
    blocks = []
    for block in audio_blocks(path, sample_rate_hz):
        blocks.append(block)
        n += len(block)
        if n >= wanted:
            break
    return np.clip(np.concatenate(blocks)[:wanted], -1, 1).astype(np.float32)


def _response(speaker_id: str, clean: np.ndarray, noisy: np.ndarray, origin: np.ndarray) -> _Response:
    finite = np.isfinite(clean).all(axis=1) & np.isfinite(noisy).all(axis=1)
    x, y = clean[finite].astype(np.float64), noisy[finite].astype(np.float64)
    change, x = np.square(y - x).sum(), x - origin
    sums = np.concatenate([[change, len(x), np.square(x).sum()], x.sum(axis=0)])
    return _Response(speaker_id, sums, int((~finite).sum()))


def _summary(
    metric: Metric, responses: Sequence[_Response], resamples: int, names: tuple[object, ...], where: dict[str, Any]
) -> Record:
    by_speaker = pd.DataFrame([r.sums for r in responses]).groupby([r.speaker_id for r in responses]).sum().to_numpy()
    bootstrap = SpeakerBootstrap.draw(len(by_speaker), resamples, numpy_generator(*names, "bootstrap"))
    total = by_speaker.sum(axis=0)
    ((low, high),) = interval(_relative(bootstrap.weights @ by_speaker).reshape(-1, 1))
    return record(metric, float(_relative(total)), int(total[1]), ci_low=low, ci_high=high, **where)


def _relative(sums: np.ndarray) -> np.ndarray:
    """Σ‖change‖² over Σ‖x - mean‖², of sums (..., 3 + D)."""
    change, n, squares, firsts = sums[..., 0], sums[..., 1], sums[..., 2], sums[..., 3:]
    with np.errstate(invalid="ignore", divide="ignore"):
        spread: np.ndarray = squares - np.square(firsts).sum(axis=-1) / n
        relative: np.ndarray = np.where(spread > 0, change / spread, np.nan)
    return relative
