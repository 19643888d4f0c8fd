"""Generate frames from a factorizer's states: free runs of a predictor, led back as its `way_back` says."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from latentdyn.diagnostics.free_runs import FreeRunSettings
from latentdyn.diagnostics.learned.state_generation import measure_state_generation
from latentdyn.errors import UserError
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.representations.factorizer import Factorizer
from latentdyn.representations.inversion import open_links
from latentdyn.seeds import torch_generator


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `free_runs` of the config says, in the frames of the factorizer's source.

    Raises:
        UserError: the latents are of no factorizer, or as of `measure_state_generation`.
    """
    chain = subject.chain_to("own")
    links = open_links(chain)
    if not links or not isinstance(factorizer := links[-1], Factorizer):
        raise UserError("these latents are not the state of a factorizer", chain[-1], "give latents of that kind")
    source = subject.frames_of(chain[-2])
    nats = np.full(len(source), np.nan)
    for _, here in subject.index.of_splits(settings["split"]).by_utterance():
        rows = here.rows()
        nats[rows] = factorizer.innovation_nats(source[rows])

    def draw(states: np.ndarray, names: tuple[object, ...]) -> np.ndarray:
        return factorizer.draw(states, "", torch_generator("state generation", *names))

    own = {name: value for name, value in settings.items() if name != "energy_draws"}
    return Measured(
        measure_state_generation(
            subject.predictors()[1],
            subject.latents,
            torch.from_numpy(source).to(subject.device),
            subject.index,
            draw,
            nats,
            subject.store.frame_rate_hz,
            replace(FreeRunSettings(**own), at_steps=()),
            settings["energy_draws"],
            seed_names=("run freely",),  # as of the kind free_runs, so that both are of the same runs
        )
    )
