"""A beta-VAE of another representation's frames (seed 003 §6.1)."""

import operator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from latentdyn.config.corpora import CorpusKind
from latentdyn.config.kinds import any_kind_of
from latentdyn.config.networks import MLPNetwork, NetworkKind
from latentdyn.config.representations.base import Encoder
from latentdyn.config.representations.learned import LearnedRepresentation
from latentdyn.config.representations.objectives import LogDetGain, VAEObjective
from latentdyn.config.shapes import Shape
from latentdyn.config.values import Size, check_schedule

if TYPE_CHECKING:
    from latentdyn.config.root import Root

    Network = NetworkKind
else:
    Network = any_kind_of(NetworkKind)


class VAE(LearnedRepresentation):
    """A beta-VAE of another representation's frames (seed 003 §6.1)."""

    kind: Literal["vae"]
    dim: Size = Field(description="dimensions of a latent, at most the numbers that it stands for")
    static_dim: int = Field(
        0,
        ge=0,
        le=1_000_000,
        exclude_if=operator.not_,  # all is as it was before there was such a part, the digest of the settings, too
        description="of these, the last ones: what the utterance's frames so far tell of one vector that stays; 0: all "
        "dimensions move",
    )
    stack: int = Field(1, ge=1, le=10_000, description="consecutive frames of the source that a latent stands for")
    encoder: Literal["framewise", "causal"] = Field(
        "framewise",
        description="what a latent is read off: its own frames, or those of the latents before, too. One that looks "
        "back can smooth, which makes latents predictable without any insight",
    )
    past_frames: int = Field(
        3, ge=1, le=1000, description="of a causal encoder: latents before its own whose frames it reads"
    )
    posterior: Literal["mean", "sample"] = Field(
        "mean", description="what is stored: the posterior's mean, or a draw from it"
    )
    network: Network = Field(
        MLPNetwork(kind="mlp", width=256, layers=2), description="of encoder and decoder, each beside a line"
    )
    objective: VAEObjective = Field(VAEObjective(), description="what it is trained for")

    @property
    def trained_for(self) -> str:
        return self.objective.named + (", static part" if self.static_dim else "")

    @property
    def fitted_by(self) -> list[str]:
        return [*super().fitted_by, *self.objective.reconstruction.fitted_by]

    @property
    def listens(self) -> bool:
        return self.objective.reconstruction.listens

    def shape(self, config: "Root", corpus: CorpusKind | None) -> Shape:
        shape = super().shape(config, corpus)
        codec = config.all_representations[self.source]
        frame_rate_hz = codec.shape(config, corpus).rate_hz
        if isinstance(codec, Encoder) and codec.audio_rate_hz is not None and frame_rate_hz is not None:
            samples = self.stack * round(codec.audio_rate_hz / frame_rate_hz)
            try:
                self.objective.reconstruction.check_audio(codec.audio_rate_hz, samples, self.training.sequence_frames)
            except ValueError as error:
                raise ValueError(f"{self.path(config)}.objective.reconstruction.{error}") from None
        return shape

    def shape_of(self, source: Shape) -> Shape:
        training = self.training
        if self.encoder == "framewise" and not self.is_default("past_frames"):
            raise ValueError("past_frames: a framewise encoder reads none; leave it out")
        if self.static_dim >= self.dim:
            raise ValueError(
                f"static_dim: {self.static_dim} of {self.dim} dimensions stay, so that none is left to move"
            )
        if source.dim is not None and self.dim > self.stack * source.dim:
            raise ValueError(
                f"dim: {self.dim} is above the {self.stack * source.dim} numbers of {self.stack} stacked frames of "
                f"'{self.source}' ({source.dim} dimensions)"
            )
        if training.sequence_frames < (reach := self.objective.reach):
            raise ValueError(
                f"training.sequence_frames: {training.sequence_frames} latents are too few for the objective "
                f"(reconstruction, prior and terms), which takes {reach} in a row"
            )
        warm = self.objective.beta_warmup_steps
        check_schedule("objective.beta_warmup_steps", warm, training.steps, "beta is whole")
        length = self.stack * training.sequence_frames
        reason = f"{training.sequence_frames} latents of {self.stack} frames"
        source.check_frames("training.sequence_frames", length, reason, self.source)
        for i, term in enumerate(self.objective.terms):
            if isinstance(term, LogDetGain):
                self._check_batch(f"objective.terms.{i}", term)
        rate = source.rate_hz and source.rate_hz / self.stack
        return replace(source, rate_hz=rate, dim=self.dim, frames=source.frames and source.frames // self.stack)

    def _check_batch(self, where: str, term: LogDetGain) -> None:
        """Check that a batch tells the covariances that a term needs.

        Raises:
            ValueError: it has fewer than two latents for each number of a context and its target.
        """
        numbers = (self.dim - self.static_dim) * (term.window_frames + 1)
        a_sequence = self.training.sequence_frames + 1 - term.window_frames - term.horizons[-1]
        if (n := self.training.batch_size * a_sequence) < 2 * numbers:
            raise ValueError(
                f"{where}: a batch has {n} pairs of a context and its target, too few for a covariance of {numbers} "
                f"numbers; give training.batch_size × training.sequence_frames of at least {2 * numbers} pairs, or a "
                "shorter window_frames"
            )
