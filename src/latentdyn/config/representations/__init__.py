"""`representations`: encoders, known processes, and what is derived from them.

`base` defines the families and what they have in common. The kinds stand in a module each for the encoders, the
processes, and what is derived: at another frame rate (`rates`), in fewer dimensions (`readouts`), with the shape of its
source (`same_shape`), or by a model that is trained on it (`learned`: `vae`, with its `objectives`, and `factorizer`).
"""

from latentdyn.config.kinds import import_all
from latentdyn.config.representations.base import Derived, Encoder, Process, Provided, RepresentationKind

import_all(__name__)

__all__ = ["Derived", "Encoder", "Process", "Provided", "RepresentationKind"]
