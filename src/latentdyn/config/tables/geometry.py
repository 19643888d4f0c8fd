"""What representations are like without any predictor: the section `geometry`, and its table."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.lagged import WithEvaluation
from latentdyn.config.shapes import Known
from latentdyn.config.tables.base import PlainTable, Shown
from latentdyn.config.values import Horizons, Ridges

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Geometry(WithEvaluation):
    """What the past tells about a frame of a representation, by a straight line, and the shape of its frames."""

    measurement = "geometry"
    section = "geometry"
    purpose = "representations without a predictor"
    by = "representation"
    metrics = "geometry.json"
    sums = "geometry_speakers.parquet"
    roles: ClassVar = {}
    of_evaluation = frozenset({"max_frames", "bootstrap_resamples"})
    needs_gpu = False
    minutes = (20, 50)

    window_frames: int = Field(8, ge=1, le=100_000, description="W: frames of context")
    horizons: Horizons = Field([1, 2, 4, 8], description="k: how stale the context is")
    ridges: Ridges = Field(
        [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
        description="candidates for the ridge, in units of the mean context variance; validation speakers choose one",
    )
    spectrum_frames: int = Field(32, ge=4, le=1_000_000, description="frames of a stretch whose spectrum is taken")

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        known.check_frames(
            where, self.window_frames + self.horizons[-1], "the section geometry (window_frames, horizons)"
        )
        known.check_frames(where, self.spectrum_frames, "the section geometry (spectrum_frames)")
        known.check_split(where, "eval", "representations are measured on it")
        if len(self.ridges) > 1:
            known.check_split("geometry.ridges", "validation", "speakers of the split validation choose it")


class GeometryTable(PlainTable):
    """What the past tells about a frame, and the shape of the frames, of each representation."""

    shown = Shown(
        about="Held-out frames of each representation, without any trained predictor. `predictive_information` at "
        "staleness k is what W frames up to k frames before a frame tell about it, as far as a straight line can say. "
        "No invertible linear map of the latents changes it, and it is 0 for white noise. A row of frames that are "
        "shuffled within utterances shows how much of it is voice and room. It is also the level gain against one full "
        "Gaussian of frames, with the sign turned. The other numbers depend on the units of the latents.",
        caption="What the past tells about a frame, and the shape of the frames",
        columns=("predictive_information", "participation_ratio"),
        drawn=("predictive_information", "participation_ratio"),
        across="horizon",
    )  # fmt: skip

    kind: Literal["geometry"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return [config.section(Geometry).of(config, corpus, row, row, 0) for row in self.rows(config)]
