"""Each way in which a factorizer fails (seed 000 §4.3 and §7, seed 002 §5), brought about on purpose, and told."""

import logging

import numpy as np
import pytest
import torch

from latentdyn.models.factorizer.health import ALARMS, alarms
from latentdyn.models.factorizer.network import HEALTH
from latentdyn.models.fit import fit_model

from .examples import ONE_DIRECTION, settings, utterances

HARD = {"steps": 60, "select": "last", "learning_rate": 0.1}


def found(make_store, tmp_path, own, data=None):
    store, frames = make_store(data or utterances())
    fitted = fit_model("factorizer", own, store, frames, seed=0, state=tmp_path / "state", device=torch.device("cpu"))
    health = dict(zip(HEALTH, fitted.weights["whole"]["health_validation"].tolist(), strict=True))
    return health, {name for name, rings in alarms(health, own["dim"], store.dim).items() if rings}


def test_a_factorizer_of_a_known_process_rings_no_alarm(make_store, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        health, rung = found(make_store, tmp_path, settings())
    assert not rung and not caplog.records
    assert health["swap_ratio"] > 5 and health["prior_over_posterior"] > 3


@pytest.mark.parametrize(
    ("training", "changes", "rings"),
    [
        # failure A: deviations of the dynamics shrink without end, and the state with them
        ({"steps": 150}, {"dynamics": {"likelihood": "learned", "weight": 30.0}}, {"clamp", "state"}),
        # failure C1, and 7.1: a constant state is easy to predict, and the innovation carries everything
        ({}, {"dynamics": {"likelihood": "fixed", "weight": 1000.0}}, {"state", "swap", "dynamics"}),
        # failure C2, and 7.2: the KL is on target and buys nothing
        ({}, {"innovation": {"target_nats": 8.0, "prior_sample_prob": 1.0}}, {"efficiency"}),
        # the same without a target: the cost is above what the innovation is worth
        ({}, {"innovation": {"beta": 100.0}}, {"kl"}),
        # ill-posed: the frame enters the state for nothing
        ({}, {"timing": "inclusive"}, {"leak"}),
    ],
    ids=["sigma", "state", "unused", "beta", "leak"],
)  # fmt: skip
def test_a_failure_is_told_with_its_knob(make_store, tmp_path, caplog, training, changes, rings):
    with caplog.at_level(logging.WARNING):
        health, rung = found(make_store, tmp_path, settings(HARD | training, **changes))
    assert rings <= rung, health
    told = [record.getMessage() for record in caplog.records]
    assert told == [ALARMS[name].format(**health) for name in ALARMS if name in rung]


def test_a_state_that_falls_together_is_told(make_store, tmp_path):
    """One slow direction is easy to predict. In the state's own units it is soon all that any axis holds."""
    own = settings(HARD, dim=16, dynamics={"likelihood": "fixed", "weight": 30.0})
    _, rung = found(make_store, tmp_path, own, utterances(process=ONE_DIRECTION))
    assert "rank" in rung


def test_what_seed_000_watched_misses_an_innovation_that_buys_nothing(make_store, tmp_path):
    health, _ = found(make_store, tmp_path, settings(HARD, innovation={"target_nats": 8.0, "prior_sample_prob": 1.0}))
    assert health["kl_nats"] > 5 and health["state_variance"] > 0.1 and health["efficiency"] < 0.5


def test_an_inclusive_state_has_no_nll(make_store, tmp_path):
    health, _ = found(make_store, tmp_path, settings({"steps": 2}, timing="inclusive"))
    assert np.isnan(health["nll"]) and np.isfinite(health["window_nll"])
