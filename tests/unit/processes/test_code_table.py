"""Frames whose next anchor stands in a table: the cycle by counting, and the answers on utterances."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import norm

from latentdyn.errors import UserError
from latentdyn.processes.code_table import code_cycle, walk
from tests.settings import process_of


@pytest.mark.parametrize(("n_codes", "n"), [(2, 1), (7, 1), (2, 2), (3, 2), (2, 4), (5, 3)])
def test_every_n_gram_occurs_once_on_the_cycle(n_codes, n):
    cycle = code_cycle(n_codes, n, np.random.default_rng(0))
    assert cycle.shape == (n_codes**n,)
    grams = Counter(zip(*(np.roll(cycle, -shift) for shift in range(n)), strict=True))
    assert len(grams) == n_codes**n and set(grams.values()) == {1}


def test_fewer_codes_than_n_tell_nothing_of_the_next():
    cycle = code_cycle(4, 3, np.random.default_rng(1))
    following = Counter(zip(np.roll(cycle, 2), np.roll(cycle, 1), cycle, strict=True))
    assert len(following) == 4**3  # after every pair comes every code, each as often


def test_tables_differ_by_draw_and_walks_by_start():
    cycles = {tuple(code_cycle(4, 2, np.random.default_rng(seed))) for seed in range(5)}
    assert len(cycles) == 5
    cycle = np.arange(5)
    starts = {tuple(walk(cycle, 7, np.random.default_rng(seed))) for seed in range(40)}
    assert starts == {tuple((start + np.arange(7)) % 5) for start in range(5)}


@pytest.mark.parametrize("settings", [{}, {"dim": 3, "n_codes": 8, "ngram": 3, "separation": 30.0, "noise": 0.5}])
def test_who_knows_the_table_scores_as_answered(exact, simulate, agrees, settings):
    process = process_of("code_table", seed=1, **settings)
    n = settings.get("ngram", 2)
    x = simulate(process, 200, 100)
    squares = np.square(x[..., None, :] - process.anchors).sum(axis=3)
    codes = squares.argmin(axis=2)
    known = {
        gram: code
        for *gram_, code in zip(*(np.roll(process.cycle, -shift) for shift in range(n + 1)), strict=True)
        for gram in [tuple(gram_)]
    }
    told = np.array([[known[tuple(row[t - n : t])] for t in range(n, 100)] for row in codes])
    np.testing.assert_array_equal(told, codes[:, n:])
    means = process.anchors[told] - x[:, n - 1 : -1]
    delta = np.diff(x, axis=1)[:, n - 1 :]
    nll = -norm.logpdf(delta, means, process.noise).sum(axis=2)
    answers = exact(process, (1, 2))
    assert {k for _, k in answers} == {1}
    agrees(answers["nll", 1], nll, precision=0.05)
    moment = np.einsum("utd,ute->de", delta, delta) / (delta.size / process.dim)
    agrees(answers["dnll", 1], nll + norm.logpdf(delta, 0, np.sqrt(np.diag(moment))).sum(axis=2), precision=0.1)
    explained = 1 - np.square(delta - means).sum() / np.square(delta).sum()
    assert explained == pytest.approx(answers["r2_delta", 1].value, abs=0.002)


def test_too_many_n_grams_are_refused():
    with pytest.raises(UserError, match=r"ngram is 7.*code_table.*1e6"):
        process_of("code_table", n_codes=10, ngram=7)
