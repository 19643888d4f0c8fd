"""The table of what is right and wrong with factorizers."""

from typing import TYPE_CHECKING, Literal

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.factorizer import FactorizerHealth
from latentdyn.config.representations.factorizer import Factorizer
from latentdyn.config.tables.base import PlainTable, Shown

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class FactorizerHealthTable(PlainTable):
    """Whether state and innovation of each factorizer do their parts, and the setting to turn where they do not."""

    shown = Shown(
        about="Held-out frames of each factorizer's source, in sequences that do not overlap: the last ones of an "
        "utterance that fill no sequence are left out of n. An alarm rings where one of its parts does not do what it "
        "is there for, and names the setting to turn. `window_nll` is of training frames, so `frame_nll` may be above "
        "it without harm. `dynamics_mse`, `state_variance` and `prior_over_posterior` are what seed 000 watched; they "
        "decide nothing, since a small state changes the first two and an innovation that buys nothing passes all of "
        "them. What is explained below and not shown is in the CSV.",
        caption="What is right and wrong with factorizers",
        columns=("alarms", "innovation_nats", "innovation_rate", "innovation_efficiency", "swap_ratio", "state_rank",
                 "next_frame_information", "window_information", "dynamics_skill", "frame_nll", "window_nll"),
        drawn=("innovation_nats", "innovation_efficiency", "next_frame_information"),
    )  # fmt: skip

    kind: Literal["factorizer_health"]

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        for row in self.rows(config):
            if not isinstance(config.all_representations[row], Factorizer):
                raise ValueError(f"{where}.representations: '{row}' is no factorizer")

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        section, found = config.section(FactorizerHealth), config.all_representations
        return [
            section.of(config, corpus, row, row, 0, own.source)
            for row in self.rows(config)
            if isinstance(own := found[row], Factorizer)
        ]
