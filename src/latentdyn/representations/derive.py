"""Making the store of a derived representation: the same for every kind."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from latentdyn.representations.base import Source, Utterances, build_transform
from latentdyn.stores.frames import speaker_splits
from latentdyn.stores.latents import LatentsStore
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import derived_facts

log = logging.getLogger(__name__)


def derive_store(
    source: LatentsStore, settings: Mapping[str, Any], splits: pd.DataFrame, handle: Path, model: Path | None = None
) -> dict[str, Any]:
    """Write the derived representation of a whole store; returns its handle.

    The derived store has the utterances of its source, in their order. It is causal where its source and the transform
    are; where that is not known of the source, it is unknown (None) unless the transform is not causal. What was
    measured of the encoder's look-ahead (`look_ahead_ms`) holds for what a causal transform makes of it too.

    Args:
        settings: of the derived representation. splits: columns speaker_id, split. model: handle of the checkpoint,
            of kinds whose model another job trains.

    Raises:
        UserError: a speaker has no split, or the transform refuses (its own message).
    """
    utterances = Utterances(source, speaker_splits(source, splits))
    transform = build_transform(settings, Source(source.dim, source.frame_rate_hz))
    training = Utterances(source, utterances.split_of, only="train")
    if model is None:
        transform.fit(training)
    else:
        transform.load_model(model, training)
    facts = {
        **derived_facts(settings, source.handle),
        **transform.facts(utterances.table),
        "causal": source.handle["causal"] if transform.causal else False,
    }
    if transform.causal and "look_ahead_ms" in source.handle:
        facts["look_ahead_ms"] = source.handle["look_ahead_ms"]
    writer = LatentsWriter(
        handle,
        transform.dim,
        transform.frame_rate_hz,
        transform.dtype,
        fitted=transform.fitted(),
        code_stages=transform.code_stages,
        **facts,
    )
    for utterance in utterances:
        frames = transform.apply(utterance)
        writer.append(utterance.utterance_id, utterance.speaker_id, *frames, transform.codes(utterance))
    record = writer.close()
    before, after = source.handle["nonfinite_frames"], record["nonfinite_frames"]
    if before or after:
        log.info("%d non-finite frames, where the source has %d", after, before)
    return record
