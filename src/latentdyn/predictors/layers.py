"""Layers of networks that are quick on a CPU too. On a GPU, and in other precisions than float32, they are torch's own.

- torch multiplies matrices by MKL, which leaves AVX-512 unused on processors that are not Intel's. oneDNN, which comes
  with torch as well, uses it: it takes half the time there. Results differ by rounding.
- torch draws a 64-bit number for each unit that dropout may zero. 16 bits of one are enough.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_BY_ONEDNN = (
    torch.backends.mkldnn.is_available()
    and torch.backends.cpu.get_cpu_capability() == "AVX512"
    and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # not public: a later torch may lack it
)
_FEW_ROWS, _FEW_PRODUCTS = 32, 2**21  # with fewer it takes longer to call it than it saves
_LEVELS = 2**16


class Dense(nn.Linear):
    """One affine map, which can compute its first n outputs alone for what needs no more."""

    __call__: Callable[..., Tensor]

    def forward(self, input: Tensor, n: int | None = None) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        weight: Tensor = self.weight
        bias: Tensor | None = self.bias
        if n is not None:
            weight, bias = weight[:n], None if bias is None else bias[:n]
        rows = input.numel() // self.in_features
        fits = input.device.type == "cpu" and input.dtype == weight.dtype == torch.float32
        large = rows >= _FEW_ROWS and rows * self.weight.numel() >= _FEW_PRODUCTS  # whatever n is
        if not (_BY_ONEDNN and fits and large and weight.numel()):
            return F.linear(input, weight, bias)
        if torch.is_grad_enabled():
            out: Tensor = _Affine.apply(input, weight, bias)  # type: ignore[no-untyped-call]
            return out
        return _product(input, weight, bias)


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        flat = gradient.flatten(0, -2)
        of_x = _product(gradient, weight.T) if ctx.needs_input_grad[0] else None
        of_weight = _product(flat.T, x.flatten(0, -2).T) if ctx.needs_input_grad[1] else None
        return of_x, of_weight, flat.sum(0) if ctx.needs_input_grad[2] else None


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., I) times weight (O, I) transposed, plus bias (O,)."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


class Dropout(nn.Dropout):
    """Units are zero with probability p, in steps of 2^-16; the others are scaled so that their mean stays.

    Args:
        inplace: whether it may overwrite its input, which takes less time on a CPU. A GPU gains nothing by it.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and self.p and input.device.type == "cpu"):
            return F.dropout(input, self.p, self.training)
        dropped = round(self.p * _LEVELS)
        drawn = torch.empty(-(-input.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        kept = torch.empty_like(input, requires_grad=False)  # numbers at once: to make them of bools takes longer
        torch.ge(drawn[: input.numel()].view(input.shape), dropped - _LEVELS // 2, out=kept)
        kept.mul_(_LEVELS / (_LEVELS - dropped))
        return input.mul_(kept) if self.inplace else input * kept
