"""The predictable state of frames, z_dyn, by a factorizer that another job has trained on them (models.factorizer).

Row t holds what frames up to t leave: the state of frame t + 1 where timing is strict, of frame t where it is
inclusive. So it knows no more than a frame of its source at the same time.

The way back is what the state alone tells, g(z, u). What is judged by its error takes the mean of the prior as u; what
is generated takes it as `way_back` says (seed 002 §4, options A to D). The noise σ of frames given z and u is drawn
where `way_back` asks for it: g is what the seed decodes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentdyn.models.factorizer.innovation import kl
from latentdyn.models.factorizer.innovation_flow import InnovationFlow, fit_flow
from latentdyn.models.factorizer.network import Factorizer as Model
from latentdyn.models.factorizer.network import build_factorizer
from latentdyn.representations.base import Source, Utterance, Utterances
from latentdyn.representations.learned import LearnedTransform
from latentdyn.seeds import numpy_generator, seed_torch, torch_generator

_FLOW = "way_back."  # before the names of its weights
_MOST = 200_000  # frames that a flow is fitted to: more would not fit in memory everywhere


class Factorizer(LearnedTransform):
    """States with mean 0 and covariance I over the training frames.

    A frame that is not finite has no state, and states begin anew after it.

    Args:
        dim: of the state. way_back: what generated frames take as their innovation: of kind `mean`, `prior` or `flow`.
            seed: of the training, and of the flow's. The others are as the model was trained with them.
    """

    inverse = "approximate"
    model_kind = "factorizer"
    model: Model

    def __init__(
        self, source: Source, dtype: str, dim: int, timing: str, window_frames: int, encoder: dict[str, Any],
        network: dict[str, Any], innovation: dict[str, Any], reconstructor: dict[str, Any], dynamics: dict[str, Any],
        future: dict[str, Any], training: dict[str, Any], way_back: dict[str, Any], seed: int,
    ) -> None:  # fmt: skip
        super().__init__(source, dtype)
        self.dim, self.way_back, self.seed = dim, way_back, seed
        self.trained_with = {
            "dim": dim, "timing": timing, "window_frames": window_frames, "encoder": encoder, "network": network,
            "innovation": innovation, "reconstructor": reconstructor, "dynamics": dynamics, "future": future,
            "training": training,
        }  # fmt: skip
        self.model = build_factorizer(self.trained_with, source.dim).eval()
        self.flow = self._new_flow() if way_back["kind"] == "flow" else None

    def load_model(self, handle: Path, training: Utterances) -> None:
        super().load_model(handle, training)
        if self.flow is not None:
            frames, states = (torch.cat(of) for of in zip(*self._pairs(training), strict=True))
            seed_torch(torch.device("cpu"), "innovation flow", self.seed)
            self.flow = self._new_flow()
            settings = {name: self.way_back[name] for name in ("steps", "batch_size", "learning_rate")}
            noise = torch_generator("innovation flow", self.seed, "training")
            fit_flow(self.flow, self.model, frames, states, **settings, noise=noise)

    def fitted(self) -> dict[str, np.ndarray]:
        own = {} if self.flow is None else self.flow.state_dict()
        return super().fitted() | {_FLOW + name: value.numpy() for name, value in own.items()}

    def restore(self, fitted: Mapping[str, np.ndarray]) -> None:
        super().restore({name: array for name, array in fitted.items() if not name.startswith(_FLOW)})
        if self.flow is not None:
            mine = {name.removeprefix(_FLOW): array for name, array in fitted.items() if name.startswith(_FLOW)}
            self.flow.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in mine.items()})

    def _new_flow(self) -> InnovationFlow:
        nfe, width = self.way_back["nfe"], self.way_back["hidden_width"]
        return InnovationFlow(self.dim, self.model.innovation.dim, nfe, width)

    @torch.inference_mode()
    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        states = np.full((len(utterance.latents), self.dim), np.nan, np.float32)
        for run, frames in _finite_runs(utterance.latents):
            states[run] = self.model.stored(self.model.encoder(self.model.deviations(frames)[None])[0]).numpy()
        return states, utterance.energy_db

    @torch.inference_mode()
    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        if not len(latents):
            return np.empty((0, self.source.dim), np.float32)
        return self.model.rebuilt(_stored(latents)).numpy()

    @torch.inference_mode()
    def draw(self, latents: np.ndarray, utterance_id: str, noise: torch.Generator) -> np.ndarray:
        if self.way_back["kind"] == "mean" or not len(latents):
            return self.invert(latents, utterance_id)
        model, flow = self.model, self.flow
        if flow is None:
            frames = model.rebuilt(_stored(latents), lambda _, prior: prior.sample(noise))
        else:
            frames = model.rebuilt(_stored(latents), lambda stored, prior: flow.draw(stored, prior, noise))
        if self.way_back["noise"]:
            deviations = torch.randn(frames.shape, generator=noise) * model.reconstructor.bounded_log_sigma.exp()
            frames = frames + model.frames_of(deviations) - model.centre
        return frames.numpy()

    @torch.inference_mode()
    def innovation_nats(self, latents: np.ndarray) -> np.ndarray:
        """KL(q ‖ p) in nats of each frame of the source, of an utterance (T, D); NaN where it has no state."""
        nats = np.full(len(latents), np.nan)
        for run, frames in _finite_runs(latents):
            deviations, states = self._with_states(frames)
            posterior = self.model.innovation.posterior(deviations[None], states[None])
            of_run = kl(posterior, self.model.innovation.prior(states[None]))[0].sum(1).double().numpy()
            nats[run][len(frames) - len(of_run) :] = of_run
        return nats

    def _with_states(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames in a row (T, D), in principal axes and deviations, and their states; a strict first one has none."""
        deviations = self.model.deviations(frames)
        states = self.model.encoder(deviations[None])[0]
        return (deviations[1:], states[:-1]) if self.model.strict else (deviations, states)

    def _pairs(self, training: Utterances) -> Iterator[tuple[Tensor, Tensor]]:
        """Frames (n, D) of each utterance and their states (n, d), of all utterances about `_MOST` at most."""
        share, generator = _MOST / max(int(training.table["n_frames"].sum()), 1), numpy_generator("innovation flow")
        for utterance in training:
            for _, frames in _finite_runs(utterance.latents):
                with torch.no_grad():
                    pair = self._with_states(frames)
                kept = torch.from_numpy(generator.random(len(pair[0])) < share)
                yield pair[0][kept], pair[1][kept]


def _finite_runs(latents: np.ndarray) -> Iterator[tuple[slice, Tensor]]:
    """Where frames in a row are finite, and those frames."""
    finite = np.isfinite(latents).all(axis=1)
    for start, end in np.flatnonzero(np.diff(finite, prepend=False, append=False)).reshape(-1, 2):
        yield slice(start, end), torch.tensor(latents[start:end], dtype=torch.float32)


def _stored(latents: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(latents, np.float32))


TRANSFORM = Factorizer
