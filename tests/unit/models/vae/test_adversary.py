"""The adversary: whom its gradients reach, and that its judges learn to tell audio apart."""

import torch

from latentdyn.models.vae.adversary import Adversary

SETTINGS = {"channels": 4, "learning_rate": 0.01, "window_samples": [16, 64]}


def noise(seed: int, level: float = 1.0) -> torch.Tensor:
    return level * torch.randn(8, 400, generator=torch.Generator().manual_seed(seed))


def gradients(weight: float, feature_weight: float) -> tuple[list[torch.Tensor], torch.Tensor | None]:
    """Of the judges' weights, and of what is judged."""
    torch.manual_seed(0)
    adversary, found = Adversary(weight, feature_weight, **SETTINGS), noise(1).requires_grad_()
    adversary(noise(0), found).backward()
    return [parameter.grad for parameter in adversary.parameters()], found.grad


def test_what_is_judged_does_not_pull_at_its_judges():
    alone, nothing = gradients(0.0, 0.0)
    judges, of_found = gradients(3.0, 5.0)
    assert nothing is None or not nothing.any()
    assert (of_found != 0).float().mean() > 0.9  # windows are 0 at their start
    for a, b in zip(alone, judges, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert sum(bool(b.any()) for b in judges) > 0.8 * len(judges)


def test_judges_learn_to_tell_white_from_smooth_noise():
    torch.manual_seed(0)
    adversary = Adversary(0.0, 0.0, **SETTINGS)
    optimizer = torch.optim.Adam(adversary.parameters(), lr=0.01)
    losses = []
    for step in range(60):
        white = noise(step)
        smooth = torch.nn.functional.avg_pool1d(noise(1000 + step)[:, None], 5, 1, 2)[:, 0]
        optimizer.zero_grad()
        loss = adversary(white, smooth)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.8 and sum(losses[-10:]) / 10 < 0.3, losses  # 2: they say nothing


def test_equal_audio_has_equal_features():
    torch.manual_seed(0)
    told = Adversary(0.0, 1.0, **SETTINGS)
    nothing = Adversary(0.0, 0.0, **SETTINGS)
    nothing.load_state_dict(told.state_dict())
    audio = noise(0)
    assert told(audio, audio).item() == nothing(audio, audio).item()
    assert told(audio, noise(1)).item() > nothing(audio, noise(1)).item() + 0.1


def test_audio_shorter_than_a_window_is_judged():
    torch.manual_seed(0)
    short = noise(0)[:, :10]
    assert Adversary(1.0, 1.0, **SETTINGS)(short, 0.5 * short).isfinite()
