"""Chains of derived representations: walked back to the root, and refused where they do not fit together."""

import sys
import types

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.representations.base import Transform, Utterances
from latentdyn.representations.inversion import chain_inverse, invert_chain, open_chain
from latentdyn.representations.moments import frame_moments


class Rotated(Transform):
    """Principal components of the training frames, scaled: fitted, of two arrays, with an exact inverse."""

    inverse = "exact"
    arrays = ("mean", "axes")

    def __init__(self, source, dtype, scale):
        super().__init__(source, dtype)
        self.scale = scale

    def fit(self, training: Utterances) -> None:
        self.mean, covariance = frame_moments(training)
        self.axes = np.linalg.eigh(covariance)[1]

    def apply(self, utterance):
        return (utterance.latents - self.mean) @ self.axes * self.scale, utterance.energy_db

    def invert(self, latents, utterance_id):
        return (latents / self.scale @ self.axes.T + self.mean).astype(np.float32)


@pytest.fixture(autouse=True)
def rotated(monkeypatch):
    module = types.ModuleType("latentdyn.representations.rotated")
    module.TRANSFORM = Rotated
    monkeypatch.setitem(sys.modules, module.__name__, module)


ROTATED = {"kind": "rotated", "scale": 3.0}
POOLED = {"kind": "pooled", "frame_rate_hz": 6.25}
SHUFFLED = {"kind": "surrogate", "method": "shuffled"}


def clips(offset=0.0):
    rng = np.random.default_rng(0)
    return {(f"{s}-0", s): offset + rng.normal(size=(n, 3)) for s, n in (("t1", 40), ("t2", 31), ("e1", 20))}


@pytest.fixture
def chain(make_store, derive, tmp_path):
    """Handles of a root and of what is derived from it, one after another."""

    def make(*settings, offset=0.0):
        name = f"root{offset:g}"
        stores = [make_store(clips(offset), name)[0]]
        for own in settings:
            name += "_" + own["kind"]
            stores.append(derive(stores[-1], own, name))
        return [store.path.with_suffix(".json") for store in stores]

    return make


def test_links_are_inverted_from_the_last_to_the_first(chain):
    transforms = open_chain(chain(ROTATED, POOLED, {**ROTATED, "scale": 0.5}))
    assert chain_inverse(transforms) == "approximate"
    scale_first, _, scale_last = transforms
    derived = np.array([[1.0, -2, 3]])
    pooled = derived / 0.5 @ scale_last.axes.T + scale_last.mean
    expected = pooled / 3 @ scale_first.axes.T + scale_first.mean
    frames = invert_chain(transforms, derived, "e1-0")
    np.testing.assert_allclose(frames, np.repeat(expected, 2, axis=0), rtol=1e-5)
    assert frames.dtype == np.float32


def test_an_exact_chain_gives_the_roots_frames_back(chain):
    transforms = open_chain(chain(ROTATED, {**ROTATED, "scale": 0.1}))
    assert chain_inverse(transforms) == "exact"
    for (name, _), latents in clips().items():
        derived = latents
        for transform in transforms:
            derived = (derived - transform.mean) @ transform.axes * transform.scale
        np.testing.assert_allclose(invert_chain(transforms, derived, name), latents, rtol=1e-4, atol=1e-5)


def test_a_root_alone_is_a_chain_of_no_links(chain):
    transforms = open_chain(chain())
    assert transforms == [] and chain_inverse(transforms) == "exact"
    latents = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(invert_chain(transforms, latents, "e1-0"), latents)


def test_the_link_without_an_inverse_is_named(chain):
    with pytest.raises(
        UserError, match=r"test>rotated>surrogate>pooled .*'surrogate' has no inverse.*_surrogate\.json"
    ):
        open_chain(chain(ROTATED, SHUFFLED, POOLED))


def test_a_gap_another_order_and_another_root_are_refused(chain):
    root, rotated, pooled = chain(ROTATED, POOLED)
    with pytest.raises(UserError, match=r"test>rotated\), so no chain starts with it"):
        open_chain([rotated, pooled])
    with pytest.raises(UserError, match=r"kind pooled\) was not made from .* \(kind test\).*root0_rotated_pooled"):
        open_chain([root, pooled])
    other_root, other_rotated, _ = chain(ROTATED, POOLED, offset=5.0)
    for handles in ([other_root, rotated], [root, other_rotated]):
        with pytest.raises(UserError, match="was not made from"):
            open_chain(handles)


def test_a_link_whose_fitted_arrays_are_damaged_is_refused(chain):
    root, rotated = chain(ROTATED)
    (rotated.with_suffix(".zarr") / "fitted/mean/c/0").unlink()
    with pytest.raises(UserError, match=r"is missing.*fitted/mean.*delete .*\.json and run the same command"):
        open_chain([root, rotated])
