"""What a head describes and where it starts from: a shift changes no likelihood, and a line is there from the start."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from latentdyn.predictors.linear_skip import LINE
from latentdyn.stores.windows import Scaling, Windows
from tests.settings import predictor_of, settings_of

DIM, WINDOW = 3, 2
SIZE = {"window_frames": WINDOW, "horizons": [1]}
ONE = {**SIZE, "n_components": 1, "network": {"kind": "linear"}}
SKIPS = ("fixed", "learned")
HEADS = {
    "mdn": {"kind": "mdn", "n_components": 2},
    "student": {"kind": "mdn", "n_components": 2, "components": "student_t"},
    "flow": {"kind": "flow", "univariate": "affine", "hidden_width": 8, "features": 4},
}


@pytest.fixture
def windows():
    """A stationary process of three correlated dimensions, in units that are far from 1, float64."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.tensor([[20.0, 3, 0], [0, 1, 0.4], [0, 0, 0.1]], dtype=torch.float64)
    x = torch.zeros(600, DIM, dtype=torch.float64)
    for t in range(1, len(x)):
        x[t] = 0.7 * x[t - 1] + torch.randn(DIM, generator=generator, dtype=torch.float64)
    latents = x @ mixing + torch.tensor([100.0, -5, 1])
    train, validation = torch.arange(10, 400), torch.arange(410, 600)
    return Windows(latents, train, WINDOW), Windows(latents, validation, WINDOW)


def started(windows, kind="mdn", k=1, **changes):
    """A predictor of these settings in float64, as it is when its training starts."""
    torch.manual_seed(0)
    predictor = predictor_of(kind, DIM, **{**ONE, **changes} if kind == "mdn" else changes).double().eval()
    predictor.set_start(Scaling.fit(windows[0]), *windows, k)
    return predictor


def zeroed(predictor):
    """The same with every trained number 0."""
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.zero_()
    return predictor


def line_of(windows, k=1, **changes):
    line = predictor_of("linear_gaussian", DIM, **SIZE, **changes).double()
    line.set_start(Scaling.fit(windows[0]), *windows, k)
    line.solve(*windows, k)
    return line


def test_the_closed_form_line_has_one_likelihood_whether_it_is_of_the_step_or_of_the_next_frame(windows):
    """Least squares of Δx_t and of x_t leave the same residual; each is put into a head of that target."""
    train, held_out = windows
    context, delta = train.batch(slice(None), 1)
    design = torch.cat([context.flatten(1), torch.ones(len(context), 1, dtype=torch.float64)], dim=1)
    nll = {}
    for target, y in (("step", delta), ("level", delta + context[:, -1])):
        solution = torch.linalg.lstsq(design, y).solution
        sigma = (y - design @ solution).square().mean(0).sqrt()
        head = started(windows, target=target)
        layer, unit = head.network.layer, head.target
        with torch.no_grad():  # outputs: a weight, three means, three log sigmas
            layer.weight.zero_()
            std = head.frame_std.repeat(WINDOW)
            at_mean = head.frame_mean.repeat(WINDOW) @ solution[:-1] + solution[-1]
            layer.weight[1 : 1 + DIM] = ((std[:, None] * solution[:-1]) / unit.std).T
            layer.bias[:] = torch.cat([torch.zeros(1), (at_mean - unit.mean) / unit.std, (sigma / unit.std).log()])
        held_context, held_delta = held_out.batch(slice(None), 1)
        held = held_context.flatten(1) @ solution[:-1] + solution[-1]
        truth = held_delta if target == "step" else held_delta + held_context[:, -1]
        exact = -scipy.stats.norm.logpdf(truth, held, sigma).sum(1)
        with torch.no_grad():
            nll[target] = head.nll(held_context, held_delta)
            np.testing.assert_allclose(nll[target], exact, rtol=0, atol=1e-9)
            np.testing.assert_allclose(-head.density(held_context).log_prob(held_delta), exact, rtol=0, atol=1e-9)
    torch.testing.assert_close(nll["step"], nll["level"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("axes", ["natural", "principal"])
@pytest.mark.parametrize("target", ["step", "level"])
def test_what_a_head_describes_has_mean_0_and_deviation_1_on_training_frames(windows, target, axes):
    context, delta = windows[0].batch(slice(None), 1)
    head = started(windows, target=target, target_axes=axes)
    y = head.target.standardized(delta if target == "step" else context[:, -1] + delta)
    torch.testing.assert_close(y.mean(0), torch.zeros(DIM).double(), rtol=0, atol=1e-9)
    covariance = torch.cov(y.T, correction=0)
    torch.testing.assert_close(covariance.diagonal(), torch.ones(DIM).double(), rtol=0, atol=1e-3)
    assert torch.allclose(covariance, torch.eye(DIM).double(), atol=1e-3) == (axes == "principal")


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("skip", SKIPS)
def test_a_head_of_zeros_with_a_skip_in_principal_axes_is_the_closed_form_line(windows, skip, k):
    head = zeroed(started(windows, linear_skip=skip, target_axes="principal", k=k))
    line, (context, delta) = line_of(windows, k), windows[1].batch(slice(None), k)
    with torch.no_grad():
        assert torch.equal(head.mean_step(context), line.mean_step(context))
        torch.testing.assert_close(head.density(context).mean(), line.density(context).mean(), rtol=0, atol=1e-9)
        exact = -line.density(context).log_prob(delta)
        torch.testing.assert_close(head.nll(context, delta), exact, rtol=0, atol=1e-9)


@pytest.mark.parametrize("network", ["none", "linear", "mlp", "transformer", "gru"])
@pytest.mark.parametrize("head", HEADS)
def test_a_fresh_skip_only_moves_the_density(windows, head, network):
    """With the units held equal, it is the density without a skip, moved by the line."""
    options = {**SIZE, **HEADS[head], "network": {"kind": network}}
    kind = options.pop("kind")
    plain, moved = (started(windows, kind, **options, linear_skip=skip) for skip in ("none", "learned"))
    moved.target.load_state_dict(plain.target.state_dict())
    context, delta = windows[1].batch(slice(9), 1)
    line = line_of(windows).mean_step(context)
    with torch.no_grad():
        torch.testing.assert_close(moved.nll(context, delta + line), plain.nll(context, delta), rtol=1e-9, atol=1e-9)
        densities = moved.density(context), plain.density(context)
        means, draws = ([d.mean() for d in densities], [d.sample(torch.Generator().manual_seed(1)) for d in densities])
        for with_skip, without in (means, draws):
            torch.testing.assert_close(with_skip, without + line, rtol=1e-9, atol=1e-7)
        torch.testing.assert_close(moved.mean_step(context), means[0], rtol=1e-9, atol=1e-9)


def test_only_what_is_learned_beside_the_line_is_trained(windows):
    """`fixed` has as many parameters as without a skip, `learned` W D² + D more."""
    count = {s: sum(p.numel() for p in started(windows, linear_skip=s).parameters()) for s in ("none", *SKIPS)}
    assert count["fixed"] == count["none"]
    assert count["learned"] == count["none"] + WINDOW * DIM**2 + DIM
    head = started(windows, linear_skip="learned", target_axes="principal")
    context, _ = windows[1].batch(slice(None), 1)
    before = head.mean_step(context).detach()
    with torch.no_grad():  # one unit of the correction is one deviation along its axis
        head.skip.trained.bias += torch.tensor([0.0, 1.0, 0.0])
        moved = head.mean_step(context) - before
    torch.testing.assert_close(moved @ head.target.axes, (head.target.std * torch.eye(DIM)[1]).expand_as(moved))


@pytest.mark.parametrize("changes", [{"target": "level"}, {"linear_skip": "learned", "target_axes": "principal"}])
@pytest.mark.parametrize("head", HEADS)
def test_the_training_loss_teaches_every_parameter_what_the_density_would(windows, head, changes):
    options = {**SIZE, **HEADS[head], "network": {"kind": "mlp", "width": 8, "layers": 1}, **changes}
    predictor = started(windows, options.pop("kind"), **options)
    context, delta = windows[1].batch(slice(50), 1)
    named = dict(predictor.named_parameters())
    losses = predictor.nll(context, delta).mean(), -predictor.density(context).log_prob(delta).mean()
    fused, plain = (torch.autograd.grad(loss, list(named.values())) for loss in losses)
    for name, one, other in zip(named, fused, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9, msg=name)
    if "linear_skip" in changes:
        assert fused[list(named).index("skip.trained.weight")].abs().sum() > 0


@pytest.mark.parametrize("skip", SKIPS)
def test_a_direction_of_zeros_points_where_the_line_does(windows, skip):
    head = zeroed(started(windows, "vmf_lognormal", **SIZE, linear_skip=skip, network={"kind": "linear"}))
    line, (context, _) = line_of(windows), windows[1].batch(slice(None), 1)
    mean, expected = head.density(context).mean().detach(), line.mean_step(context)
    torch.testing.assert_close(torch.nn.functional.cosine_similarity(mean, expected), torch.ones(len(mean)).double())
    assert (mean.norm(dim=1) > 0).all()


def test_a_line_holds_beyond_the_training_frames(windows):
    """A skip is not clipped with the network's context: ten thousand deviations away it still leads back."""
    head = zeroed(started(windows, linear_skip="fixed", context_clip=5.0))
    far = (head.frame_mean + 1e4 * head.frame_std).expand(1, WINDOW, DIM)
    ahead = far[:, -1] + head.mean_step(far).detach()
    assert ((ahead - head.frame_mean) / head.frame_std < 0.9e4).all()


def test_the_skip_chooses_among_the_ridges_that_a_line_has_by_default():
    assert list(LINE["ridges"]) == settings_of("predictors", "linear_gaussian")["ridges"]


def test_a_level_target_needs_no_line_and_a_mixture_of_it_is_a_density_of_the_step(windows):
    """One dimension at a time: the density of Δx integrates to 1 and has its mean at E[x_t | c] - x_{t-1}."""
    one = [Windows(w.latents[:, :1].contiguous(), w.rows, WINDOW) for w in windows]
    torch.manual_seed(0)
    head = predictor_of("mdn", 1, **ONE, target="level").double().eval()
    head.set_start(Scaling.fit(one[0]), *one, 1)
    context, _ = one[1].batch(slice(1), 1)
    grid = torch.linspace(-400, 400, 20_001, dtype=torch.float64)[:, None]
    density = head.density(context.expand(len(grid), -1, -1))
    p = density.log_prob(grid).exp().detach()
    step = float(grid[1] - grid[0])
    assert math.isclose(float(p.sum()) * step, 1, abs_tol=1e-6)
    assert math.isclose(float((p * grid[:, 0]).sum()) * step, float(head.mean_step(context).detach()), abs_tol=1e-5)
