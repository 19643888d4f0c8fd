"""A small network over a vector, conditioned on another one, whose divergence is exact and cheap.

With two hidden layers, out(y) = C f(B f(A y + a) + b), the divergence is Σ_ij f'_i (B_ij (A C)_ji) f'_j: as much work
as one more layer, in any dimension. A general network would need as many backward passes as there are dimensions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latentdyn.predictors.layers import Dense


class ConditionedMLP(nn.Module):
    """y (B, D) and what it is conditioned on (B, C) -> (B, D), through two layers of SiLU units. It begins at 0."""

    def __init__(self, dim: int, conditions: int, width: int) -> None:
        super().__init__()
        self.of_y, self.of_conditions = Dense(dim, width, bias=False), Dense(conditions, width)
        self.middle, self.last = Dense(width, width), Dense(width, dim)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, y: Tensor, conditions: Tensor) -> Tensor:
        hidden = F.silu(self.of_y(y) + self.of_conditions(conditions))
        out: Tensor = self.last(F.silu(self.middle(hidden)))
        return out

    def with_divergence(self, y: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and Σ_d ∂out_d / ∂y_d, (B,)."""
        first = self.of_y(y) + self.of_conditions(conditions)
        second = self.middle(F.silu(first))
        both = self.middle.weight * (self.of_y.weight @ self.last.weight).T
        return self.last(F.silu(second)), ((_slope(second) @ both) * _slope(first)).sum(dim=1)


def _slope(x: Tensor) -> Tensor:
    """The derivative of SiLU."""
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))
