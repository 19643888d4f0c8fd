"""The closed-form line from the context to the step, given to a network's head to start from.

A step leads back from where the newest frame is: Δx_t holds -x_{t-1}, in every dimension. A network can learn that
where the training frames are, but not beyond them. So a free run that leaves them does not come back. A line holds
everywhere.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from latentdyn.predictors.base import SolvedPredictor, build_predictor
from latentdyn.stores.windows import Scaling, Windows

# as that predictor is by default
LINE = {"kind": "linear_gaussian", "covariance": "full", "ridges": (1e-4, 1e-3, 1e-2, 1e-1, 1.0)}


class LinearSkip(nn.Module):
    """b + c A, (B, D) in the latents' own units, of a standardised context c: what `linear_gaussian` says the mean is.

    trained: an affine map of c that is trained, in the units of the head; None of a line that stays as it is. It
        begins at 0, so that training starts from the line, and weight decay leads back to it.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, dim: int, window_frames: int, learned: bool) -> None:
        super().__init__()
        self.window_frames = window_frames
        self.register_buffer("weight", torch.zeros(window_frames * dim, dim))
        self.register_buffer("bias", torch.zeros(dim))
        self.trained = None
        if learned:
            self.trained = skip_init(nn.Linear, window_frames * dim, dim)  # draws nothing that others would draw
            nn.init.zeros_(self.trained.weight)
            nn.init.zeros_(self.trained.bias)

    def solve(self, scaling: Scaling, train: Windows, validation: Windows | None, k: int) -> Tensor:
        """Take the line at staleness k; returns the covariance (D, D), float64, of what it leaves of training steps.

        Raises:
            UserError: as of linear_gaussian.
        """
        line = build_predictor(LINE | {"window_frames": self.window_frames}, train.dim).to(self.weight)
        assert isinstance(line, SolvedPredictor)
        line.set_scaling(scaling)
        line.solve(train, validation, k)
        solved = line.state_dict()
        self.weight.copy_(solved["weight"])
        self.bias.copy_(solved["bias"])
        factor: Tensor = solved["factor"].double()
        return factor @ factor.T

    def forward(self, context: Tensor) -> Tensor:
        """The line's step (B, D) for a standardised context (B, W, D)."""
        return context.flatten(1) @ self.weight + self.bias

    def trained_part(self, context: Tensor) -> Tensor | None:
        """What was trained beside the line, (B, D) in the units of the head; None where nothing is."""
        if self.trained is None:
            return None
        of_context: Tensor = self.trained(context.flatten(1))
        return of_context
