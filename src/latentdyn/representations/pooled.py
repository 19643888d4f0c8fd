"""Mean-pooling in time to a lower frame rate (science: matched rates, variant (a))."""

import numpy as np

from latentdyn.representations.lower_rate import WholeGroups


class Pooled(WholeGroups):
    """Means of consecutive frames. The inverse repeats each mean for the frames that it stands for."""

    inverse = "approximate"

    def frames_of(self, groups: np.ndarray) -> np.ndarray:
        return groups.mean(axis=1, dtype=np.float64).astype(np.float32)

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        return np.repeat(latents, self.factor, axis=0).astype(np.float32)


TRANSFORM = Pooled
