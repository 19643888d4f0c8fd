"""What every head must do: draws, likelihood and averages are of one density. A new kind is tested by existing.

A kind of predictor is built with every combination of the words that its settings may be, in two dimensions, with
weights as they are drawn or as they are solved.
"""

import math
from itertools import product
from typing import Any, Literal, get_args, get_origin

import pytest
import torch

from latentdyn.config.kinds import kinds_of
from latentdyn.config.predictors import PredictorKind
from latentdyn.families import PREDICTORS
from latentdyn.predictors.base import Predictor, SolvedPredictor, build_predictor
from latentdyn.stores.windows import Scaling, Windows

N = 8_000
SECTIONS = {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in kinds_of(PredictorKind)}


def variants(kind: str) -> list[dict[str, Any]]:
    """The settings of a kind: all words that they may be, a small network, and else the defaults."""
    fields = SECTIONS[kind].model_fields
    words = {
        name: get_args(field.annotation)
        for name, field in fields.items()
        if name not in ("kind", "context_normalisation", "reads", "solver") and get_origin(field.annotation) is Literal
    }
    network = {"kind": "mlp", "width": 8, "layers": 1}
    small = {name: value for name, value in (("network", network), ("hidden_width", 128)) if name in fields}
    shared = {"kind": kind, "window_frames": 2, "horizons": [1], **small}
    chosen = [dict(zip(words, values, strict=True)) for values in product(*words.values())]
    return [SECTIONS[kind].model_validate(shared | settings).model_dump(mode="json") for settings in chosen]


EVERY = [settings for kind in SECTIONS for settings in variants(kind)]


def test_every_kind_on_the_disk_is_in_the_config_and_the_other_way_round():
    assert PREDICTORS.kinds() == sorted(SECTIONS)


@pytest.fixture(params=EVERY, ids=lambda s: "-".join(str(v) for v in s.values() if isinstance(v, str)))
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


@pytest.fixture
def predictor(settings: dict[str, Any]) -> Predictor:
    torch.manual_seed(0)
    latents = torch.randn(400, 2) @ torch.tensor([[1.0, 0.6], [0.0, 0.5]]) + 3
    windows = Windows(latents, torch.arange(10, 400), 2)
    made = build_predictor(settings, 2)
    made.set_scaling(Scaling.fit(windows))
    if isinstance(made, SolvedPredictor):
        list(made.solve(windows, windows, 1))
    return made.eval()


def context(rows: int) -> torch.Tensor:
    return torch.tensor([[3.2, 2.9], [2.5, 3.4]]).expand(rows, -1, -1)


@torch.inference_mode()
def test_draws_follow_the_likelihood(predictor: Predictor):
    """E[q(x) / p(x)] over draws x from p is 1 for any density q, here a Gaussian that is narrower than the draws."""
    density = predictor.density(context(N))
    if not density.gives("log_prob"):
        pytest.skip("this density has no likelihood")
    draws = density.sample(torch.Generator().manual_seed(1))
    narrow = torch.distributions.Normal(
        draws.median(0).values, 0.5 * (draws.quantile(0.75, 0) - draws.quantile(0.25, 0))
    )
    ratio = (narrow.log_prob(draws).sum(1) - density.log_prob(draws)).exp()
    assert float(ratio.mean()) == pytest.approx(1, abs=5 * float(ratio.std()) / math.sqrt(N))


@torch.inference_mode()
def test_averages_are_those_of_draws(predictor: Predictor, settings: dict[str, Any]):
    density = predictor.density(context(1))  # averages of one row: a flow draws for each
    draws = predictor.density(context(N)).sample(torch.Generator().manual_seed(2))
    if density.gives("mean"):
        spread = draws.std(0)
        drawn = settings.get("mean_samples")  # a mean that is itself drawn is only as near as its draws
        near = 5 / math.sqrt(N) + (5 / math.sqrt(drawn) if drawn else 0)
        assert ((density.mean()[0] - draws.mean(0)).abs() < near * spread).all()
    if density.gives("mean_log_norm"):
        assert float(density.mean_log_norm()[0]) == pytest.approx(float(draws.norm(dim=1).log().mean()), abs=0.15)


@torch.inference_mode()
def test_draws_follow_from_the_generator_and_a_low_temperature_brings_them_together(predictor: Predictor):
    density = predictor.density(context(2000))
    draws, again = (density.sample(torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(draws, again) and draws.shape == (2000, 2)
    cold = density.sample(torch.Generator().manual_seed(3), temperature=0.05)
    inner = [x.quantile(0.75, 0) - x.quantile(0.25, 0) for x in (cold, draws)]
    assert (inner[0] < inner[1]).all()


@torch.inference_mode()
def test_a_row_is_answered_by_itself(predictor: Predictor):
    mixed = torch.cat([context(1), context(1) + 1])
    density, alone = predictor.density(mixed), predictor.density(mixed[1:])
    x = torch.tensor([[0.1, -0.2]])
    if density.gives("log_prob"):
        torch.testing.assert_close(density.log_prob(x.expand(2, -1))[1:], alone.log_prob(x), rtol=1e-5, atol=1e-5)
    if density.gives("mean"):
        torch.testing.assert_close(density.mean()[1:], alone.mean(), rtol=1e-4, atol=1e-4)
