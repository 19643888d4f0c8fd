"""Measure what prototypes of the directions of steps tell of level, spectrum and pitch of the recordings."""

from typing import Any

import pandas as pd

from latentdyn.diagnostics.archetypes.evaluation import ArchetypeSettings
from latentdyn.diagnostics.archetypes.sounds import Sounds, sound_records
from latentdyn.errors import UserError
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.perception.contours import POINTS_HZ
from latentdyn.perception.hearing import Listener
from latentdyn.perception.source import speakers_in_turn


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the sections `archetype_sounds` and `archetypes` of the config say.

    Raises:
        UserError: there are more frames a second than contours have points; or as of `Listener.changes` and
            `sound_records`.
    """
    own, rate = settings["sounds"], subject.store.frame_rate_hz
    if rate > POINTS_HZ:
        raise UserError(
            f"sounds are known {POINTS_HZ} times a second, and these latents have {rate:g} frames a second",
            subject.latents_handle,
            "derive a representation of a lower frame rate",
        )
    chosen = [
        speakers_in_turn(subject.index.of_splits(split).utterance_table(), ("archetype_sounds", split))
        for split in ("train", "eval")
    ]
    listener = Listener(own["sounds"], own["delays_ms"], (own["lowest_pitch_hz"], own["highest_pitch_hz"]), rate)
    utterances = pd.concat([of.iloc[: own["recordings"]] for of in chosen])
    listened_to = subject.index.utterances["utterance_id"].isin(utterances.index).to_numpy()

    def listen() -> Sounds:
        rows, changes = listener.changes(utterances, *subject.recordings, subject.workers)
        return Sounds(rows, own["delays_ms"], changes)

    frames = subject.index.of_utterances(listened_to)
    return Measured(sound_records(subject.latents, listen, frames, ArchetypeSettings(**settings["archetypes"])))
