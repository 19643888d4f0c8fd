"""What models of representations are trained on."""

import numpy as np
import torch

from latentdyn.models.sequences import Sequences, starts_of


def test_a_sequence_lies_within_an_utterance_and_is_finite(make_store):
    x = {("a", "t0"): np.zeros((6, 1)), ("b", "t0"): np.zeros((3, 1)), ("c", "t1"): np.zeros((4, 1))}
    x["a", "t0"][1] = np.nan
    _, frames = make_store(x)
    assert starts_of(frames, 3).table()["row"].tolist() == [2, 3, 6, 9, 10]
    assert not len(starts_of(frames, 7))


def test_batches_are_of_one_size():
    def sizes(n):
        sequences = Sequences(torch.zeros(20, 1), torch.arange(n), 3)
        return [tuple(batch.shape) for batch in sequences.batches(4)]

    assert sizes(11) == [(4, 3, 1)] * 2
    assert sizes(8) == [(4, 3, 1)] * 2
    assert sizes(3) == [(3, 3, 1)]
