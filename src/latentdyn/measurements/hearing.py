"""What measurements that decode share: the experiment that a subject and its settings make."""

from pathlib import Path
from typing import Any

from latentdyn.errors import UserError
from latentdyn.measurements.subject import Subject
from latentdyn.perception.experiment import Experiment
from latentdyn.perception.source import Decoding


def experiment_of(subject: Subject, settings: dict[str, Any], section: str, **more: Any) -> Experiment:
    """The experiment of a section of the config; `more` as of `Experiment`.

    Raises:
        UserError: as of `decoding_of` or `Source`.
    """
    return Experiment(
        decoding_of(subject), subject.index, settings, section,
        device=str(subject.device), workers=subject.workers, folder=subject.folder, **more,
    )  # fmt: skip


def decoding_of(subject: Subject) -> Decoding:
    """What leads from a subject's latents to audio, and back.

    Raises:
        UserError: the subject was not given it.
    """
    given = subject.decoding
    if given is None:
        raise UserError(
            "nothing says how these latents become audio",
            "--decoding",
            "give the codec's section of the config, the handles from the root on, the manifest and the audio folder",
        )
    return Decoding(
        given["codec"], [Path(handle) for handle in given["chain"]], Path(given["manifest"]), Path(given["audio"])
    )
