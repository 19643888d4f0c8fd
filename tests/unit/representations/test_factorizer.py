"""States that are stored: what a row knows, gaps, and the way back."""

import numpy as np
import pytest

from latentdyn.representations.base import Source, Utterance, build_transform
from latentdyn.representations.inversion import invert_chain, open_chain
from tests.unit.models.factorizer.examples import PROCESS, section, utterances


def entry(**changes):
    return section({"select": "last"}, encoder={"kind": "gru", "width": 8}, **changes).model_dump(mode="json")


def restored(store):
    transform = build_transform(store.handle["lineage"][-1]["settings"] | {"kind": "factorizer"}, Source(4, 12.5))
    transform.restore(store.fitted())
    return transform


def states(transform, frames):
    return transform.apply(Utterance("u", "s", "eval", frames, np.zeros(len(frames), np.float32)))[0]


def test_a_row_knows_the_frames_up_to_it_and_rebuilds_the_next(make_store, derive):
    source = make_store(utterances())[0]
    store = derive(source, entry(dynamics={"weight": 0.0}))
    assert store.dim == 4 and store.frame_rate_hz == 12.5 and store.n_rows == source.n_rows
    transform, frames = restored(store), PROCESS.utterance(200, np.random.default_rng(99)).astype(np.float32)
    changed = frames.copy()
    changed[50] += 3
    moved = (states(transform, changed) != states(transform, frames)).any(1)
    assert not moved[:50].any() and moved[50]
    back = transform.invert(states(transform, frames), "u")
    assert np.allclose(back[0], transform.model.centre)
    left = np.cov((frames - back)[1:].T)
    np.testing.assert_allclose(np.trace(left), np.trace(PROCESS.given_past()), rtol=0.15)  # what the past does not tell
    chain = open_chain([source.path.with_suffix(".json"), store.path.with_suffix(".json")])
    np.testing.assert_array_equal(invert_chain(chain, states(transform, frames), "u"), back)
    assert transform.invert(states(transform, frames)[:0], "u").shape == (0, 4)


def test_an_inclusive_row_rebuilds_its_own_frame(make_store, derive):
    transform = restored(derive(make_store(utterances())[0], entry(timing="inclusive")))
    frames = PROCESS.utterance(200, np.random.default_rng(99)).astype(np.float32)
    back = transform.invert(states(transform, frames), "u")
    assert np.square(back - frames).mean() < 0.5 * np.trace(PROCESS.given_past()) / 4


def test_states_begin_anew_after_a_frame_that_is_not_finite(make_store, derive):
    transform = restored(derive(make_store(utterances())[0], entry()))
    frames = PROCESS.utterance(40, np.random.default_rng(9)).astype(np.float32)
    broken = frames.copy()
    broken[20] = np.nan
    found = states(transform, broken)
    assert np.isnan(found[20]).all() and np.isfinite(np.delete(found, 20, 0)).all()
    np.testing.assert_array_equal(found[:20], states(transform, frames[:20]))
    np.testing.assert_array_equal(found[21:], states(transform, frames[21:]))


def test_the_health_stands_in_the_handle_with_its_rate(make_store, derive):
    learned = derive(make_store(utterances())[0], entry()).handle["learned"]
    health = learned["validation"]
    assert health["kl_kbit_per_s"] == pytest.approx(health["kl_nats"] / np.log(2) * 12.5 / 1000)
    assert learned["kept_step"] == 20 and health["nll"] is not None
    inclusive = derive(make_store(utterances(), "other")[0], entry(timing="inclusive"), "inclusive")
    assert inclusive.handle["learned"]["validation"]["nll"] is None
