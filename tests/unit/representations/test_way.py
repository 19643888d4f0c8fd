"""The way from one representation to another of the same root: back to what both share, and forth."""

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.representations.way import open_way
from tests.unit.representations.test_every_transform import clips


def handle(store):
    return store.path.with_suffix(".json")


@pytest.fixture
def stores(make_store, derive):
    root = make_store({key: x for key, x in clips().items() if np.isfinite(x).all()})[0]
    pooled = derive(root, {"kind": "pooled", "frame_rate_hz": 6.25}, "pooled")
    return {
        "root": root,
        "pooled": pooled,
        "stacked": derive(root, {"kind": "stacked", "frame_rate_hz": 6.25}, "stacked"),
        "pca": derive(pooled, {"kind": "pca", "dim": 4, "whiten": False}, "pca"),
        "gru": derive(pooled, {"kind": "random_gru", "dim": 3, "seed": 0}, "gru"),
    }


def way(stores, own, other):
    return open_way(*([handle(stores[name]) for name in names.split(">")] for names in (own, other)))


def first(store):
    return next(frames for row, frames, _ in store.iterate() if row.n_frames > 20)


def test_to_what_it_was_made_of_it_is_the_inverse(stores):
    found = way(stores, "root>pooled>pca", "root>pooled")
    assert found.inverse == "exact" and [len(found.back), len(found.forth)] == [1, 0]
    np.testing.assert_allclose(found(first(stores["pca"]), "t1-0"), first(stores["pooled"]), atol=1e-5)


def test_to_another_branch_it_goes_back_and_forth(stores):
    found = way(stores, "root>pooled>pca", "root>stacked")
    assert found.inverse == "approximate" and [len(found.back), len(found.forth)] == [2, 1]
    stacked = found(first(stores["pca"]), "t1-0")
    mean = first(stores["pooled"])
    np.testing.assert_allclose(stacked, np.concatenate([mean, mean], axis=1), atol=1e-5)


def test_to_itself_it_is_nothing(stores):
    found = way(stores, "root>pooled", "root>pooled")
    frames = first(stores["pooled"])
    assert found.inverse == "exact" and found(frames, "u") is frames


def test_a_link_without_an_inverse_is_said(stores):
    assert way(stores, "root>pooled>gru", "root>pooled").inverse == "none"


def test_other_roots_and_other_rates_are_refused(stores, make_store):
    with pytest.raises(UserError, match=r"test>pooled and test have 6\.25 and 12\.5 frames a second"):
        way(stores, "root>pooled", "root")
    stores["other"] = make_store({("t1-0", "t1"): np.ones((30, 4))}, "other")[0]
    with pytest.raises(UserError, match="not made of one root"):
        way(stores, "root", "other")
