"""What a representation tells of a reference's later frames by a mixture density network."""

from dataclasses import fields
from typing import Any

from latentdyn.diagnostics.learned.information_mdn import MDNSettings, state_information_mdn
from latentdyn.diagnostics.learned.pair import Pair
from latentdyn.measurements.subject import Measured, Subject


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `state_information` says, in frames of the reference of its chains.

    Raises:
        UserError: as of `state_information_mdn`.
    """
    aligned = subject.frames_of(subject.chain_to("reference")[-1])
    horizons = settings["information_horizons"]
    pair = Pair.of(subject.latents.cpu().numpy(), aligned, subject.frames, settings["window_frames"], max(horizons))
    own = MDNSettings(**{field.name: settings[field.name] for field in fields(MDNSettings)})
    told = state_information_mdn(
        pair, horizons, own, ridges=settings["ridges"], max_frames=settings["max_frames"],
        resamples=settings["bootstrap_resamples"], seed_names=("state_information",),
    )  # fmt: skip
    return Measured(told.records, told.sums)
