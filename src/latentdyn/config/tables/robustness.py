"""The table of noise on audio: how much of it reaches the frames."""

from typing import TYPE_CHECKING, Literal

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.perception import Robustness
from latentdyn.config.tables.base import PlainTable, Shown

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class RobustnessTable(PlainTable):
    """How much the frames of each representation change when white noise is added to the audio."""

    shown = Shown(
        about="A row is a representation, on recordings of held-out speakers. White noise is added to the audio at "
        "several signal-to-noise ratios (`snr_.._db`). The codec and every fitted transform then make frames of it, as "
        "they do of the clean audio. 0: noise does not reach the frames. 2: noisy and clean frames of one law have "
        "nothing to do with each other; a shift of all frames by the noise comes on top. Log-mel frames of the same "
        "audio are the control. n: frames.",
        caption="How much frames change when white noise is added to the audio",
        columns=("noise_response", "noise_response_log_mel"),
        drawn=("noise_response",),
        across="mode",
    )

    kind: Literal["robustness"]

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        for row in self.rows(config):
            for link in config.derivation(row):
                if not link.has_inverse:
                    raise ValueError(
                        f"{where}: '{row}' does not follow from audio frame by frame (kind {link.kind}), so how it "
                        "answers to noise says nothing; leave it out"
                    )

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return [config.section(Robustness).of(config, corpus, row, row, 0) for row in self.rows(config)]
