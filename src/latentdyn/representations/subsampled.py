"""Every n-th frame, at a lower frame rate (science: matched rates, variant (c))."""

import numpy as np

from latentdyn.representations.lower_rate import WholeGroups


class Subsampled(WholeGroups):
    """The first frame of each n consecutive ones: frames 0, n, 2 n, ... of an utterance.

    It is the first one, so that the inverse can hold it for the n - 1 frames after it: a held frame never comes from
    the future. Its level is that of all n frames, as where they are pooled.
    """

    inverse = "approximate"

    def frames_of(self, groups: np.ndarray) -> np.ndarray:
        return groups[:, 0].copy()

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        return np.repeat(latents, self.factor, axis=0).astype(np.float32)


TRANSFORM = Subsampled
