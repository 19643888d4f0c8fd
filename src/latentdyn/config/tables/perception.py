"""Tables of decoded latents and their scores (docs/perception.md): records as they are."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from latentdyn.config.measurements import Measurement, MeasurementKind
from latentdyn.config.measurements.perception import (
    DecoderTolerance,
    Exp3BSynthetic,
    FreeListening,
    Perception,
    PerceptualRollouts,
    RateQuality,
)
from latentdyn.config.tables.base import (
    Difference,
    PlainTable,
    Shown,
    check_predictors,
    check_trained,
    unheard_rows,
)
from latentdyn.config.values import Names

if TYPE_CHECKING:
    from latentdyn.config.root import Root

_REFERENCES = (
    "`original` is the undecoded recording, `reconstruction` what the codec decodes of its own latents, at their own "
    "frame rate, whatever the row's representation is. n: utterances that PESQ, or the first score, could be given to. "
)
_STATE_ERRORS = "State errors are of the frames that are decoded. "


class HeardTable(PlainTable):
    """A table of what representations sound like."""

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        for row, link in unheard_rows(config, self.rows(config)).items():
            raise ValueError(
                f"{where}: '{row}' has no way back to audio (its link {link} has no inverse), so it cannot be heard; "
                "leave it out"
            )


class DecoderToleranceTable(HeardTable):
    """How much noise on latents can be heard."""

    shown = Shown(
        about="A row is white noise on latents, σ in deviations of each dimension of the training frames, decoded. "
        "What a representation itself decodes to stands at σ = 0. "
        + _REFERENCES
        + _STATE_ERRORS
        + "`state_error_normalised` compares with that of forecasts.",
        caption="Scores of decoded latents by the noise on them",
        drawn=("pesq", "stoi", "mel_distance"),
        axis="sigma",
    )

    kind: Literal["decoder_tolerance"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return by_representation(self, config, DecoderTolerance, corpus)


class RateQualityTable(HeardTable):
    """What latents with noise cost to send, and how they sound; beside them a quantizer's points."""

    view = "rate_quality"
    shown = Shown(
        about="A row `noisy` is white noise on latents, σ in deviations of each dimension of the training frames: what "
        "such frames cost to send, and how they sound decoded. The past is worth what it saves of the memoryless rate "
        "at the same σ, hence at the same sound. A row `shaped` is noise of the same entropy, laid where the decoder "
        "lets it be heard least. A row `quantizer` is frames dequantized by the codec's own quantizer; "
        "its codes are counted at full size, and the table `quantization` says what a model saves of them. "
        "Rates are of all frames of the split, scores of a few of its utterances. " + _REFERENCES,
        caption="Rate of latents with noise against the quality of what is decoded",
        columns=("rate_kbit_per_s", "rate_kbit_per_s_memoryless", "rate_saved", "rate_saved_shuffled", "pesq", "stoi",
                 "mel_distance", "dnsmos", "speaker_similarity", "word_error_rate", "word_change", "unscored"),
    )  # fmt: skip

    kind: Literal["rate_quality"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return by_representation(self, config, RateQuality, corpus)


class Exp3BSyntheticTable(HeardTable):
    """Synthetic movements of true latents, decoded (Exp 3B, seed 003 §1.4), with controls."""

    shown = Shown(
        about="A row is a movement made of true latents, decoded. GT: the truth. B_slow_a: true directions, magnitudes "
        "times α. A_stationary: the first frame held. C_wrong_dir: random directions, true magnitudes. Controls: "
        "reanchored_a, as B_slow, but every step starts from truth, so that α mixes a frame with the one before (near "
        "0 it is the truth one frame late, which PESQ allows for; halfway it is a blur); shuffled_magnitudes, true "
        "directions; rotated_c, directions turned to this cosine at true magnitudes; C_at_B_error_a, C's error, in "
        "every frame as long as B_slow's. If direction is what is heard, B_slow beats C_at_B_error at the same state "
        "error. " + _REFERENCES + _STATE_ERRORS,
        caption="Synthetic movements of latents, decoded (Exp 3B)",
        drawn=("pesq", "stoi", "mel_distance"),
        differences=(
            Difference(name="wrong_direction", metric="pesq", of="B_slow", other="C_wrong_dir"),
            Difference(name="equal_error", metric="pesq", of="B_slow", other="C_at_B_error*"),
        ),
    )

    kind: Literal["exp3b_synthetic"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return by_representation(self, config, Exp3BSynthetic, corpus)


class HeardPredictors(HeardTable):
    """A table of what predictors sound like."""

    predictors: Names = Field(description="rows; each must be fitted at k = 1")

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        check_predictors(where, config, self.predictors)
        check_trained(where, config, self.predictors, [1])


class PerceptualRolloutsTable(HeardPredictors):
    """Forecasts of a few steps as they sound, spliced into utterances."""

    shown = Shown(
        about="A row is a forecast of `step` frames within an utterance whose other frames are all true, decoded: by "
        "the mean, by draws (`sampled`), the last true frame `held`, `silence` in place of the decoded segment, or "
        "nothing replaced (`true`, which does not depend on the step for the whole utterance). Slice `all`: the whole "
        "utterance; `window`: the segment with a margin. " + _REFERENCES + _STATE_ERRORS,
        caption="Forecasts spliced into utterances, decoded",
        drawn=("pesq", "mel_distance"),
        axis="step",
    )

    kind: Literal["perceptual_rollouts"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return self.by_rows(config, PerceptualRollouts, corpus, self.predictors)


class FreeListeningTable(HeardPredictors):
    """Sampled free runs as they sound."""

    shown = Shown(
        about="A row is speech of one kind, all of equal duration: free runs by draws (`sampled`), true frames of "
        "the same stretch decoded (`true`: what this representation can sound like at best), the codec's own frames of "
        "it decoded (`reconstruction`), its recording (`original`). `frechet_mel` compares with recordings of training "
        "speakers; that of `original` is the smallest to expect. n: runs.",
        caption="Free runs, decoded",
        drawn=("dnsmos", "frechet_mel"),
        differences=(Difference(name="true", metric="dnsmos", of="sampled", other="true"),),
    )

    kind: Literal["free_listening"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return self.by_rows(config, FreeListening, corpus, self.predictors)


def by_representation(table: PlainTable, config: "Root", kind: type[Perception], corpus: str) -> list[Measurement]:
    """The measurements of a kind of every row, by the representation itself."""
    section: MeasurementKind = config.section(kind)
    return [section.of(config, corpus, row, row, 0) for row in table.rows(config)]
