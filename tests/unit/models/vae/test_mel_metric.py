"""A reconstruction in the metric of what is heard: the metric, the loss, where it starts, and what it refuses."""

import logging
import math

import numpy as np
import pytest
import torch

from latentdyn.codecs.sensitivity import MelOfDecoded
from latentdyn.config.representations.objectives import MelMetricReconstruction as MelMetric
from latentdyn.errors import UserError
from latentdyn.models.fit import fit_model
from latentdyn.models.vae.fitting import VAEFitting
from latentdyn.models.vae.health import measure_health
from latentdyn.models.vae.mel_metric import mel_metric, what_is_heard
from latentdyn.models.vae.network import Moments, build_vae
from latentdyn.models.vae.objectives import Seen, build
from latentdyn.models.vae.reconstructions import MelMetricReconstruction

from .examples import settings
from .whistle import CODEC, LOUD, Codec, Whistle

CPU = torch.device("cpu")
N = 6
HEARD = {"kind": "mel_metric", "window_samples": 64, "hop_samples": 16, "n_mels": 4, "floor_db": -120.0}
PROBED = {"identity_share": 0.2, "probes": 1, "floor_db": -40.0}
WHOLE = torch.tensor(np.random.default_rng(0).normal(size=(N, 5)) * [3, 2, 1, 0.3, 0.1])  # of rank 5


def linear(numbers: torch.Tensor) -> torch.Tensor:
    """A decoder without overlap: what is heard of a latent's numbers are 5 lines of them."""
    return numbers.transpose(1, 2) @ WHOLE.to(numbers)


def speakers(n: int) -> list[tuple[str, np.ndarray]]:
    return [(f"s{i}", np.zeros((8, N), np.float32)) for i in range(n)]


def metric_of(share: float) -> torch.Tensor:
    """The exact metric of `linear`."""
    heard = WHOLE @ WHOLE.T
    return (1 - share) * N / heard.trace() * heard + share * torch.eye(N, dtype=torch.float64)


def weighed(metric: torch.Tensor) -> MelMetricReconstruction:
    given = MelMetric.model_validate(HEARD).model_dump()
    loss = build({"mel_metric": MelMetricReconstruction}, given)
    loss.weigh(metric)
    return loss


def batch(frames: torch.Tensor, rebuilt: torch.Tensor) -> Seen:
    return Seen(frames, frames, frames, frames, rebuilt, lambda z, first: z, torch.Generator())


def test_of_a_linear_decoder_it_is_that_of_its_matrix():
    found = mel_metric(linear, speakers(800), PROBED, CPU)
    exact = metric_of(0.2)
    assert found.dtype == torch.float64 and float(found.trace()) == pytest.approx(N)
    torch.testing.assert_close(found, exact, rtol=0, atol=0.06 * float(exact.max()))
    assert not torch.allclose(found, torch.eye(N, dtype=torch.float64), atol=0.5)


def test_frames_of_a_latent_that_sound_together_count_together():
    """What is heard is the sum of two frames: an error that the second one undoes costs no more than the floor."""
    heard = mel_metric(lambda x: x[:, :3] + x[:, 3:], speakers(400), PROBED, CPU)
    same = torch.tensor([1.0, 0, 0, 1, 0, 0]).double() / math.sqrt(2)
    undone = torch.tensor([1.0, 0, 0, -1, 0, 0]).double() / math.sqrt(2)
    assert float(undone @ heard @ undone) == pytest.approx(0.2, abs=1e-6)
    assert float(same @ heard @ same) == pytest.approx(0.2 + 0.8 * 2, rel=0.02)


def test_the_loss_is_the_quadratic_form_and_its_gradient_the_metric_times_the_error():
    metric, draws = metric_of(0.1), torch.Generator().manual_seed(0)
    frames = torch.randn(3, 4, N, generator=draws)
    rebuilt = torch.randn(3, 4, N, generator=draws).requires_grad_()
    loss = weighed(metric)(batch(frames, rebuilt))
    error = (frames - rebuilt).detach().double()
    torch.testing.assert_close(loss.detach().double(), 0.5 * torch.einsum("bti,ij,btj->bt", error, metric, error))
    loss.sum().backward()
    torch.testing.assert_close(rebuilt.grad.double(), -error @ metric, rtol=1e-4, atol=1e-4)
    step = torch.zeros_like(rebuilt)
    step[1, 2, 3] = 1e-2
    with torch.no_grad():
        ahead, behind = (float(weighed(metric)(batch(frames, rebuilt + s)).sum()) for s in (step, -step))
    assert (ahead - behind) / 2e-2 == pytest.approx(float(rebuilt.grad[1, 2, 3]), rel=1e-2, abs=1e-2)


def test_what_nobody_hears_costs_the_floor_alone():
    metric = metric_of(0.1)
    silent = torch.linalg.eigh(WHOLE @ WHOLE.T)[1][:, 0].float()  # no line of the decoder has a part of it
    assert float((silent.double() @ WHOLE).norm()) < 1e-6
    frames = torch.zeros(1, 1, N)
    cost = weighed(metric)(batch(frames, frames + silent))
    assert float(cost) == pytest.approx(0.5 * 0.1, rel=1e-4)
    loud = torch.linalg.eigh(WHOLE @ WHOLE.T)[1][:, -1].float()
    assert float(weighed(metric)(batch(frames, frames + loud))) > 1


def test_the_whole_share_of_the_identity_is_the_plain_squared_error():
    torch.testing.assert_close(
        mel_metric(linear, speakers(2), PROBED | {"identity_share": 1.0}, CPU), torch.eye(N, dtype=torch.float64)
    )
    plain, own = (build_vae(settings(dim=2, objective={"reconstruction": r}), 3) for r in ({"kind": "frames"}, HEARD))
    own.reconstruction.weigh(torch.eye(3, dtype=torch.float64))
    own.load_state_dict(plain.state_dict() | {k: v for k, v in own.state_dict().items() if k.startswith("health")})
    frames = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0))
    losses = [m.loss(m.see(frames, torch.Generator().manual_seed(1)), 0.1) for m in (plain.eval(), own.eval())]
    torch.testing.assert_close(*losses)


BETA = 0.02


def started() -> tuple:
    """A linear model of correlated Gaussian frames, at its start, and their covariance."""
    objective = {"beta": BETA, "reconstruction": HEARD}
    model = build_vae(settings(dim=4, network={"kind": "none"}, objective=objective), N).eval()
    model.reconstruction.weigh(metric_of(0.1))
    half = torch.randn(N, N, generator=torch.Generator().manual_seed(3), dtype=torch.float64) / 2
    covariance = half @ half.T
    model.set_start(Moments(torch.zeros(N), torch.ones(N), torch.zeros(N).double(), covariance), BETA)
    draws = torch.randn(3000, 20, N, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return model, covariance, (draws @ torch.linalg.cholesky(covariance).T).float()


def test_it_starts_as_the_best_linear_vae_of_what_is_heard():
    """½ Σ min(λ, β) + β ½ Σ ln⁺(λ/β), λ of G^½ S G^½."""
    model, covariance, frames = started()
    variances = torch.linalg.eigvals(metric_of(0.1) @ covariance).real.sort(descending=True)[0]
    assert variances[3] > 2 * BETA, "four directions are worth a latent"
    with torch.inference_mode():
        seen = model.see(frames, torch.Generator().manual_seed(2))
    rebuilt = 0.5 * (4 * BETA + float(variances[4:].sum()))
    rate = 0.5 * float((variances[:4] / BETA).log().sum())
    assert float(model.reconstruction(seen).mean()) == pytest.approx(rebuilt, rel=0.01)
    assert float(model.prior(seen).mean()) == pytest.approx(rate, rel=0.01)
    health = dict(zip(model.health_names, measure_health(model, [seen]).tolist(), strict=True))
    left = sum(BETA**2 / float(v) for v in variances[:4]) + float(variances[4:].sum())
    assert health["heard_r2"] == pytest.approx(1 - left / float(variances.sum()), abs=2e-3)
    assert health["reconstruction_r2"] < health["heard_r2"]


def test_no_small_change_of_that_start_is_better():
    model, _, frames = started()
    model.loss(model.see(frames, torch.Generator().manual_seed(2)), BETA).backward()
    for parameter in (model.encoder_line.weight, model.decoder_line.weight, model.log_variance):
        assert parameter.grad.abs().max() < 5e-3


def fitting_of(encoded, objective, **changes):
    return VAEFitting(settings(objective=objective, **changes), *encoded, 0, CPU, codec=CODEC)


def test_a_fitting_hears_the_codecs_decoder_at_frames_of_training_speakers(encoded):
    """Against derivatives by finite differences. The floor is where the quiet tone is."""
    frames = encoded[1]
    given = HEARD | {"floor_db": -60.0, "identity_share": 0.1, "probes": 40}
    fitting = fitting_of(encoded, {"reconstruction": given}, stack=2)
    mel = what_is_heard(Codec("cpu"), given, CPU)
    assert isinstance(mel, MelOfDecoded)
    std = fitting.moments.frame_std
    rows = fitting.looked_at["train"].batch(slice(None)).double()
    outer = torch.zeros(4, 4, dtype=torch.float64)
    for one in rows:  # finite differences, number by number
        for t in range(0, len(one), 2):
            columns = []
            for d in range(4):
                change = torch.zeros_like(one)
                change[t + d // 2, d % 2] = 1e-3 * std[d % 2]
                heard = [mel((one + sign * change).float().T[None]).double() for sign in (1, -1)]
                columns.append((heard[0] - heard[1]).flatten() / 2e-3)
            columns = torch.stack(columns)
            outer += columns @ columns.T
    expected = 0.9 * 4 * outer / outer.trace() + 0.1 * torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(fitting.metric, expected, rtol=0.1, atol=0.15)
    assert set(fitting.looked_at["train"].starts.tolist()) <= set(frames.of_splits("train").rows())
    again = fitting_of(encoded, {"reconstruction": given}, stack=2)
    assert torch.equal(again.metric, fitting.metric), "a killed training goes on with the same metric"


def test_one_dimension_is_spent_on_what_is_heard(encoded, tmp_path, monkeypatch):
    """Both vary alike in deviations. Above a floor that drowns the quiet tone, the loud one alone is heard."""
    loud = HEARD | {"floor_db": -40.0}
    axes = {}
    for name, objective in {"frames": {}, "heard": {"reconstruction": loud}}.items():
        own = settings({"steps": 2, "select": "last"}, dim=1, network={"kind": "none"}, objective=objective)
        codec = {"codec": CODEC} if objective else {}
        fitted = fit_model("vae", own, *encoded, seed=0, state=tmp_path / name, device=CPU, **codec)
        weights = fitted.weights["whole"]["encoder_line.weight"][0].abs()
        axes[name] = float(weights[LOUD] / weights.sum())
        assert not [key for key in fitted.weights["whole"] if key.startswith("reconstruction")]
    assert axes["heard"] > 0.95 and axes["heard"] > axes["frames"]


def test_its_health_tells_what_is_heard(encoded, tmp_path, caplog):
    own = settings({"steps": 2, "select": "last"}, objective={"beta": 0.01, "reconstruction": HEARD})
    with caplog.at_level(logging.INFO):
        fitted = fit_model("vae", own, *encoded, seed=0, state=tmp_path / "s", device=CPU, codec=CODEC)
    model = build_vae(own, 2)
    model.load_state_dict(fitted.weights["whole"])
    assert model.health_names[-1] == "heard_r2" and 0.5 < model.health("validation")["heard_r2"] < 1
    assert "metric of what is heard" in caplog.text


def test_latents_without_a_decoder_are_refused(encoded):
    store, frames = encoded
    own = settings(objective={"reconstruction": HEARD})
    with pytest.raises(UserError, match=r"the decoder of these latents \(whistle\) is not named.*--codec"):
        VAEFitting(own, store, frames, 0, CPU)
    store.handle["lineage"].append({"kind": "pooled", "settings": {}, "source_digest": "d"})
    with pytest.raises(UserError, match=r"whistle>pooled\) are not a codec's own frames"):
        VAEFitting(own, store, frames, 0, CPU, codec=CODEC)


def test_one_speaker_and_a_decoder_that_says_nothing_are_refused(encoded, monkeypatch):
    with pytest.raises(UserError, match=r"2 training sequences .* of one speaker.*splits\.train"):
        mel_metric(linear, [("a", np.zeros((2, N))), ("a", np.zeros((2, N)))], PROBED, CPU)
    monkeypatch.setattr(Whistle, "forward", lambda self, x: 0 * (x.transpose(1, 2) @ self.tones).flatten(1))
    with pytest.raises(UserError, match=r"log-mel does not follow its frames.*lower floor_db"):
        fitting_of(encoded, {"reconstruction": HEARD})


def test_bands_that_the_window_cannot_fill_are_refused(encoded):
    with pytest.raises(UserError, match=r"200 mel bands are too many.*lower n_mels"):
        fitting_of(encoded, {"reconstruction": HEARD | {"n_mels": 200}})
