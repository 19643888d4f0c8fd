"""Causal torch layers that remember what they need of the past, put in the place of a model's own.

The layers of a model share one `Carry`. Its `state` belongs to the utterances that the model works on now.
Whoever drives the model sets it before each tile, so any number of streams can take turns on one model.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

State = dict[Any, Any]


class Carry:
    """Where the layers of one model find the state of the utterances they work on now."""

    def __init__(self) -> None:
        self.state: State = {}

    @contextlib.contextmanager
    def of(self, state: State, gradients: bool = False) -> Iterator[None]:
        """Run the model on the utterances that `state` belongs to; with gradients if asked.

        Convolutions are in float32 unless matrix products may be in TF32 (compute.float32_matmul), which costs three
        digits; cuDNN takes it by default.
        """
        self.state = state
        try:
            tf32 = torch.get_float32_matmul_precision() != "highest"
            with torch.inference_mode(not gradients), torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
                yield
        finally:
            self.state = {}


class CarryingConv1d(nn.Module):
    """A causal convolution: the end of its input is kept as the left context of the next tile.

    Args:
        conv: the plain convolution, unpadded; a weight norm is folded into its weight.
        pad_mode: what stands before the first sample: "constant" (zeros), "replicate" or "reflect".
    """

    def __init__(self, conv: nn.Conv1d, pad_mode: str, carry: Carry) -> None:
        super().__init__()
        self.weight, self.bias = _frozen(conv.weight), conv.bias
        self.stride, self.dilation, self.groups = conv.stride[0], conv.dilation[0], conv.groups
        self.context = (conv.kernel_size[0] - 1) * self.dilation + 1 - self.stride
        self.pad_mode, self.carry = pad_mode, carry

    def forward(self, x: torch.Tensor, padding_cache: None = None) -> torch.Tensor:
        """(B, C, n) to (B, C', n / stride); n is a multiple of the stride. Some models hand on a cache of their own."""
        if self.context:
            past = self.carry.state.get(self)
            x = _padded_start(x, self.context, self.pad_mode) if past is None else torch.cat([past, x], -1)
            # a copy, because a view would keep the whole tile in memory
            self.carry.state[self] = x[..., x.shape[-1] - self.context :].clone()
        outputs = (x.shape[-1] - self.context) // self.stride
        if x.device.type == "cpu" and self.dilation == self.groups == 1 and self.weight.shape[0] > outputs:
            # oneDNN lays the weights out anew in every call. Where they outnumber the inputs, that takes
            # longer than the product itself (for Mimi's last stride three times), so take a plain product.
            columns = x.unfold(2, self.weight.shape[2], self.stride).transpose(1, 2).flatten(2)
            return functional.linear(columns, self.weight.flatten(1), self.bias).transpose(1, 2)
        return functional.conv1d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def _padded_start(x: torch.Tensor, context: int, mode: str) -> torch.Tensor:
    """`x` with `context` values before it; to reflect too short a signal, zeros stand for what it lacks."""
    missing = max(0, context + 1 - x.shape[-1]) if mode == "reflect" else 0
    padded = functional.pad(functional.pad(x, (0, missing)), (context, 0), mode=mode)
    return padded[..., : padded.shape[-1] - missing]


class CarryingConvTranspose1d(nn.Module):
    """A causal transposed convolution: the end of its input is kept as the left context of the next tile.

    Args:
        conv: the plain transposed convolution, whose output would be cut at its right end only; a weight norm is
            folded into its weight.
    """

    def __init__(self, conv: nn.ConvTranspose1d, carry: Carry) -> None:
        super().__init__()
        self.weight, self.bias = _frozen(conv.weight), conv.bias
        self.stride, self.groups = conv.stride[0], conv.groups
        self.context = -(-conv.kernel_size[0] // self.stride) - 1
        self.carry = carry

    def forward(self, x: torch.Tensor, padding_cache: None = None) -> torch.Tensor:
        """(B, C, n) to (B, C', n * stride)."""
        past = self.carry.state.get(self)
        x = functional.pad(x, (self.context, 0)) if past is None else torch.cat([past, x], -1)
        self.carry.state[self] = x[..., x.shape[-1] - self.context :].clone()
        y = functional.conv_transpose1d(x, self.weight, self.bias, self.stride, groups=self.groups)
        return y[..., self.context * self.stride : x.shape[-1] * self.stride]


class CarryingLSTM(nn.Module):
    """A residual LSTM over (B, C, n) that goes on from the state in which the last tile left it."""

    def __init__(self, lstm: nn.LSTM, carry: Carry) -> None:
        super().__init__()
        self.lstm, self.carry = lstm, carry

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        series = x.permute(2, 0, 1)
        output: torch.Tensor
        output, self.carry.state[self] = self.lstm(series, self.carry.state.get(self))
        return (output + series).permute(1, 2, 0)


class WholeDecoder(nn.Module):
    """A decoder of such layers as a differentiable map of whole utterances: latents (B, D, T) to audio (B, T * hop).

    Args:
        layers: all that the decoder is made of. They are the codec's own, so a copy (`copy.deepcopy`) is what to train.
        waveform: latents (B, D, T) and an empty state to audio (B, T * hop); a method of the codec.
    """

    def __init__(
        self, layers: nn.Module, carry: Carry, waveform: Callable[[torch.Tensor, State], torch.Tensor]
    ) -> None:
        super().__init__()
        self.layers, self.carry, self.waveform = layers, carry, waveform

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        state: State = {}
        with self.carry.of(state, gradients=not torch.is_inference_mode_enabled()):
            return self.waveform(latents, state)


def _frozen(weight: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach().clone(), requires_grad=False)


def replace_layers(root: nn.Module, kind: type[nn.Module], replacement: Callable[[Any], nn.Module]) -> None:
    """Put `replacement(layer)` in the place of every layer of this kind below `root`."""
    for name, layer in list(root.named_modules()):
        if isinstance(layer, kind):
            root.set_submodule(name, replacement(layer))
