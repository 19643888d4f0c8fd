"""Frames of a representation, judged by the phones that are spoken: records of the probe and of ABX.

Every number is of held-out speakers (eval). The probe, its shares of phones, the delay and the mean that angles are
about are of training speakers. Controls: the same with the labels of each split, or of each speaker's tokens, permuted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from latentdyn.diagnostics.bootstrap import mean_intervals
from latentdyn.diagnostics.phones.abx import Tokens, across, errors_of_cells, unit_length, within
from latentdyn.diagnostics.phones.alignment import (
    SILENCE,
    frames_of,
    middle_frames,
    phones_of_rows,
    ranges,
)
from latentdyn.diagnostics.phones.probe import fit_probe, label_correlation
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.whitening import Whitening
from latentdyn.errors import UserError
from latentdyn.metrics import (
    ABX_ACROSS,
    ABX_TOKENS,
    ABX_WITHIN,
    PHONE_ACCURACY,
    PHONE_ACCURACY_CHANCE,
    PHONE_BITS,
    PHONE_DELAY_MS,
    PHONE_ENTROPY,
    PHONE_INFORMATION,
    PHONES,
    PHONES_UNSEEN,
    SILENT_SHARE,
)
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex

_NAMES = ("phones",)


@dataclass(frozen=True)
class PhoneSettings:
    """How frames are judged.

    silence: frames of no phone are a class of their own; they are left out otherwise. delays_ms: candidates. ridges: of
    the probe. train_frames: that the probe is fitted to, and as many of validation. max_frames: of eval. speakers,
    tokens_per_phone: of ABX, tokens of each speaker. centred: angles are about the training mean, not about 0.
    """

    silence: bool
    delays_ms: Sequence[float]
    ridges: Sequence[float]
    train_frames: int
    max_frames: int
    speakers: int
    tokens_per_phone: int
    centred: bool
    bootstrap_resamples: int


@dataclass(frozen=True)
class Spoken:
    """Frames of a representation, and the phones that are spoken under them.

    latents: (n_rows, D), as stored. frames: the frame index, those that are finite and of an utterance with times.
    utterances: utterance_id, speaker_id, start, n_frames. phones: utterance_id, start_s, end_s, label.
    """

    latents: np.ndarray
    frames: FrameIndex
    utterances: pd.DataFrame
    frame_rate_hz: float
    phones: pd.DataFrame

    def at(self, codes: np.ndarray, delay_ms: float) -> np.ndarray:
        """The codes (n_rows,) of the phones under all rows."""
        given = self.phones, codes, self.utterances, len(self.latents), self.frame_rate_hz, delay_ms / 1000
        return phones_of_rows(*given)


def phone_records(spoken: Spoken, settings: PhoneSettings) -> list[Record]:
    """What held-out frames tell about the phones, with its controls.

    Raises:
        UserError: no frame of train or eval stands for a phone.
    """
    codes, names = pd.factorize(spoken.phones["label"], sort=True)
    train = _drawn(spoken, "train", settings.train_frames)["row"].to_numpy()
    x = spoken.latents[train]
    whitening = Whitening.fit(x)
    white = whitening(x)
    delay_ms = max(  # of equal ones the first
        settings.delays_ms, key=lambda delay: label_correlation(white, spoken.at(codes, delay)[train] - SILENCE)
    )
    labels = spoken.at(codes, delay_ms)
    probed = _probe_records(spoken, settings, labels, whitening)
    origin = x.mean(axis=0, dtype=np.float64) if settings.centred else np.zeros(x.shape[1])
    heard = _abx_records(spoken, settings, codes, len(names), delay_ms / 1000, origin)
    return [*probed, record(PHONE_DELAY_MS, delay_ms, len(train), split="eval"), *heard]


def _drawn(spoken: Spoken, split: str, most: int) -> pd.DataFrame:
    """Frames of a split, drawn by name where there are more than `most`."""
    drawn = spoken.frames.of_splits(split).draw(most, (*_NAMES, split))
    if split != "validation" and drawn.empty:
        raise _nothing(split)
    return drawn


def _nothing(split: str) -> UserError:
    return UserError(
        f"no frame of split {split} is finite and of an utterance whose phones are known",
        "the representation's latents, and the corpus's times of phones",
        "look whether the times name the utterances as the manifest does",
    )


# ----------------------------------------------------------------------------------------------------- the probe


def _probe_records(spoken: Spoken, settings: PhoneSettings, labels: np.ndarray, whitening: Whitening) -> list[Record]:
    """The probe's records.

    Args:
        labels: (n_rows,), the phone of each row or SILENCE.
    """
    limits = {"train": settings.train_frames, "validation": settings.train_frames, "eval": settings.max_frames}
    drawn = {split: _drawn(spoken, split, most) for split, most in limits.items()}
    rows = {split: mine["row"].to_numpy() for split, mine in drawn.items()}
    silent = float((labels[rows["eval"]] == SILENCE).mean())
    lowest = SILENCE if settings.silence else 0
    rows = {split: mine[labels[mine] >= lowest] for split, mine in rows.items()}
    for split in ("train", "eval"):
        if not len(rows[split]):
            raise _nothing(split)
    seen = np.unique(labels[rows["train"]])
    known = {split: mine[np.isin(labels[mine], seen)] for split, mine in rows.items()}
    if not len(known["eval"]):
        raise _nothing("eval")
    unseen = len(rows["eval"]) - len(known["eval"])
    white = {split: whitening(spoken.latents[mine]) for split, mine in known.items()}
    truth = {split: np.searchsorted(seen, labels[mine]) for split, mine in known.items()}
    shares = np.bincount(truth["train"], minlength=len(seen)) / len(truth["train"])
    values = _scores(white, truth, shares, settings.ridges)
    mixed = {s: numpy_generator(*_NAMES, "permuted", s).permutation(mine) for s, mine in truth.items()}
    permuted = _scores(white, mixed, shares, settings.ridges)[:, :1]
    speakers = pd.factorize(drawn["eval"].set_index("row")["speaker_id"].loc[known["eval"]])[0]
    values = np.column_stack([values[:, 0], values[:, 0] / np.log(2), values[:, 1:], permuted])
    bounds = mean_intervals(
        values, speakers, settings.bootstrap_resamples, numpy_generator(*_NAMES, "eval", "bootstrap")
    )
    n, where = len(values), {"split": "eval"}
    metrics = (PHONE_INFORMATION, PHONE_BITS, PHONE_ENTROPY, PHONE_ACCURACY, PHONE_ACCURACY_CHANCE,
               PHONE_INFORMATION.part("permuted"))  # fmt: skip
    records = [
        record(metric, value, n, ci_low=low, ci_high=high, **where)
        for metric, value, (low, high) in zip(metrics, values.mean(axis=0), bounds, strict=True)
    ]
    facts = ((PHONES, len(seen)), (PHONES_UNSEEN, unseen), (SILENT_SHARE, silent))
    return records + [record(metric, value, n, **where) for metric, value in facts]


def _scores(
    white: dict[str, np.ndarray], truth: dict[str, np.ndarray], shares: np.ndarray, ridges: Sequence[float]
) -> np.ndarray:
    """Of eval frames (n, 4): information, -ln p(phone) by its share, whether the probe is right, whether the commonest
    phone is."""
    data = [(white[split], truth[split]) for split in ("train", "validation")]
    probe = fit_probe(data[0], data[1], len(shares), ridges)
    log_p, labels = probe.log_probabilities(white["eval"]), truth["eval"]
    alone = -np.log(shares)[labels]
    told = log_p[np.arange(len(labels)), labels] + alone
    return np.column_stack([told, alone, log_p.argmax(axis=1) == labels, shares.argmax() == labels])


# ----------------------------------------------------------------------------------------------------------- ABX


def _abx_records(
    spoken: Spoken, settings: PhoneSettings, codes: np.ndarray, n_phones: int, delay_s: float, origin: np.ndarray
) -> list[Record]:
    tokens = _tokens(spoken, settings, codes, delay_s, origin)
    labels = [mine.phones for mine in tokens]
    mixed = [numpy_generator(*_NAMES, "permuted", i).permutation(mine) for i, mine in enumerate(labels)]
    own, permuted = errors_of_cells(tokens, [labels, mixed], n_phones)
    n, records = sum(map(len, labels)), []
    for metric, how in ((ABX_WITHIN, within), (ABX_ACROSS, across)):
        for of, errors in ((metric, own), (metric.part("permuted"), permuted)):
            generator = numpy_generator(*_NAMES, "abx", "bootstrap")
            value, low, high = how(errors, settings.bootstrap_resamples, generator)
            records.append(record(of, value, n, split="eval", ci_low=low, ci_high=high))
    return [*records, record(ABX_TOKENS, n, n, split="eval")]


def _tokens(
    spoken: Spoken, settings: PhoneSettings, codes: np.ndarray, delay_s: float, origin: np.ndarray
) -> list[Tokens]:
    """The tokens of each speaker of eval, the same ones for every representation of a corpus.

    A phone too short for any frame's centre is the frame under its middle. Tokens with a frame that is not finite, and
    those beyond an utterance's last frame, are left out.
    """
    speakers = sorted(spoken.frames.of_splits("eval").speakers)
    drawn = sorted(numpy_generator(*_NAMES, "speakers").permutation(speakers)[: settings.speakers])
    speaker_of = spoken.utterances.set_index("utterance_id")["speaker_id"]
    whose = spoken.phones["utterance_id"].map(speaker_of)
    table = spoken.phones.assign(code=codes, speaker_id=whose)
    table = table[whose.isin(drawn)]
    shuffled = table.iloc[numpy_generator(*_NAMES, "tokens").permutation(len(table))]
    turn = shuffled.groupby(["speaker_id", "label"]).cumcount()
    chosen = shuffled[turn < settings.tokens_per_phone].sort_index()
    first, stop = frames_of(chosen, spoken.utterances, spoken.frame_rate_hz, delay_s)
    middle = middle_frames(chosen, spoken.utterances, spoken.frame_rate_hz, delay_s)
    short = stop <= first
    first, stop = np.where(short, middle, first), np.where(short, middle + 1, stop)
    begin, _, frames = spoken.frames.runs()
    run = np.searchsorted(begin, first, side="right") - 1
    usable = (run >= 0) & (stop <= (begin + frames)[run])  # within one run: all of them are finite
    chosen, first, stop = chosen[usable], first[usable], stop[usable]
    found = []
    for speaker in drawn:
        mine = np.flatnonzero(chosen["speaker_id"].to_numpy() == speaker)
        length = stop[mine] - first[mine]
        frames = unit_length(spoken.latents[ranges(first[mine], length)] - origin)
        found.append(Tokens(frames, np.cumsum(length) - length, length, chosen["code"].to_numpy()[mine]))
    return found
