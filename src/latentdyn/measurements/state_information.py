"""What a representation tells of a reference's later frames by a mixture density network."""

from dataclasses import fields
from typing import Any

from latentdyn.diagnostics.learned.information_mdn import MDNSettings, state_information_mdn
from latentdyn.diagnostics.learned.pair import Pair
from latentdyn.measurements.subject import Measured, Subject


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `state_information` says, in frames of the reference of its chains.

    The reference itself is also asked what its window tells: that is the same for all that are judged in its frames.

    Raises:
        UserError: as of `state_information_mdn`.
    """
    reference = subject.chain_to("reference")[-1]
    aligned, itself = subject.frames_of(reference), subject.chain_to("own")[-1] == reference
    horizons = settings["information_horizons"]
    pair = Pair.of(subject.latents.cpu().numpy(), aligned, subject.index, settings["window_frames"], max(horizons))
    own = MDNSettings(**{field.name: settings[field.name] for field in fields(MDNSettings)})
    told = state_information_mdn(
        pair, horizons, own, window=itself, ridges=settings["ridges"], max_frames=settings["max_frames"],
        resamples=settings["bootstrap_resamples"], seed_names=("state_information",),
    )  # fmt: skip
    return Measured(told.records, told.sums)
