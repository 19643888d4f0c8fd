"""Settings of kinds for tests: the config's own defaults, so that a test says only what matters to it."""

from typing import Any, get_args

from pydantic import BaseModel

from latentdyn.codecs.base import Codec, open_codec
from latentdyn.config.keys import KeyKind
from latentdyn.config.kinds import kinds_of
from latentdyn.config.networks import NetworkKind
from latentdyn.config.predictors import PredictorKind
from latentdyn.config.representations import RepresentationKind
from latentdyn.predictors.base import Predictor, build_predictor
from latentdyn.processes.base import Process, build_process

SECTIONS: dict[str, type[BaseModel]] = {
    "keys": KeyKind,
    "network": NetworkKind,
    "predictors": PredictorKind,
    "representations": RepresentationKind,
}


def kind_of(section: type[BaseModel]) -> str:
    """The word that chooses this class in a config."""
    (kind,) = get_args(section.model_fields["kind"].annotation)
    return str(kind)


def settings_of(section: str, kind: str, **changes: Any) -> dict[str, Any]:
    """An entry of a section as a rule hands it on. `changes` are not checked: code refuses what a config could not say.

    A `network` among the changes needs to say only what differs from the defaults, too.
    """
    (entry,) = (entry for entry in kinds_of(SECTIONS[section]) if kind_of(entry) == kind)
    if "network" in changes:
        changes["network"] = settings_of("network", **changes["network"])
    return entry.model_construct(kind=kind).model_dump(mode="json") | changes


def process_of(kind: str, **changes: Any) -> Process:
    """A process with these settings and the config's defaults."""
    return build_process(settings_of("representations", kind, **changes))


def predictor_of(kind: str, dim: int, **changes: Any) -> Predictor:
    """A fresh predictor of latents in `dim` dimensions, with these settings and the config's defaults."""
    return build_predictor(settings_of("predictors", kind, **changes), dim)


def codec_of(kind: str, **changes: Any) -> Codec:
    """A codec with these settings and the config's defaults."""
    return open_codec(settings_of("representations", kind, **changes))
