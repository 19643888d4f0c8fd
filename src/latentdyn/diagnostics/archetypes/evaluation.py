"""Archetypes: prototypes of the directions of steps, fitted to training speakers and judged on held-out ones.

The length threshold, the axes, the prototypes and all regressions are of training speakers. Every number is of held-out
speakers (eval), but for `tightness_training`. Below, n are directions, S speakers, K prototypes of P numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from latentdyn.diagnostics.archetypes.codebook import fit_prototypes, match, nearest
from latentdyn.diagnostics.archetypes.directions import Directions, Found, find_directions
from latentdyn.diagnostics.archetypes.told import Quantity, Value
from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, speaker_totals
from latentdyn.diagnostics.records import Record, record
from latentdyn.errors import UserError
from latentdyn.metrics import (
    DIRECTION_DIMS,
    R2_ENERGY_LABELS,
    R2_ENERGY_LINEAR,
    R2_ENERGY_RANDOM,
    SPEAKER_TRANSFER,
    SPEAKER_TRANSFER_CEILING,
    SPEAKER_TRANSFER_CHANCE,
    STEP_THRESHOLD,
    TIGHTNESS,
    TIGHTNESS_RANDOM,
    TIGHTNESS_TRAINING,
    Metric,
)
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex

_NAMES = ("archetypes",)


@dataclass(frozen=True)
class ArchetypeSettings:
    """The `archetypes` section of the config, and what it shares with `evaluation`.

    cluster_counts: numbers K of prototypes. threshold_quantile, variance, max_frames: as of `find_directions`.
    kmeans_iterations, kmeans_restarts: as of `fit_prototypes`. halvings: how often training speakers are split into two
    halves; transfer is the mean over these.
    """

    cluster_counts: Sequence[int]
    threshold_quantile: float
    variance: float
    kmeans_iterations: int
    kmeans_restarts: int
    halvings: int
    max_frames: int
    bootstrap_resamples: int

    def directions(self, latents: Tensor, frames: FrameIndex) -> Found:
        """Of training and held-out steps. Raises as of `find_directions`."""
        return find_directions(
            latents, frames, quantile=self.threshold_quantile, variance=self.variance, max_frames=self.max_frames,
            names=_NAMES,
        )  # fmt: skip

    def prototypes(self, x: np.ndarray, n: int, *names: object) -> np.ndarray:
        """n prototypes of directions x.

        Raises:
            UserError: these are fewer than n.
        """
        if len(x) < n:
            raise UserError(
                f"{n} prototypes are asked for, and "
                f"{'a half of the training speakers has' if names else 'there are'} {len(x)} steps to fit them to",
                "archetypes.cluster_counts and threshold_quantile, max_frames",
                "ask for fewer prototypes, lower the quantile, or use a larger corpus; for a table archetype_sounds, "
                "listen to more recordings",
            )
        return fit_prototypes(x, n, self.kmeans_iterations, self.kmeans_restarts, (*_NAMES, *names))

    def random_prototypes(self, x: np.ndarray, n: int) -> np.ndarray:
        """n of the directions x, drawn at random."""
        return x[numpy_generator(*_NAMES, "random", n).choice(len(x), n, replace=False)]


def archetype_records(
    latents: Tensor, energy_db: np.ndarray, frames: FrameIndex, settings: ArchetypeSettings
) -> list[Record]:
    """For every K, how tight prototypes are, whether two halves of the training speakers find the same ones, and what
    they tell of the audio's level.

    Args:
        latents: (n_rows, D) resident. energy_db: (n_rows,), level of the audio; NaN without audio. frames: the frame
            index.

    Raises:
        UserError: as of `find_directions`; there is one training speaker; or there are fewer steps than K to fit to.
    """
    found = settings.directions(latents, frames)
    train, held_out = found.train, found.held_out
    level = Quantity(level_changes(energy_db, train), level_changes(energy_db, held_out))
    if train.n_speakers < 2:
        raise UserError(
            "training speakers are split into two halves, and there is one with a step that is long enough",
            "splits of the corpus",
            "give splits.train two speakers or more",
        )
    generator = numpy_generator(*_NAMES, "bootstrap")  # one for all that is compared
    bootstrap = SpeakerBootstrap.draw(held_out.n_speakers, settings.bootstrap_resamples, generator)
    records = []
    for n in progress(settings.cluster_counts, desc="archetypes", unit="codebook", leave=False):
        where = {"split": "eval", "clusters": n}
        facts = ((DIRECTION_DIMS, found.axes.vectors.shape[1]), (STEP_THRESHOLD, found.threshold))
        for metric, value, (low, high), count in _codebook(found, level, n, settings, bootstrap):
            records.append(record(metric, value, count, ci_low=low, ci_high=high, **where))
        for metric, value, (low, high), count in _transfer(train, held_out, n, settings, bootstrap):
            records.append(record(metric, value, count, ci_low=low, ci_high=high, **where))
        records += [record(metric, value, len(held_out.x), **where) for metric, value in facts]
    return records


def _mean(metric: Metric, values: np.ndarray, held_out: Directions, bootstrap: SpeakerBootstrap) -> Value:
    """The mean of values (n,) of held-out directions."""
    sums = speaker_totals(values[:, None], held_out.speakers, held_out.n_speakers)
    return Value(metric, float(values.mean()), interval(bootstrap.ratios(*sums))[0], len(values))


# ------------------------------------------------------------------------------------------------- one codebook


def _codebook(
    found: Found, level: Quantity, n: int, settings: ArchetypeSettings, bootstrap: SpeakerBootstrap
) -> Iterator[Value]:
    """Tightness of n prototypes, beside n training directions that are drawn at random; R² by both."""
    train, held_out = found.train, found.held_out
    fitted, random = settings.prototypes(train.x, n), settings.random_prototypes(train.x, n)
    cosines = nearest(train.x, fitted)[1]
    yield _mean(TIGHTNESS, nearest(held_out.x, fitted)[1], held_out, bootstrap)
    yield Value(TIGHTNESS_TRAINING, float(cosines.mean()), np.full(2, np.nan), len(cosines))
    yield _mean(TIGHTNESS_RANDOM, nearest(held_out.x, random)[1], held_out, bootstrap)
    if level.is_known:
        steps = found.train.x, found.held_out.x
        for metric, predicted in (
            (R2_ENERGY_LABELS, level.by_labels(found, fitted)),
            (R2_ENERGY_LINEAR, level.by_line(*steps)),
            (R2_ENERGY_RANDOM, level.by_labels(found, random)),
        ):
            yield level.explained(metric, predicted, held_out, bootstrap)


def level_changes(energy_db: np.ndarray, of: Directions) -> np.ndarray:
    """By how many dB the level of the audio (n_rows,) changes with each step; NaN where that is not known."""
    with np.errstate(invalid="ignore"):  # silence can have a level of -inf
        change = energy_db[of.rows].astype(np.float64) - energy_db[of.rows - 1]
    return np.where(np.isfinite(change), change, np.nan)


# ----------------------------------------------------------------------------------------------------- transfer


def _transfer(
    train: Directions, held_out: Directions, n: int, settings: ArchetypeSettings, bootstrap: SpeakerBootstrap
) -> Iterator[Value]:
    """How often codebooks of n prototypes agree: of two halves of the training speakers, of two halves of their steps
    (the ceiling), and by chance."""
    agreement: dict[Metric, np.ndarray] = {}
    chance = np.zeros(1 + len(bootstrap.weights))
    for metric in (SPEAKER_TRANSFER, SPEAKER_TRANSFER_CEILING):
        agreement[metric] = np.zeros(len(held_out.x))
        for i in range(settings.halvings):
            first, second = _halves(train, i)
            if metric is SPEAKER_TRANSFER_CEILING:  # as many steps, whoever takes them
                order = numpy_generator(*_NAMES, "steps", i).permutation(len(train.x))
                first, second = order[: len(first)], order[len(first) :]
            books = [
                settings.prototypes(train.x[np.sort(half)], n, metric.name, i, side)
                for side, half in enumerate((first, second))
            ]
            pair = _pair_labels(held_out.x, *books)
            agreement[metric] += (pair[0] == pair[1]) / settings.halvings
            if metric is SPEAKER_TRANSFER:
                chance += _chance(pair, held_out, n, bootstrap) / settings.halvings
    yield from (_mean(metric, values, held_out, bootstrap) for metric, values in agreement.items())
    yield Value(SPEAKER_TRANSFER_CHANCE, float(chance[0]), interval(chance[1:, None])[0], len(held_out.x))


def _halves(train: Directions, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the steps of two disjoint halves of the speakers; of an odd number, the second half has one more."""
    order = numpy_generator(*_NAMES, "speakers", i).permutation(train.n_speakers)
    in_first = np.isin(train.speakers, order[: train.n_speakers // 2])
    return np.flatnonzero(in_first), np.flatnonzero(~in_first)


def _pair_labels(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) of directions by two codebooks, both by the numbers of the second one."""
    return match(first, second)[nearest(x, first)[0]], nearest(x, second)[0]


def _chance(
    pair: tuple[np.ndarray, np.ndarray], held_out: Directions, n: int, bootstrap: SpeakerBootstrap
) -> np.ndarray:
    """Σ p_a q_a of the shares that labels have in each codebook, and the same of every resample: (1 + R,)."""
    everyone = np.vstack([np.ones((1, held_out.n_speakers)), bootstrap.weights])
    shares = []
    for labels in pair:
        counts = np.zeros((held_out.n_speakers, n))
        np.add.at(counts, (held_out.speakers, labels), 1.0)
        drawn = everyone @ counts
        shares.append(drawn / drawn.sum(axis=1, keepdims=True))
    products: np.ndarray = (shares[0] * shares[1]).sum(axis=1)
    return products
