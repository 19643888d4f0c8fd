"""The health of a factorizer on held-out speakers, and its alarms (models.factorizer.health).

KL and NLL have intervals over speakers. What state and window tell of the next frame is measured as `state_information`
is: by straight lines of training speakers, on held-out ones.
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from latentdyn.diagnostics.learned.information import state_information
from latentdyn.diagnostics.learned.pair import BySpeaker, Pair
from latentdyn.diagnostics.records import Record, record
from latentdyn.errors import UserError
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import (
    ALARMS,
    CLAMPED_SIGMAS,
    DYNAMICS_MSE,
    DYNAMICS_SKILL,
    FACTORIZER_ALARMS,
    FRAME_NLL,
    INNOVATION_EFFICIENCY,
    INNOVATION_KBIT_PER_S,
    INNOVATION_NATS,
    INNOVATION_RATE,
    KEPT_STEP,
    NEXT_FRAME_INFORMATION,
    PRIOR_OVER_POSTERIOR,
    STATE_INFORMATION_WHOLE,
    STATE_RANK,
    STATE_VARIANCE,
    SWAP_RATIO,
    WINDOW_INFORMATION,
    WINDOW_NLL,
)
from latentdyn.models.factorizer.health import alarms, frame_costs, measure_health
from latentdyn.models.factorizer.network import HEALTH, Factorizer
from latentdyn.models.factorizer.objective import Seen
from latentdyn.models.sequences import Sequences, starts_of
from latentdyn.representations.factorizer import Factorizer as FactorizerTransform
from latentdyn.representations.inversion import open_links
from latentdyn.seeds import torch_generator

log = logging.getLogger(__name__)

_NAME = "factorizer"
_WHERE = {"split": "eval", "slice": "all"}
_BATCH = 64  # sequences
_PLAIN = {
    "rate_nats": INNOVATION_RATE, "efficiency": INNOVATION_EFFICIENCY, "swap_ratio": SWAP_RATIO,
    "clamped": CLAMPED_SIGMAS, "effective_rank": STATE_RANK, "dynamics_skill": DYNAMICS_SKILL, "window_nll": WINDOW_NLL,
    "dynamics_mse": DYNAMICS_MSE, "state_variance": STATE_VARIANCE, "prior_over_posterior": PRIOR_OVER_POSTERIOR,
}  # fmt: skip


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure a factorizer on the split eval.

    Raises:
        UserError: the latents are of no factorizer, utterances are too short, or as of `state_information`.
    """
    chain = subject.chain_to("own")
    links = open_links(chain)
    if not links or not isinstance(links[-1], FactorizerTransform):
        raise UserError("these latents are not the state of a factorizer", chain[-1], "give latents of that kind")
    model, source = links[-1].model, subject.frames_of(chain[-2])
    starts = {split: _starts(subject, model, split, settings["max_frames"]) for split in ("train", "eval")}
    seen = {split: list(_look(model, source, mine, split)) for split, mine in starts.items()}
    found = measure_health(model, seen["eval"], seen["train"])
    health = dict(zip(HEALTH, found.tolist(), strict=True))
    told, sums = _information(subject, model, source, settings)
    values = {name.metric: math.nan if name.value is None else name.value for name in told}
    health["state_information"] = values[NEXT_FRAME_INFORMATION.name]
    health["window_information"] = values[WINDOW_INFORMATION.name]
    costs = _costs(subject, model, seen["eval"], starts["eval"], settings["bootstrap_resamples"])
    n = costs.records[0].n
    plain = [record(metric, health[name], n, **_WHERE) for name, metric in _PLAIN.items()]
    rings = alarms(health, model.dim, model.source_dim)
    plain += [record(FACTORIZER_ALARMS[name], float(on), n, **_WHERE) for name, on in rings.items()]
    plain += [record(ALARMS, sum(rings.values()), n, **_WHERE), record(KEPT_STEP, int(model.kept_step), n, **_WHERE)]
    return Measured([*costs.records, *told, *plain], pd.concat([costs.sums, sums], ignore_index=True))


def _starts(subject: Subject, model: Factorizer, split: str, max_frames: int) -> pd.DataFrame:
    """The first frames of sequences that do not overlap.

    Raises:
        UserError: there is none.
    """
    length = _length(model)
    found = starts_of(subject.index.of_splits(split), length).on_grid(length)
    if not len(found):
        raise UserError(
            f"no speaker of split {split} has an utterance of {length} finite frames in a row",
            subject.latents_handle,
            "use longer utterances, or a factorizer of a shorter training.sequence_frames and window_frames",
        )
    return found.draw(max(1, max_frames // length), (_NAME, split))


def _length(model: Factorizer) -> int:
    return int(model.settings["window_frames"] + model.settings["training"]["sequence_frames"])


@torch.inference_mode()
def _look(model: Factorizer, source: np.ndarray, starts: pd.DataFrame, split: str) -> Iterator[Seen]:
    sequences = Sequences.of(torch.from_numpy(source), starts, _length(model))
    noise = torch_generator(_NAME, split)
    for first in range(0, len(sequences), _BATCH):
        yield model.see(sequences.batch(slice(first, first + _BATCH)), noise)


def _costs(subject: Subject, model: Factorizer, seen: list[Seen], starts: pd.DataFrame, resamples: int) -> BySpeaker:
    """KL and NLL of frames with their intervals; no NLL where the state has read the frame."""
    nats, nll = (torch.cat(of).numpy() for of in zip(*(frame_costs(model, batch) for batch in seen), strict=True))
    speakers = pd.DataFrame({"speaker_id": np.repeat(starts["speaker_id"].to_numpy(), nats.shape[1])})
    means = BySpeaker(speakers, resamples, (_NAME,))
    means.add(INNOVATION_NATS, nats.ravel(), **_WHERE)
    means.add(INNOVATION_KBIT_PER_S, nats.ravel() / math.log(2) * subject.store.frame_rate_hz / 1000, **_WHERE)
    if model.strict:
        means.add(FRAME_NLL, nll.ravel(), **_WHERE)
    return means


def _information(
    subject: Subject, model: Factorizer, source: np.ndarray, settings: dict[str, Any]
) -> tuple[list[Record], pd.DataFrame]:
    """What the stored state, and the window, tell of the next frame."""
    latents = subject.latents.cpu().numpy()
    pair = Pair.of(latents, source, subject.index, model.settings["window_frames"], 1)
    told = state_information(
        pair, [1], ridges=settings["ridges"], max_frames=settings["max_frames"],
        resamples=settings["bootstrap_resamples"], seed_names=(_NAME,),
    )  # fmt: skip
    names = {"frame": NEXT_FRAME_INFORMATION.name, "window": WINDOW_INFORMATION.name}
    records = [
        replace(found, metric=names[found.mode], mode=None, horizon=None)
        for found in told.records
        if found.metric == STATE_INFORMATION_WHOLE.name and found.mode in names
    ]
    sums = told.sums[(told.sums["metric"] == STATE_INFORMATION_WHOLE.name) & told.sums["mode"].isin(list(names))]
    return records, sums.assign(metric=sums["mode"].map(names)).drop(columns=["mode", "horizon"])
