"""`learned`: what representations are judged by, in the frames of a reference."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from latentdyn.config.measurements.lagged import WithEvaluation
from latentdyn.config.representations.rates import Interpolated, LowerRate
from latentdyn.config.shapes import Known
from latentdyn.config.values import FrameCount, Horizons, Ridges

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Learned(WithEvaluation):
    """Decoded skill and state information of a representation, in the frames of a reference."""

    of_evaluation = frozenset({"max_frames", "bootstrap_resamples"})
    measurement = "learned"
    section = "learned"
    purpose = "representations judged in the frames of a reference"
    by = "representation"
    metrics = "learned_{variant}.json"
    sums = "learned_{variant}_speakers.parquet"
    variant = "reference"
    roles: ClassVar = {}
    needs_gpu = False
    compares = True
    minutes = (60, 5)
    copies = 12.0

    window_frames: int = Field(8, ge=1, le=10_000, description="W: frames that forecasts are made from")
    horizons: Horizons = Field([1, 2, 4, 8, 16], description="h: steps ahead that forecasts are scored at")
    information_horizons: Horizons = Field([1, 2, 4, 8], description="j: steps ahead that a frame tells about")
    ridges: Ridges = Field(
        [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
        description="candidates for the ridge, in units of the mean context variance; validation speakers choose one",
    )
    damage: float = Field(
        0.05,
        ge=1e-4,
        lt=1,
        description="share of the variance of the reference's frames that noise costs, at which the rate is measured",
    )
    max_forecasts: FrameCount = Field(
        20_000, description="forecasts of a split that are mapped back; more are subsampled"
    )

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        """Check that utterances are long enough, and that frames lead to those of the reference."""
        assert variant is not None
        ahead = max(self.horizons[-1], self.information_horizons[-1])
        known.check_frames(
            where, self.window_frames + ahead, "the section learned (window_frames, horizons, information_horizons)"
        )
        known.check_split(where, "eval", "representations are measured on it")
        if len(self.ridges) > 1:
            known.check_split("learned.ridges", "validation", "speakers of the split validation choose it")
        if config.chain(by)[0] != config.chain(variant)[0]:
            raise ValueError(
                f"{where}.reference: '{by}' and '{variant}' are not made of one encoder, process or provided latents, "
                "so that no frames of the one lead to the other"
            )
        for link in config.derivation(variant)[:-1]:
            if not isinstance(link, LowerRate | Interpolated):
                raise ValueError(
                    f"{where}.reference: '{variant}' is no frames of the codec, nor these at a lower rate (its link "
                    f"{link.kind}), and a representation that was shaped to be predictable is no common ground"
                )
        rate = config.all_representations[variant].shape(config, known.corpus).rate_hz
        if None not in (rate, known.shape.rate_hz) and rate != known.shape.rate_hz:
            raise ValueError(
                f"{where}.reference: '{variant}' has {rate:g} frames a second, and '{by}' {known.shape.rate_hz:g}; "
                "pool or stack the codec's frames to the same rate"
            )
