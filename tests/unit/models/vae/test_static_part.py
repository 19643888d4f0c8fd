"""The part of latents that stays: what is known of it, what it costs, where it starts, what it leaves to the rest."""

import itertools
import logging

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from latentdyn.models.fit import fit_model
from latentdyn.models.vae.fitting import Evidence, VAEFitting
from latentdyn.models.vae.health import warn_of_collapse
from latentdyn.models.vae.network import STATIC_HEALTH, build_vae
from latentdyn.models.vae.static_part import Halves, StaticPart, staying

from .examples import NARROW, PRIOR, TERMS, settings

CPU = torch.device("cpu")
LINEAR = {"kind": "linear"}


def part(precision: float, dim: int = 1) -> StaticPart:
    """Frames of `dim` numbers that are their own evidence."""
    static = StaticPart(dim, 1, dim, {"kind": "none"})
    static.start(torch.eye(dim), torch.zeros(dim), torch.full((dim,), precision))
    return static.eval()


def normal(posterior, t) -> Normal:
    return Normal(posterior.mean[:, t].double(), (0.5 * posterior.log_variance[:, t]).double().exp())


@torch.inference_mode()
def test_what_is_known_is_the_posterior_of_a_mean_under_noise():
    """s ~ N(0, 1), x_i = s + noise: by the joint Gaussian of s and the frames."""
    precision, x = 0.5, torch.randn(3, 6, 1, generator=torch.Generator().manual_seed(0))
    posterior = part(precision)(x, None)
    for t in range(6):
        joint = np.ones((t + 2, t + 2))  # s, x_0 ... x_t
        joint[1:, 1:] += np.eye(t + 1) / precision
        gain = np.linalg.solve(joint[1:, 1:], joint[1:, 0])
        np.testing.assert_allclose(posterior.mean[:, t, 0], x[:, : t + 1, 0].numpy() @ gain, rtol=1e-5)
        expected = np.log(1 - gain @ joint[1:, 0])
        np.testing.assert_allclose(posterior.log_variance[:, t, 0], expected, rtol=1e-5)
    assert torch.equal(posterior.z, posterior.mean)


@torch.inference_mode()
def test_no_latent_knows_later_frames_and_one_draw_is_of_a_sequence():
    static, x = part(0.5, dim=2), torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(0))
    later = x.clone()
    later[:, 4:] += 9
    plain, moved = (static(of, torch.Generator().manual_seed(1)).z for of in (x, later))
    assert torch.equal(plain[:, :4], moved[:, :4]) and (plain[:, 4:] != moved[:, 4:]).all()
    posterior = static(x, torch.Generator().manual_seed(1))
    noise = (posterior.z - posterior.mean) / (0.5 * posterior.log_variance).exp()
    torch.testing.assert_close(noise, noise[:, :1].expand_as(noise))


@torch.inference_mode()
def test_frames_that_are_not_finite_are_no_evidence():
    x = torch.randn(1, 5, 2, generator=torch.Generator().manual_seed(0))
    holed = x.clone()
    holed[0, 2, 0] = torch.nan
    static = part(0.5, dim=2)
    found, without = static(holed, None), static(x[:, [0, 1, 3, 4]], None)
    torch.testing.assert_close(found.mean[:, [0, 1, 3, 4]], without.mean)
    torch.testing.assert_close(found.log_variance[:, [0, 1, 3, 4]], without.log_variance)


@torch.inference_mode()
def test_what_each_latent_adds_is_the_cost_of_the_whole_once():
    """Σ KL(q_t ‖ q_{t-1}) against KL(q_T ‖ N(0, 1)), mean over sequences that are as assumed."""
    draws, n, length, precision = torch.Generator().manual_seed(0), 40_000, 12, 0.3
    s = torch.randn(n, 1, 1, generator=draws)
    x = s + torch.randn(n, length, 1, generator=draws) / precision**0.5
    posterior = part(precision)(x, None)
    first = Normal(torch.zeros(n, 1).double(), torch.ones(n, 1).double())
    steps = [first, *(normal(posterior, t) for t in range(length))]
    added = sum(kl_divergence(b, a).mean() for a, b in itertools.pairwise(steps))
    once = kl_divergence(steps[-1], first).mean()
    assert float(added) == pytest.approx(float(once), rel=0.01)
    assert float(once) == pytest.approx(0.5 * np.log1p(length * precision), rel=0.01)


def test_its_kl_counts_once_a_sequence_and_frames_are_decoded_with_it():
    model = build_vae(settings(dim=3, static_dim=1, stack=2), 3).eval()
    model.static.log_precision.data.fill_(-1.0)
    frames = torch.randn(4, 10, 3, generator=torch.Generator().manual_seed(0))
    seen = model.see(frames, torch.Generator().manual_seed(1))
    assert seen.z.shape == (4, 5, 2) and seen.static.z.shape == (4, 5, 1)
    once = kl_divergence(normal(seen.static, -1), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(seen.static_nats().double(), once)
    moving = (model.reconstruction(seen) + 0.2 * model.prior(seen)).mean()
    torch.testing.assert_close(model.loss(seen, 0.2), (moving + 0.2 * once.float().mean() / 5) / 6)
    torch.testing.assert_close(seen.rebuilt, model.decode(torch.cat([seen.z, seen.static.z], 2)))
    left = model.stacked(frames) - seen.static.z @ model.decoder_line.weight[:, 2:].T
    torch.testing.assert_close(seen.mean, model.encode(left)[0])


def test_a_forecast_is_decoded_with_what_was_known_when_it_was_made():
    """Of 6 latents the last one changes; forecasts of it are from the fourth and before."""
    term = {"kind": "decoded_prediction", "weight": 1.0, "horizons": [2], "window_frames": 2, "network": LINEAR}
    model = build_vae(settings(dim=3, static_dim=1, objective={"terms": [term]}), 3).eval()
    model.decoder_line.weight.data[:, 2:] = 1.0
    frames = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    later = frames.clone()
    later[:, 5] += 5
    decoded = {}
    for name, of in {"plain": frames, "later": later}.items():
        seen = model.see(of, torch.Generator().manual_seed(1))
        ((first, forecast),) = model.terms[0].forecasts(seen.z)
        decoded[name] = seen.decode(forecast, 1)
        assert first == 3 and forecast.shape == (2, 3, 2)
        static = seen.static.z[:, 1:4]
        torch.testing.assert_close(decoded[name], model.decode(torch.cat([forecast, static], 2)))
        expected = 0.5 * (of[:, 3:] - decoded[name]).square().sum(2).mean()
        torch.testing.assert_close(model.terms[0](seen), expected)
    assert torch.equal(decoded["plain"], decoded["later"])


# ---------------------------------------------------------------------------------------------- a known process

OFFSET_AXIS, D, T = 0, 4, 40
COEFFICIENT = 0.6


def offsets_and_ar(n: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """An offset for each utterance, N(0, 1), in a dimension that an AR(1) of variance 1 moves as well; (n,) and
    (n, length, D). The other dimensions are such AR(1) alone."""
    rng = np.random.default_rng(0)
    x = np.empty((n, length, D))
    x[:, 0] = rng.normal(size=(n, D))
    for t in range(1, length):
        x[:, t] = COEFFICIENT * x[:, t - 1] + np.sqrt(1 - COEFFICIENT**2) * rng.normal(size=(n, D))
    offsets = rng.normal(size=n)
    x[:, :, OFFSET_AXIS] += offsets[:, None]
    return offsets, x


def error_of_means(length: int) -> float:
    """The variance of the mean of so many frames of the AR(1)."""
    lags = np.arange(1, length)
    return float((1 + 2 * ((1 - lags / length) * COEFFICIENT**lags).sum()) / length)


def test_it_starts_with_the_offset_its_variance_and_what_a_latent_is_worth_as_evidence():
    _, x = offsets_and_ar(20_000, 24)
    halves = Halves(*(torch.from_numpy(half.mean(1)) for half in (x[:, :12], x[:, 12:])), 24)
    found = staying(halves, 1)
    assert abs(float(found.axes[OFFSET_AXIS, 0])) > 0.99
    assert float(found.variances) == pytest.approx(1 + cross_of_halves(12), rel=0.03)
    assert float(found.precision) == pytest.approx(
        float(found.variances) / (24 * (error_of_means(24) - cross_of_halves(12))), rel=0.1
    )


def cross_of_halves(half: int) -> float:
    """The covariance of the AR(1)'s means over two halves that follow each other: nearly, not quite, 0."""
    t = np.arange(half)
    return float((COEFFICIENT ** (half + t[None] - t[:, None])).mean())


def r2(target: np.ndarray, of: np.ndarray) -> float:
    """The share of the variance of (n,) that the best line of (n, d) explains."""
    lines = np.column_stack([of, np.ones(len(of))])
    left = target - lines @ np.linalg.lstsq(lines, target, rcond=None)[0]
    return 1 - left.var() / target.var()


@pytest.fixture(scope="module")
def utterances():
    offsets, x = offsets_and_ar(400, T)
    named = {(f"u{i}", f"{'ttttvve'[i % 7]}{i}"): frames for i, frames in enumerate(x)}
    return offsets, x, named


def fitted_to(named, make_store, folder, **changes):
    store, frames = make_store(named)
    training = {"steps": 200, "batch_size": 16, "sequence_frames": 24, "validate_every_steps": 100}
    own = settings(training, dim=4, network=NARROW, objective={"beta": 0.3}, **changes)
    fitted = fit_model("vae", own, store, frames, seed=0, state=folder, device=CPU)
    model = build_vae(own, D)
    model.load_state_dict(fitted.weights["whole"])
    return model.eval()


def test_the_static_part_carries_the_offset_and_the_rest_does_not(utterances, make_store, tmp_path):
    offsets, x, named = utterances
    model = fitted_to(named, make_store, tmp_path / "s", static_dim=1)
    with torch.inference_mode():
        latents = model.latents(model.stacked(torch.from_numpy(x).float()), None).numpy()
    assert latents.shape == (400, T, 4)
    moving, static = latents[..., :3], latents[..., 3:]
    # what the mean of so many frames tells of an offset of variance 1
    best = 1 / (1 + error_of_means(T))
    assert r2(offsets, static[:, -1]) > best - 0.03
    last = r2(offsets, moving[:, -1])
    assert last < 0.05, "a latent of the last frame has little of the offset"
    plain = fitted_to(named, make_store, tmp_path / "p")
    with torch.inference_mode():
        without = plain.latents(plain.stacked(torch.from_numpy(x).float()), None).numpy()
    assert r2(offsets, without[:, -1]) > 0.35 and last < 0.5 * r2(offsets, without[:, -1])
    assert model.health("validation")["static_nats"] > 0.5
    assert model.health("validation")["static_swap_r2"] < model.health("validation")["reconstruction_r2"] - 0.05


# -------------------------------------------------------------------------------------- as all other settings do


def test_without_a_static_part_settings_weights_and_health_are_as_they_were():
    assert "static_dim" not in settings() and settings(static_dim=1)["static_dim"] == 1
    model = build_vae(settings(), 3)
    assert model.static is None and not [name for name in model.state_dict() if "static" in name]
    assert not set(model.health_names) & set(STATIC_HEALTH)


class Killed(Exception):
    pass


def test_a_killed_training_continues_as_if_it_had_not_been_killed(make_store, var_process, tmp_path, monkeypatch):
    store, frames = make_store(var_process(np.array([[0.9, 0.2], [0, 0.5]]), 10, 40))
    own = settings(
        dim=3, static_dim=1, stack=2, training={"sequence_frames": 8}, objective={"terms": TERMS, "prior": PRIOR}
    )

    def run(state, **options):
        return fit_model("vae", own, store, frames, seed=0, state=tmp_path / state, device=CPU, **options)

    full, loss = run("whole"), Evidence.loss

    def killed(self, step):
        if step == 13:
            raise Killed
        return loss(self, step)

    monkeypatch.setattr(Evidence, "loss", killed)
    with pytest.raises(Killed):
        run("killed", checkpoint_interval_s=-1)
    monkeypatch.setattr(Evidence, "loss", lambda self, step: loss(self, step) if step >= 13 else pytest.fail("twice"))
    resumed = run("killed")
    assert resumed.curve.equals(full.curve)
    for name, value in full.weights["whole"].items():
        assert torch.equal(resumed.weights["whole"][name].nan_to_num(-1), value.nan_to_num(-1)), name


def test_halves_are_of_training_sequences_and_an_odd_latent_is_left_out(make_store, var_process):
    store, frames = make_store(var_process(0.5 * np.eye(2), 10, 40))
    fitting = VAEFitting(settings({"sequence_frames": 7}, dim=3, static_dim=1, stack=2), store, frames, 0, CPU)
    sequences = fitting.looked_at["train"].batch(slice(None)).double()
    deviations = ((sequences - fitting.moments.frame_mean) / fitting.moments.frame_std).reshape(-1, 7, 4)
    torch.testing.assert_close(fitting.halves.first, deviations[:, :3].mean(1))
    torch.testing.assert_close(fitting.halves.second, deviations[:, 4:].mean(1))
    assert fitting.halves.n_latents == 6


@pytest.mark.parametrize(
    ("own", "told"),
    [({"static_nats": 0.05, "static_swap_r2": 0.4}, True), ({"static_nats": 3.0, "static_swap_r2": 0.5}, True),
     ({"static_nats": 3.0, "static_swap_r2": 0.4}, False)],
    ids=["nothing", "unread", "fine"],
)  # fmt: skip
def test_a_static_part_that_is_not_used_is_told_with_its_knobs(caplog, own, told):
    numbers = {
        "reconstruction_r2": 0.5,
        "kl_nats": 20.0,
        "innovation_nats": np.nan,
        "effective_rank": 6.0,
        "dead_dims": 0,
    }
    with caplog.at_level(logging.WARNING):
        warn_of_collapse(numbers | own, 8, [], static_dim=2)
    assert told == ("what stays carries" in caplog.text)
    assert not told or "a smaller static_dim" in caplog.text
