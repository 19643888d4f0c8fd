"""The table that learned representations are judged by, beside controls."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.learned import Learned
from latentdyn.config.measurements.perception import DecoderTolerance
from latentdyn.config.measurements.state_information import StateInformation
from latentdyn.config.tables.base import RowsTable, undefined, unheard_rows
from latentdyn.config.tables.geometry import Geometry
from latentdyn.config.values import Name, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class LearnedTable(RowsTable):
    """Decoded skill and state information of each representation, beside what is left of the reference's frames."""

    adds_to_plan: ClassVar[frozenset[str]] = frozenset({"objectives", "unheard", "window_frames"})

    kind: Literal["learned"]
    reference: Name = Field(
        description="the first row, in whose frames all others are scored: frames of the codec, or these pooled or "
        "stacked to the frame rate of the rows"
    )
    groups: Annotated[list[Literal["perception", "state_information"]], AfterValidator(no_duplicates)] = Field(
        [],
        description="`perception`: PESQ of what is decoded, by the section `decoder_tolerance`; it needs an optional "
        "package (docs/perception.md). `state_information`: by a network, too, by the section of that name; some CPU "
        "minutes a row",
    )

    def rows(self, config: "Root") -> list[str]:
        return list(dict.fromkeys([self.reference, *super().rows(config)]))

    def check(self, where: str, config: "Root") -> None:
        if self.reference not in config.representations:
            raise undefined(f"{where}.reference", self.reference, config.representations)
        super().check(where, config)
        wanted: list[tuple[str, Sequence[Any], Any]] = [("geometry.horizons", config.section(Geometry).horizons, 1)]
        if "perception" in self.groups:
            wanted += config.section(DecoderTolerance).needed_for_pesq()
        for setting, given, needed in wanted:
            if needed not in given:
                raise ValueError(f"{where}: it shows {needed}, which is not among {setting}")

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        rows, unheard = self.rows(config), unheard_rows(config, self.rows(config))
        judged = [config.section(Learned).of(config, corpus, row, row, 0, self.reference) for row in rows]
        shapes = [config.section(Geometry).of(config, corpus, row, row, 0) for row in rows]
        seen = rows if "state_information" in self.groups else []
        by_network = [config.section(StateInformation).of(config, corpus, r, r, 0, self.reference) for r in seen]
        heard = [row for row in rows if row not in unheard] if "perception" in self.groups else []
        return (
            judged
            + shapes
            + by_network
            + [config.section(DecoderTolerance).of(config, corpus, row, row, 0) for row in heard]
        )

    def plan(self, config: "Root", corpus: str) -> dict[str, Any]:
        unheard, window = unheard_rows(config, self.rows(config)), config.section(Learned).window_frames
        objectives = {name: config.representations[name].trained_for for name in self.rows(config)}
        own = {"objectives": objectives, "unheard": unheard, "window_frames": window}
        return super().plan(config, corpus) | own
