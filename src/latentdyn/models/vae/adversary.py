"""A discriminator of audio, which is trained beside what it judges, in one loss.

Whoever learns to decode is told by it what tells the decoded audio from true audio; spectral distances alone ask for
the mean of all that may be true, which sounds muffled. Networks look at spectra of several windows (Défossez et al.
2022, "High Fidelity Neural Audio Compression", §3.4) with hinge losses and matched features.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

_ROOT = 0.3  # magnitudes are raised to this power: levels differ by far more than what tells voices apart
_FLOOR = 1e-5  # magnitude that is added, of that of a full-scale sine


class Judge(nn.Module):
    """Convolutions over the spectra of audio.

    Args:
        window_samples: of the spectra; hops are a quarter of it. channels: of every layer.
    """

    window: Tensor

    def __init__(self, window_samples: int, channels: int) -> None:
        super().__init__()
        window = torch.hann_window(window_samples)
        self.register_buffer("window", 2 * window / window.sum(), persistent=False)
        self.hop = window_samples // 4
        sizes = [(2, 2), (channels, 2), (channels, 2), (channels, 1)]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(n, channels, (3, 5), stride=(1, stride), padding=(1, 2))) for n, stride in sizes
        )
        self.last = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Audio (B, n) to scores of its parts, above 0 for true audio, and the outputs of the layers before."""
        short = max(0, len(self.window) - audio.shape[1])
        spectrum = torch.fft.rfft(F.pad(audio, (0, short)).unfold(1, len(self.window), self.hop) * self.window)
        x = torch.stack([spectrum.real, spectrum.imag], dim=1)
        x = x * (x.square().sum(1, keepdim=True) + _FLOOR**2) ** ((_ROOT - 1) / 2)
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.last(x), features


class Adversary(nn.Module):
    """The loss of audio that is to be taken for true audio, and of those that judge it.

    Gradients of what the judges lose reach the judges alone, and gradients of what is judged pass through them without
    a change of theirs. So one loss trains both.

    Args:
        weight, feature_weight: of the judges' opinion, and of how far what their layers see is from what they see of
            the true audio. channels: of a judge. learning_rate: of the judges. window_samples: a judge each.
    """

    def __init__(
        self, weight: float, feature_weight: float, channels: int, learning_rate: float, window_samples: Sequence[int]
    ) -> None:
        super().__init__()
        self.weight, self.feature_weight = weight, feature_weight
        self.judges = nn.ModuleList(Judge(n, channels) for n in window_samples)

        def learn_at_rate(module: nn.Module) -> None:
            module.learning_rate = learning_rate  # type: ignore[assignment]

        self.judges.apply(learn_at_rate)

    def forward(self, true: Tensor, found: Tensor) -> Tensor:
        """The loss for audio (B, n): hinge losses and the share by which features differ; mean over the judges."""
        losses = []
        for judge in self.judges:
            as_they_are = {name: value.detach() for name, value in judge.named_parameters()}
            score, features = _judged(judge, as_they_are, found)
            true_score, true_features = judge(true)
            found_score, _ = judge(found.detach())
            judges_loss = F.relu(1 - true_score).mean() + F.relu(1 + found_score).mean()
            losses.append(
                judges_loss
                + self.weight * F.relu(1 - score).mean()
                + self.feature_weight * _apart(true_features, features)
            )
        return torch.stack(losses).sum() / len(self.judges)


def _judged(judge: nn.Module, weights: Mapping[str, Tensor], audio: Tensor) -> tuple[Tensor, list[Tensor]]:
    judged: tuple[Tensor, list[Tensor]] = functional_call(judge, dict(weights), (audio,))
    return judged


def _apart(true: Sequence[Tensor], found: Sequence[Tensor]) -> Tensor:
    return torch.stack(
        [(a.detach() - b).abs().mean() / a.detach().abs().mean() for a, b in zip(true, found, strict=True)]
    ).mean()
