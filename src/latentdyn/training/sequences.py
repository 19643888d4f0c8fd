"""The likelihood of a predictor that reads the past, trained on sequences: one pass scores every frame of them.

A sequence ends with a target frame that is drawn as all others are, and begins at most `length` frames before it, or
where its utterance begins. All frames with W frames of the sequence before them count equally.
"""

import torch
from torch import Tensor

from latentdyn.predictors.base import mean_nll
from latentdyn.stores.windows import Sequences
from latentdyn.training.likelihood import Likelihood

_BLOCK = 2048


class SequenceLikelihood(Likelihood):
    """The loss of every frame of sequences, in a regime whose contexts are true ones or noisy ones.

    The held-out loss is that of true contexts, each with its whole past, whatever the regime.
    """

    windows: Sequences

    def arithmetic(self, step: int) -> None:
        return None  # how many frames of the sequences have a context depends on the draw

    def prepared_loss(self) -> Tensor:
        sequences = max(1, self.batch_size // self.windows.length)
        truth = self.windows.stretch(self._index[:sequences], self.k, 1)
        seen = self.regime.seen(self.predictor, truth, self._draws)
        newest = truth if self.regime.newest_clean else seen
        contexts, at = self.predictor.every_context(seen[:, : -self.k], newest[:, : -self.k])
        deltas = truth[:, self.k :] - self.regime.starts(truth, newest)[:, self.k - 1 : -1]
        return self.predictor.loss(contexts, deltas[at]).mean()

    @torch.inference_mode()
    def held_out_loss(self) -> float:
        batch = self.predictor.batches(self._held_out_windows, self.k)
        starts = range(0, len(self._held_out_windows), _BLOCK)
        return mean_nll(torch.cat([self.predictor.loss(*batch(slice(i, i + _BLOCK))).double() for i in starts]))
