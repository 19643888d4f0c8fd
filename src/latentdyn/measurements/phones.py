"""Measure what frames tell about the phone that is spoken: a linear probe, and a machine ABX."""

import logging
from typing import Any

from latentdyn.diagnostics.phones.alignment import read_phones
from latentdyn.diagnostics.phones.evaluation import PhoneSettings, Spoken, phone_records
from latentdyn.errors import UserError
from latentdyn.measurements.subject import Measured, Subject

log = logging.getLogger(__name__)


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `phones` of the config says.

    Raises:
        UserError: no times of phones were given, they name none of the utterances, or as of `phone_records`.
    """
    if subject.alignments is None:
        raise UserError(
            "nothing says when phones are spoken", "--alignments", "give the corpus's parquet of the times of phones"
        )
    store, phones = subject.store, read_phones(subject.alignments)
    timed = store.utterances["utterance_id"].isin(phones["utterance_id"])
    if not timed.any():
        raise UserError(
            "these times of phones name no utterance of the latents",
            subject.alignments,
            f"name utterances as the manifest does; the first one there is {store.utterances['utterance_id'].iloc[0]}",
        )
    if not timed.all():
        log.warning("%d of %d utterances have no times of phones, and are left out", (~timed).sum(), len(timed))
    frames = subject.index.of_utterances(timed.to_numpy()).finite()
    spoken = Spoken(subject.latents.cpu().numpy(), frames, store.utterances, store.frame_rate_hz, phones)
    return Measured(phone_records(spoken, PhoneSettings(**settings)))
