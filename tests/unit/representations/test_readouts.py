"""Linear readouts: against float64 eigenvectors, the population of a VAR, and what every way back must be."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import solve_discrete_lyapunov, subspace_angles
from scipy.signal import lfilter

from latentdyn.diagnostics.predictive_information import predictive_information
from latentdyn.errors import UserError
from latentdyn.representations.base import Source, build_transform
from latentdyn.representations.inversion import open_chain
from latentdyn.representations.readout import upright, whitening
from latentdyn.stores.frames import index_frames
from tests.settings import settings_of

READOUTS = {
    "pca": {"whiten": False},
    "whitened": {"kind": "pca", "whiten": True},
    "random_projection": {"seed": 0},
    "sfa": {},
    "cca": {"window_frames": 2},
}
TRANSITION = np.array([[0.9, 0.2, 0, 0], [0, 0.6, 0.3, 0], [0, 0, -0.5, 0], [0.1, 0, 0, 0.2]])


def settings(name, dim, **changes):
    return {"kind": name, "dim": dim, **READOUTS[name], **changes}


def clips(n=2000, dim=5, offset=50.0, seed=0):
    """Correlated dimensions of unequal size that move slowly, far from zero."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(dim, dim)) * np.geomspace(3, 0.1, dim)
    walks = lfilter([1], [1, -0.8], rng.normal(size=(4, n, dim)), axis=1) @ mixing.T + offset
    return {(f"{name}-0", name): x.astype(np.float32) for name, x in zip(("t1", "t2", "t3", "e1"), walks, strict=True)}


def training(data):
    return np.concatenate([x for (_, speaker), x in data.items() if speaker.startswith("t")]).astype(np.float64)


def opened(store, source):
    (transform,) = open_chain([s.path.with_suffix(".json") for s in (source, store)])
    return transform


def frames_of(store, split="t"):
    return np.concatenate([x for row, x, _ in store.iterate() if row.speaker_id.startswith(split)]).astype(np.float64)


def var(n, seed=0):
    """One utterance of each of three speakers, of a VAR(1) with unit noise."""
    rng = np.random.default_rng(seed)
    s = solve_discrete_lyapunov(TRANSITION, np.eye(4))
    out = {}
    for name in ("t1", "t2", "e1"):
        x = np.empty((n, 4))
        x[0], noise = np.linalg.cholesky(s) @ rng.normal(size=4), rng.normal(size=(n, 4))
        for t in range(1, n):
            x[t] = TRANSITION @ x[t - 1] + noise[t]
        out[f"{name}-0", name] = x
    return out


# ------------------------------------------------------------------------------------------------------- pca


@pytest.mark.parametrize("dim", [1, 3, 5])
def test_pca_is_the_eigenvectors_of_the_training_frames(make_store, derive, dim):
    data = clips()
    source = make_store(data)[0]
    store = derive(source, settings("pca", dim))
    x = training(data)
    variances, axes = np.linalg.eigh(np.cov(x.T, bias=True))
    axes = upright(axes[:, ::-1][:, :dim])
    found = store.fitted()
    np.testing.assert_allclose(found["weights"], axes, atol=1e-6)
    np.testing.assert_allclose(found["variances"], variances[::-1], rtol=1e-6)
    np.testing.assert_allclose(found["synthesis"], axes.T, atol=1e-6)
    assert store.handle["explained_variance"] == pytest.approx(variances[::-1][:dim].sum() / variances.sum(), abs=1e-9)
    np.testing.assert_allclose(frames_of(store), (x - x.mean(axis=0)) @ axes, atol=1e-4)


def test_whitened_components_have_variance_one_and_explain_as_much(make_store, derive):
    source = make_store(clips())[0]
    plain, white = (derive(source, settings(name, 3), name) for name in ("pca", "whitened"))
    np.testing.assert_allclose(np.cov(frames_of(white).T, bias=True), np.eye(3), atol=1e-4)
    assert white.handle["explained_variance"] == pytest.approx(plain.handle["explained_variance"], abs=1e-9)
    y, z = (opened(s, source).invert(frames_of(s), "u") for s in (plain, white))
    np.testing.assert_allclose(y, z, atol=1e-4)


def test_the_largest_weight_of_every_direction_is_positive():
    weights = np.array([[1.0, -1, 0.2], [-2, 0.5, -0.3]])
    assert upright(weights).tolist() == [[-1.0, 1, -0.2], [2, -0.5, 0.3]]


# --------------------------------------------------------------------------------------------- the way back


@pytest.mark.parametrize("name", READOUTS)
def test_all_dimensions_lead_back_exactly(make_store, derive, name):
    source = make_store(clips())[0]
    store = derive(source, settings(name, 5))
    transform = opened(store, source)
    assert transform.inverse == "exact"
    assert store.handle["explained_variance"] == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(transform.invert(frames_of(store, "e"), "u"), frames_of(source, "e"), atol=2e-4)


@pytest.mark.parametrize("name", READOUTS)
def test_fewer_dimensions_lead_back_by_least_squares(make_store, derive, name):
    source = make_store(clips())[0]
    store = derive(source, settings(name, 2))
    transform = opened(store, source)
    assert transform.inverse == "approximate"
    x, y = frames_of(source), frames_of(store)
    design = np.column_stack([y, np.ones(len(y))])
    best = design @ np.linalg.lstsq(design, x, rcond=None)[0]
    spread = x.std(axis=0).max()
    # the moments of sfa and cca leave out the first frames of each utterance
    np.testing.assert_allclose(transform.invert(y, "u"), best, atol=5e-3 * spread)
    explained = 1 - np.square(x - best).sum() / np.square(x - x.mean(axis=0)).sum()
    assert store.handle["explained_variance"] == pytest.approx(explained, abs=2e-3)


def test_no_readout_explains_more_than_pca(make_store, derive):
    source = make_store(clips())[0]
    explained = {name: derive(source, settings(name, 2), name).handle["explained_variance"] for name in READOUTS}
    assert max(explained, key=explained.get) in ("pca", "whitened")


# --------------------------------------------------------------------------------------------------- random


def test_random_directions_are_orthonormal_and_follow_from_the_seed_and_the_dimension_alone(make_store, derive):
    one, other = make_store(clips())[0], make_store(clips(seed=5), "other")[0]
    fitted = {
        key: derive(source, settings("random_projection", dim, seed=seed), f"{dim}{seed}{key[0]}").fitted()["weights"]
        for key, source, dim, seed in (
            (("a", 3, 0), one, 3, 0), (("b", 3, 0), other, 3, 0), (("a", 2, 0), one, 2, 0), (("a", 3, 1), one, 3, 1)
        )
    }  # fmt: skip
    first = fitted["a", 3, 0]
    np.testing.assert_allclose(first.T @ first, np.eye(3), atol=1e-12)
    np.testing.assert_array_equal(first, fitted["b", 3, 0])
    np.testing.assert_allclose(np.abs(first[:, :2]), np.abs(fitted["a", 2, 0]), atol=1e-12)
    assert np.abs(np.abs(first) - np.abs(fitted["a", 3, 1])).max() > 0.1


# ------------------------------------------------------------------------------------------ known processes


@pytest.mark.parametrize(("n", "tolerance"), [(300, 0.4), (20_000, 0.04)])
def test_slow_features_of_a_var_are_the_populations_as_data_grow(make_store, derive, n, tolerance):
    s = solve_discrete_lyapunov(TRANSITION, np.eye(4))
    steps = 2 * s - TRANSITION @ s - s @ TRANSITION.T
    white = np.linalg.inv(np.linalg.cholesky(s)).T
    slowness, axes = np.linalg.eigh(white.T @ steps @ white)
    store = derive(make_store(var(n))[0], settings("sfa", 2))
    found = store.fitted()
    np.testing.assert_allclose(found["slowness"], slowness[:2], atol=tolerance / 2)
    assert subspace_angles(found["weights"], white @ axes[:, :2]).max() < tolerance
    y = frames_of(store)
    np.testing.assert_allclose(np.cov(y.T, bias=True), np.eye(2), atol=0.05)


@pytest.mark.parametrize(("n", "tolerance"), [(300, 0.5), (20_000, 0.06)])
@pytest.mark.parametrize("window_frames", [1, 3])
def test_canonical_correlations_of_a_var_are_the_populations_as_data_grow(
    make_store, derive, n, tolerance, window_frames
):
    s = solve_discrete_lyapunov(TRANSITION, np.eye(4))
    white = np.linalg.inv(np.linalg.cholesky(s)).T
    squared, axes = np.linalg.eigh(white.T @ TRANSITION @ s @ TRANSITION.T @ white)
    squared, axes = squared[::-1], axes[:, ::-1]
    found = derive(make_store(var(n))[0], settings("cca", 2, window_frames=window_frames)).fitted()
    np.testing.assert_allclose(found["correlations"], np.sqrt(squared), atol=tolerance / 2)
    assert subspace_angles(found["weights"], white @ axes[:, :2]).max() < tolerance
    information, exact = (-0.5 * np.log1p(-rho2).sum() for rho2 in (found["correlations"] ** 2, squared))
    assert information == pytest.approx(exact, abs=tolerance)
    # ½ ln(det S / det Q), the mutual information of a frame and its past
    assert exact == pytest.approx(0.5 * np.linalg.slogdet(s)[1], rel=1e-9)


def test_predictive_information_of_all_canonical_directions_is_the_sources(make_store, derive):
    source = make_store(var(3000))[0]
    values = []
    for store in (source, derive(source, settings("cca", 4)), derive(source, settings("cca", 2), "two")):
        splits = {"speaker_id": ["t1", "t2", "e1"], "split": ["train", "train", "eval"]}
        frames = index_frames(store, pd.DataFrame(splits))
        own = settings_of("predictors", "linear_gaussian", window_frames=2, horizons=[1, 2], ridges=[0.0])
        records, _ = predictive_information(
            own, torch.from_numpy(store.load()), frames, max_frames=10**6, resamples=10, seed_names=("test",)
        )
        values.append([record.value for record in records])
    assert values[1] == pytest.approx(values[0], abs=1e-4)
    assert values[2][0] < values[0][0]


# ---------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("name", READOUTS)
def test_more_dimensions_than_the_source_has_are_refused(name):
    with pytest.raises(UserError, match=r"readout of 6 dimensions cannot be made of 5.*dim of the.*5 or less"):
        build_transform({"dtype": "float32", **settings(name, 6)}, Source(5, 12.5))


@pytest.mark.parametrize("name", READOUTS)
@pytest.mark.parametrize(
    ("spoil", "rank"),
    [
        (lambda x: np.column_stack([x[:, :4], x[:, 0]]), 4),  # a dimension twice
        (lambda x: np.column_stack([x[:, :3], np.full((len(x), 2), 7.0)]), 3),  # two that do not move
        (lambda x: np.column_stack([1e-4 * x[:, :4], 1e4 * (x[:, 0] - 50)]), 4),  # twice, in other units
    ],
)
def test_more_dimensions_than_the_frames_vary_in_are_refused(make_store, derive, name, spoil, rank):
    source = make_store({key: spoil(x).astype(np.float32) for key, x in clips(n=300).items()})[0]
    expected = rf"vary in {rank} of 5 dimensions, too few for a readout of 5.*set it to {rank} or less"
    with pytest.raises(UserError, match=expected):
        derive(source, settings(name, 5))
    store = derive(source, settings(name, 2), "fewer")
    assert np.isfinite(frames_of(store)).all()


@pytest.mark.parametrize("name", READOUTS)
def test_too_few_training_frames_are_refused(make_store, derive, name):
    data = clips(n=300)
    few = {key: x[:1] if key[1].startswith("t") else x for key, x in data.items()}  # three frames
    with pytest.raises(UserError, match=r"vary in 2 of 5 dimensions|finite frames in a row"):
        derive(make_store(few)[0], settings(name, 3))
    with pytest.raises(UserError, match=r"finite frame"):
        derive(make_store({k: x * np.nan for k, x in data.items()}, "nan")[0], settings(name, 1))
    with pytest.raises(UserError, match=r"vary in 0 of 5 .*they do not vary at all"):
        derive(make_store({k: x * 0 for k, x in data.items()}, "flat")[0], settings(name, 1))


def test_a_past_that_would_predict_anything_is_refused(make_store, derive):
    source = make_store(clips(n=20))[0]
    with pytest.raises(
        UserError, match=r"24 windows of 13 training frames are too few: a past of 60 numbers.*kind pca"
    ):
        derive(source, settings("cca", 2, window_frames=12))


def test_whitening_leaves_directions_out_that_are_rounding():
    covariance = np.array([[4.0, 2, 0], [2, 1, 0], [0, 0, 0]])
    white = whitening(covariance)
    assert white.shape == (3, 1)
    assert white.T @ covariance @ white == pytest.approx(np.eye(1))


@pytest.mark.parametrize("name", READOUTS)
def test_frames_that_are_not_finite_neither_count_nor_spread(make_store, derive, name):
    data = clips(n=400)
    gaps = {key: x.copy() for key, x in data.items()}
    gaps["t2-0", "t2"][100:] = np.nan
    gaps["t3-0", "t3"][:] = np.inf
    short = {key: x[:100] if key[1] == "t2" else x for key, x in data.items() if key[1] != "t3"}
    a, b = (derive(make_store(d, n)[0], settings(name, 2), f"{n}_d") for d, n in ((gaps, "gaps"), (short, "short")))
    for array in a.fitted():
        np.testing.assert_allclose(a.fitted()[array], b.fitted()[array], rtol=1e-7, atol=1e-9)
    assert a.handle["nonfinite_frames"] == 700
