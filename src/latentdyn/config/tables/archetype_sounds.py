"""The table of archetype sounds: what prototypes of the directions of steps tell of level, spectrum and pitch."""

from typing import TYPE_CHECKING, Literal

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.archetype_sounds import ArchetypeSounds
from latentdyn.config.tables.base import PlainTable, Shown

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class ArchetypeSoundsTable(PlainTable):
    """What prototypes of the directions of steps tell of the sound, K by K (seed 004, Exp 4)."""

    shown = Shown(
        about="What kind of sound is a direction? A row is one sound (`mode`): the `level` (by how many dB it changes "
        "with a step), the spectral `flux` (how far the mel spectrum moves, in dB) or the `pitch` (by how many "
        "semitones it changes, where both frames are voiced). `r2_sound_labels` is what the nearest of K prototypes "
        "tells of it. Prototypes are of use only where they tell more than directions drawn at random "
        "(`r2_sound_random`). A linear map of the direction (`r2_sound_linear`) says how much there is to tell. "
        "`r2_sound_length` is of the length of the step alone: a flux that the length tells is no matter of direction. "
        "All are of held-out speakers. n: steps of them with a known sound.",
        caption="What prototypes of the directions of steps tell of the sound",
        columns=("r2_sound_labels", "r2_sound_random", "r2_sound_linear", "r2_sound_length"),
        drawn=("r2_sound_labels", "r2_sound_random", "r2_sound_length"),
        axis="clusters",
    )

    kind: Literal["archetype_sounds"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return [config.section(ArchetypeSounds).of(config, corpus, row, row, 0) for row in self.rows(config)]
