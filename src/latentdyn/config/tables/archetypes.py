"""The table of archetypes: prototypes of the directions of steps, and how well they transfer between speakers."""

from typing import TYPE_CHECKING, Literal

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.archetypes import Archetypes
from latentdyn.config.tables.base import PlainTable, Shown

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class ArchetypesTable(PlainTable):
    """Prototypes of the directions of each representation's steps, K by K (seed 004, Exp 4)."""

    shown = Shown(
        about="Do steps go in a few directions that come back, and are these the same in every voice? K prototypes are "
        "fitted to the directions of training speakers' steps, and judged on held-out speakers. Seed 004 asks for a "
        "`tightness` above .75 and a `speaker_transfer` above .6 at some K. Tightness alone proves nothing: it grows "
        "with K, for Gaussian steps too. So compare it with `tightness_random`, and with the rows of frames in random "
        "order (`shuffled`) and of Gaussian frames of equal covariance (`white`). Read transfer beside its ceiling. "
        "Near the ceiling, voices share what prototypes there are. Where the ceiling itself is far below 1, "
        "k-means cuts up a continuum, and finds other pieces each time. n: steps of held-out speakers.",
        caption="Prototypes of the directions of steps",
        columns=("tightness", "tightness_random", "speaker_transfer", "speaker_transfer_ceiling",
                 "speaker_transfer_chance", "r2_energy_labels", "r2_energy_linear", "r2_energy_random"),
        drawn=("tightness", "speaker_transfer", "r2_energy_labels"),
        axis="clusters",
    )  # fmt: skip

    kind: Literal["archetypes"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return [config.section(Archetypes).of(config, corpus, row, row, 0) for row in self.rows(config)]
