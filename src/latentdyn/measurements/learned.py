"""Judge a representation in the frames of a reference: decoded skill, state information, reconstruction and rate."""

from typing import Any

import pandas as pd

from latentdyn.diagnostics.learned.decoding import decoded_skill, line_back, reconstruction
from latentdyn.diagnostics.learned.information import state_information
from latentdyn.diagnostics.learned.innovation_rate import innovation_rate
from latentdyn.diagnostics.learned.pair import Pair
from latentdyn.diagnostics.records import record
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import DIM, FRAME_RATE_HZ, NONFINITE, SPEAKERS
from latentdyn.representations.way import open_way

_SEED_NAMES = ("learned",)
LINE = "line"  # the way back where no link leads back


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `learned` says, in the frames of the reference that its chains lead to.

    Records of the decoded skill have as their mode how frames go back: `exact` or `approximate`, by the links of the
    chain, or `line`.

    Raises:
        UserError: the chains were not given or do not fit (see representations.way), or as of the diagnostics.
    """
    way = open_way(subject.chain_to("own"), subject.chain_to("reference"))
    store, frames = subject.store, subject.index
    aligned = subject.frames_of(subject.chain_to("reference")[-1])
    ahead = max(*settings["horizons"], *settings["information_horizons"])
    pair = Pair.of(subject.latents.cpu().numpy(), aligned, frames, settings["window_frames"], ahead)
    resamples, most = settings["bootstrap_resamples"], settings["max_frames"]
    shared: dict[str, Any] = {"ridges": settings["ridges"], "resamples": resamples, "seed_names": _SEED_NAMES}
    back = line_back(pair, settings["ridges"]) if way.inverse == "none" else way
    mode = LINE if way.inverse == "none" else way.inverse
    skill = decoded_skill(pair, back, mode, settings["horizons"], max_forecasts=settings["max_forecasts"], **shared)
    kept = reconstruction(pair, back, mode, resamples, _SEED_NAMES)
    told = state_information(pair, settings["information_horizons"], max_frames=most, **shared)
    rates, rate_sums = innovation_rate(
        pair, back, damage=settings["damage"], frame_rate_hz=store.frame_rate_hz,
        window_frames=settings["window_frames"], max_frames=most, **shared,
    )  # fmt: skip
    held_out = frames.of_splits("eval")
    facts = [
        record(metric, value, len(held_out), split="eval")
        for metric, value in (
            (DIM, store.dim), (FRAME_RATE_HZ, store.frame_rate_hz), (SPEAKERS, len(held_out.speakers)),
            (NONFINITE, len(held_out) - len(held_out.finite())),
        )
    ]  # fmt: skip
    records = [*facts, *skill.records, *kept.records, *told.records, *rates]
    return Measured(records, pd.concat([skill.sums, kept.sums, told.sums, rate_sums], ignore_index=True))
