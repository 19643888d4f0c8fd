"""The linear probe on mixtures whose information is known, and without any."""

import numpy as np
import pytest

from latentdyn.diagnostics.phones.probe import fit_probe, label_correlation
from latentdyn.diagnostics.whitening import Whitening

RIDGES = [1e-4, 1e-2]


def two_sides(n: int, distance: float, seed: int = 0, noise_dims: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Labels, fair, and frames: ±distance in one direction, and unit noise in all."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 1 + noise_dims))
    x[:, 0] += distance * (2 * labels - 1)
    return x, labels


def exact_information(distance: float) -> float:
    """ln 2 - E ln(1 + exp(-2 d (d + z))) nats, z normal: by integration."""
    z = np.linspace(-9, 9, 4001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return np.log(2) - np.trapezoid(density * np.log1p(np.exp(-2 * distance * (distance + z))), z)


def information(x: np.ndarray, labels: np.ndarray) -> float:
    """Held-out nats a frame, thirds for training, validation and the rest."""
    parts = np.array_split(np.arange(len(x)), 3)
    whitening = Whitening.fit(x[parts[0]])
    train, validation, (white, truth) = ((whitening(x[part]), labels[part]) for part in parts)
    k = labels.max() + 1
    log_p = fit_probe(train, validation, k, RIDGES).log_probabilities(white)
    shares = np.bincount(train[1], minlength=k) / len(train[1])
    return float((log_p[np.arange(len(truth)), truth] - np.log(shares[truth])).mean())


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0])
def test_a_mixture_tells_what_it_exactly_tells(distance):
    assert information(*two_sides(12_000, distance)) == pytest.approx(exact_information(distance), abs=0.015)


def test_an_invertible_linear_map_changes_nothing():
    x, labels = two_sides(3000, 1.0)
    rng = np.random.default_rng(5)
    mapped = x @ rng.normal(size=(4, 4)) * 1e3 + 7
    assert information(mapped, labels) == pytest.approx(information(x, labels), abs=2e-3)


def test_permuted_labels_tell_nothing():
    x, labels = two_sides(6000, 2.0)
    assert information(x, np.random.default_rng(1).permutation(labels)) == pytest.approx(0, abs=2e-3)


def test_a_repeated_dimension_is_no_direction_of_its_own():
    x, _ = two_sides(3000, 1.0)
    whitening = Whitening.fit(np.concatenate([x, x[:, :1], np.ones((len(x), 1))], axis=1))
    assert whitening.weights.shape == (6, 4)
    white = whitening(np.concatenate([x, x[:, :1], np.ones((len(x), 1))], axis=1))
    assert white.T @ white / len(white) == pytest.approx(np.eye(4), abs=1e-9)


def test_the_probe_is_at_its_optimum():
    """There W and b have no gradient: the mean error of probabilities is 0, and W's is the ridge's pull."""
    x, labels = two_sides(4000, 1.0)
    white = Whitening.fit(x)(x)
    probe = fit_probe((white, labels), (white[:0], labels[:0]), 2, [0.05])
    error = np.exp(probe.log_probabilities(white)) - np.eye(2)[labels]
    assert error.mean(axis=0) == pytest.approx(0, abs=1e-4)
    assert white.T @ error / len(white) + 0.05 * probe.weights == pytest.approx(0, abs=1e-4)


def test_label_correlation_is_the_squared_canonical_correlation():
    """Of two classes it is R² of the label by the frame."""
    x, labels = two_sides(2000, 0.7)
    white = Whitening.fit(x)(x)
    sides = (labels - labels.mean()) / labels.std()
    assert label_correlation(white, labels) == pytest.approx(np.square(white.T @ sides / len(sides)).sum())
    assert label_correlation(white, labels * 5) == pytest.approx(label_correlation(white, labels)), "codes are names"
