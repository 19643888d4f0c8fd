"""What prototypes of the directions of steps tell of the sound: its level, its spectrum, its pitch (seed 004, Exp 4).

How much a sound changes from one frame to the next is a number for each step. A codec hears a sound some time before or
after the middle of a frame's own audio; training speakers choose how long. Every number is of held-out speakers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from latentdyn.diagnostics.archetypes.directions import Directions, Found
from latentdyn.diagnostics.archetypes.evaluation import ArchetypeSettings
from latentdyn.diagnostics.archetypes.told import Quantity, Value
from latentdyn.diagnostics.bootstrap import SpeakerBootstrap
from latentdyn.diagnostics.records import Record, record
from latentdyn.metrics import (
    R2_SOUND_LABELS,
    R2_SOUND_LENGTH,
    R2_SOUND_LINEAR,
    R2_SOUND_RANDOM,
    SOUND_DELAY_MS,
)
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex


@dataclass(frozen=True)
class Sounds:
    """By how much sounds change at some frames, at some delays.

    rows: (M,), ascending rows of the store. delays_ms: L of them; with a positive one, a frame hears what comes later.
    changes: for each sound (L, M), from the frame before to this one; NaN where that is not known.
    """

    rows: np.ndarray
    delays_ms: Sequence[float]
    changes: Mapping[str, np.ndarray]

    def of_steps(self, sound: str, delay: int, steps: Directions) -> np.ndarray:
        """The change (n,) of a sound with each of these steps, at a delay; NaN where it is not known."""
        place = np.minimum(np.searchsorted(self.rows, steps.rows), len(self.rows) - 1)
        return np.where(self.rows[place] == steps.rows, self.changes[sound][delay][place], np.nan)


def sound_records(
    latents: Tensor, listen: Callable[[], Sounds], frames: FrameIndex, settings: ArchetypeSettings
) -> list[Record]:
    """For every sound and every K, R² of its changes by prototypes of directions, beside what else may tell them.

    Args:
        latents: (n_rows, D) resident. listen: gives the sounds of some of these rows; called once prototypes are found,
            since it may take long. frames: the frame index.

    Raises:
        UserError: as of `find_directions`, or there are fewer steps than K to fit to.
    """
    steps = settings.directions(latents, frames)
    generator = numpy_generator("archetypes", "bootstrap")
    bootstrap = SpeakerBootstrap.draw(steps.held_out.n_speakers, settings.bootstrap_resamples, generator)
    books = {
        n: (settings.prototypes(steps.train.x, n), settings.random_prototypes(steps.train.x, n))
        for n in progress(settings.cluster_counts, desc="archetypes", unit="codebook", leave=False)
    }
    sounds = listen()
    chosen = {sound: _at_best_delay(sound, sounds, steps) for sound in sounds.changes}
    records = []
    for sound, found in chosen.items():
        lines = [] if found is None else list(_by_lines(found[1], steps, bootstrap))
        for n, book in books.items():
            where = {"split": "eval", "mode": sound, "clusters": n}
            if found is None:
                records.append(record(R2_SOUND_LABELS, np.nan, 0, **where))
                continue
            delay, change = found
            for metric, value, (low, high), count in (*_by_prototypes(change, steps, book, bootstrap), *lines):
                records.append(record(metric, value, count, ci_low=low, ci_high=high, **where))
            records.append(record(SOUND_DELAY_MS, sounds.delays_ms[delay], lines[0].n, **where))
    return records


def _at_best_delay(sound: str, sounds: Sounds, steps: Found) -> tuple[int, Quantity] | None:
    """The delay at which direction and length of training steps together tell a sound best, and its changes then; None
    where it is known of no step of a split."""
    best, chosen = -np.inf, None
    for delay in range(len(sounds.delays_ms)):
        change = Quantity(*(sounds.of_steps(sound, delay, of) for of in (steps.train, steps.held_out)))
        if not change.is_known:
            continue
        known, of = ~np.isnan(change.train), _both(steps.train)
        rest = change.train[known] - Quantity(change.train, change.train).by_line(of, of)[known]
        told = 1 - rest.var() / max(change.train[known].var(), np.finfo(float).tiny)
        if told > best:
            best, chosen = told, (delay, change)
    return chosen


def _by_lines(change: Quantity, steps: Found, bootstrap: SpeakerBootstrap) -> Iterator[Value]:
    """R² by lines: of the direction, and of the length."""
    train, held_out = steps.train, steps.held_out
    for metric, of in ((R2_SOUND_LINEAR, _direction), (R2_SOUND_LENGTH, _log_length)):
        yield change.explained(metric, change.by_line(of(train), of(held_out)), held_out, bootstrap)


def _by_prototypes(
    change: Quantity, steps: Found, book: tuple[np.ndarray, np.ndarray], bootstrap: SpeakerBootstrap
) -> Iterator[Value]:
    """R² by prototypes, and by directions that were drawn at random in their place."""
    for metric, prototypes in zip((R2_SOUND_LABELS, R2_SOUND_RANDOM), book, strict=True):
        yield change.explained(metric, change.by_labels(steps, prototypes), steps.held_out, bootstrap)


def _direction(steps: Directions) -> np.ndarray:
    return steps.x


def _log_length(steps: Directions) -> np.ndarray:
    return np.log(steps.lengths)[:, None]


def _both(steps: Directions) -> np.ndarray:
    return np.column_stack([steps.x, np.log(steps.lengths)])
