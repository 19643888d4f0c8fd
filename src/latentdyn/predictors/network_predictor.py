"""Predictors that are a network over the context and a head over its outputs."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from latentdyn.predictors.base import TrainedPredictor
from latentdyn.predictors.lookup import Basis, Engram, build_lookup
from latentdyn.predictors.networks import build_network
from latentdyn.predictors.reading import Context, Reading, ReadPast, Reads, missing_frames
from latentdyn.stores.windows import Scaling, Windows

_READ_AT_ONCE = 2**16  # frames of a batch of pasts


class NetworkPredictor(TrainedPredictor):
    """A network reads the normalised context. A subclass is a head: it makes a density of the network's outputs.

    Args:
        network: kind and options of the network (see networks).
        context_normalisation: `standard` (deviations of training frames); `deltas` (the newest frame in deviations of
            training frames, and instead of the older ones the steps between frames, in deviations of training steps: no
            information is lost, and steps are not small beside frames that wander); `directions` (the steps between
            frames, each of length 1: neither where frames are nor how long steps are); or `none` (the latents' own
            units).
        context_clip: normalised contexts are clamped to plus and minus this, so that an outlier does not lead the
            network far from all training data; None clamps nothing.
        lookup: kind and options of what is looked up beside (see lookup), or None. A basis is for heads that have a
            direction (`has_direction`): they make use of it.
        reads: what the network reads: the `window` of W frames, or the whole `past` of the utterance. Then a tensor
            of frames (B, L, D), L >= W, is a context too: those before it do not exist.
    """

    has_direction = False

    def __init__(
        self,
        dim: int,
        window_frames: int,
        outputs: int,
        *,
        network: dict[str, Any],
        context_normalisation: str,
        context_clip: float | None,
        lookup: dict[str, Any] | None,
        reads: str,
    ) -> None:
        super().__init__(dim, window_frames)
        self.context_normalisation, self.context_clip = context_normalisation, context_clip
        self.reads_past = reads == "past"
        seen_frames = window_frames - (context_normalisation == "directions")
        self.network = build_network(network, dim, seen_frames, outputs, reads)
        self.lookup = None if lookup is None else build_lookup(lookup, dim, window_frames, outputs)
        assert self.has_direction or not isinstance(self.lookup, Basis)

    def set_start(self, scaling: Scaling, train: Windows, validation: Windows | None, k: int) -> None:
        super().set_start(scaling, train, validation, k)
        if isinstance(self.lookup, Engram):
            self.lookup.fit(self.standardized(train.latents[train.rows[:]]))
        elif isinstance(self.lookup, Basis):
            rows = train.rows[:]
            self.lookup.fit(train.latents[rows] - train.latents[rows - 1])

    def outputs(self, context: Context, n: int | None = None) -> Tensor:
        """The network's outputs for context (B, W, D): (B, outputs), or the first n of them alone."""
        if self.reads_past:
            read = context if isinstance(context, ReadPast) else self.reading().context(context)
            outputs: Tensor = self.reader.answer_to(read.summary, n)
        else:
            outputs = self.network(self.normalised(context), n)
        if isinstance(self.lookup, Engram):
            outputs = outputs + self.lookup(self.standardized(self.newest(context)), n)
        return outputs

    def normalised(self, context: Tensor) -> Tensor:
        """Frames (B, W, D) as the network sees them."""
        if self.context_normalisation == "standard":
            context = self.standardized(context)
        elif self.context_normalisation == "deltas":
            steps = (context.diff(dim=1) - self.delta_mean) / self.delta_std
            context = torch.cat([steps, self.standardized(context[:, -1:])], dim=1)
        elif self.context_normalisation == "directions":
            context = F.normalize(context.diff(dim=1), dim=2)
        if self.context_clip is not None:
            context = context.clamp(-self.context_clip, self.context_clip)
        return context

    def newest(self, context: Context) -> Tensor:
        """The newest W frames of a context, (B, W, D)."""
        frames = context.recent if isinstance(context, ReadPast) else context
        return frames[:, -self.window_frames :]

    @property
    def reader(self) -> Reads:
        """The network, where it reads the past."""
        return cast(Reads, self.network)

    def reading(self) -> Reading:
        return _ReadingPast(self) if self.reads_past else super().reading()

    def history(self, windows: Windows, index: Tensor | slice, length: int, ahead: int = 0) -> Tensor:
        if self.reads_past:
            assert windows.t is not None
            length = max(length, 1 + int(windows.t[index].max()) + ahead)
        return super().history(windows, index, length, ahead)

    def batches(self, windows: Windows, k: int) -> Callable[[Tensor | slice], tuple[Context, Tensor]]:
        """As of every predictor. Where it reads the past, each utterance is read once, here, for all frames."""
        if not self.reads_past:
            return super().batches(windows, k)
        summaries = self._summaries(windows, k)

        def batch(index: Tensor | slice) -> tuple[Context, Tensor]:
            recent, delta = windows.batch(index, k)
            return ReadPast(recent, summaries[index]), delta

        return batch

    def every_context(self, frames: Tensor, newest: Tensor) -> tuple[ReadPast, Tensor]:
        summaries, _ = self.reader.read(self.normalised(frames))
        known = torch.arange(1, frames.shape[1] + 1, device=frames.device) - missing_frames(frames)[:, None]
        at, first = known >= self.window_frames, self.window_frames - 1
        windows = newest.unfold(1, self.window_frames, 1).transpose(2, 3)
        return ReadPast(windows[at[:, first:]], summaries[at]), at

    @torch.no_grad()
    def _summaries(self, windows: Windows, k: int) -> Tensor:
        """What the network says at the end of each context, (n, F)."""
        found: Tensor | None = None
        for index, place, frames in windows.pasts(k, _READ_AT_ONCE):
            summaries, _ = self.reader.read(self.normalised(frames))
            if found is None:
                found = summaries.new_empty(len(windows), summaries.shape[2])
            found[index] = summaries[place]
        assert found is not None
        return found


class _ReadingPast(Reading):
    """Reads each frame once: `memory` is of the first `n`."""

    def __init__(self, predictor: NetworkPredictor) -> None:
        super().__init__(predictor.window_frames)
        self.predictor, self.network = predictor, predictor.reader
        self.n, self.memory = 0, None

    def context(self, seen: Tensor) -> ReadPast:
        new = self.predictor.normalised(seen[:, self.n :])
        summaries, self.memory = self.network.read(new, self.memory)
        self.n = seen.shape[1]
        return ReadPast(super().context(seen), summaries[:, -1])
