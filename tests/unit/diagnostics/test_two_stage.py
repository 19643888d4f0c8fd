"""Two-stage generation: the law of lengths by hand, and directions that do not ask for lengths."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from latentdyn.diagnostics.free_runs import FreeRunSettings
from latentdyn.diagnostics.two_stage import (
    LengthLaw,
    Speakers,
    in_two_stages,
    measure_two_stage,
    steps_around,
    told_by,
)
from latentdyn.distributions.von_mises_fisher import VonMisesFisherLogNormal
from latentdyn.errors import UserError
from latentdyn.predictors.base import Predictor, build_predictor
from tests.settings import settings_of

SETTINGS = FreeRunSettings("eval", 6, 12, (1, 12), 1.0, 200, 40)


class Turning(Predictor):
    """The next direction is the last one, turned by a quarter in the plane, nearly for certain; lengths vary."""

    def density(self, context):
        step = torch.nn.functional.normalize(context[:, -1] - context[:, -2], dim=1)
        turned = torch.stack([-step[:, 1], step[:, 0]], dim=1)
        rows = len(step)
        return VonMisesFisherLogNormal(turned, torch.full((rows,), 1e8), torch.zeros(rows), torch.full((rows,), 0.1))


def law(log_std=-30.0, bias=0.0, weight=None):
    n = 5 * 2 + 4 + 2
    weight = torch.zeros(n) if weight is None else weight
    return LengthLaw(torch.zeros(n).double(), torch.ones(n).double(), weight.double(), bias, log_std)


def test_a_length_is_told_by_the_directions_around_it_their_cosines_and_its_speaker():
    east, north, west = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([-1.0, 0.0])
    directions = torch.stack([east, north, east, west, north, east])[None]
    told = told_by(directions, torch.tensor([[7.0, 8.0]]))
    assert told.shape == (1, 2, 16) and told.dtype == torch.float64
    assert told[0, 0].tolist() == [1, 0, 0, 1, 1, 0, -1, 0, 0, 1, 1, 0, -1, 0, 7, 8]
    assert told[0, 1, 10:].tolist() == [0, -1, 0, -1, 7, 8]


def test_a_linear_law_is_found():
    generator = torch.Generator().manual_seed(0)
    told = 3 + 2 * torch.randn(20_000, 4, generator=generator, dtype=torch.float64)
    weight = torch.tensor([0.5, -1.0, 0.0, 2.0], dtype=torch.float64)
    noise = 0.3 * torch.randn(20_000, generator=generator, dtype=torch.float64)
    found = LengthLaw.fit(told, told @ weight + 1 + noise)
    torch.testing.assert_close(found.weight / found.std, weight, atol=0.01, rtol=0)
    assert math.exp(found.log_std) == pytest.approx(0.3, rel=0.02)
    assert float(found.expected(torch.zeros(4, dtype=torch.float64))) == pytest.approx(1, abs=0.05)
    drawn = found.draw(told, torch.Generator().manual_seed(1), temperature=4.0) - found.expected(told)
    assert float(drawn.std()) == pytest.approx(0.6, rel=0.03)


def test_level_and_rate_of_a_speaker_by_hand(make_store):
    """Lengths 1, e², 1, e², e², 1 in six steps: the level is 1, and ln m rises above it twice after the first step."""
    lengths = np.exp([0, 2, 0, 2, 2, 0])
    still = np.zeros((4, 2))
    still[2:] = 5
    walk = np.concatenate([[0], np.cumsum(lengths)])[:, None] * [0.6, 0.8]
    store, frames = make_store({("u", "t1"): walk, ("v", "e1"): still})
    speakers = Speakers.of(torch.from_numpy(store.load()), frames, 12.5)
    assert speakers.level["t1"] == pytest.approx(1) and speakers.level["e1"] == pytest.approx(math.log(math.sqrt(50)))
    assert speakers.rate.to_dict() == {"e1": 0.0, "t1": pytest.approx(2 / 6 * 12.5)}
    facts = speakers.facts(frames.table([-1 + len(frames), 0])["speaker_id"])
    np.testing.assert_allclose(facts, [[speakers.level[s], speakers.rate[s]] for s in ("e1", "t1")])


def test_levels_and_rates_are_those_of_a_table_of_all_frames(make_store):
    rng = np.random.default_rng(0)
    data = {(f"u{i}", f"{'te'[i % 2]}{i % 5}"): rng.normal(size=(30 + i, 3)) for i in range(12)}
    data["u3", "e3"][[0, 11, 12]] = np.nan
    data["u4", "t4"][7] = data["u4", "t4"][6]
    store, frames = make_store(data)
    found = Speakers.of(torch.from_numpy(store.load()), frames, 12.5)
    x, table = store.load(), frames.table()
    ok = table["valid"].to_numpy()
    table = table[(table["t"] > 0).to_numpy() & ok & np.roll(ok, 1)]
    row, speaker = table["row"].to_numpy(), table["speaker_id"].astype(str).to_numpy()
    length = torch.from_numpy(x[row].astype(np.float64) - x[row - 1]).norm(dim=1).numpy()
    log_length = pd.Series(np.log(np.where(length > 0, length, np.nan)))
    level = log_length.groupby(speaker).mean()
    above = (log_length > level[speaker].to_numpy()).to_numpy()
    rises = above & ~np.roll(above, 1) & (np.diff(row, prepend=-2) == 1) & (table["t"] > 1).to_numpy()
    pd.testing.assert_series_equal(found.level, level, check_exact=True)
    pd.testing.assert_series_equal(found.rate, pd.Series(rises).groupby(speaker).mean() * 12.5, check_exact=True)


def test_what_tells_a_true_step_comes_from_its_own_utterance(make_store):
    rng = np.random.default_rng(0)
    x = {(name, "t1"): rng.normal(size=(9, 2)) for name in ("a", "b")}
    store, frames = make_store(x)
    latents = torch.from_numpy(store.load())
    speakers = Speakers.of(latents, frames, 12.5)
    told, log_lengths = steps_around(latents, frames, speakers)
    assert told.shape == (2 * (8 - 4), 16)  # 8 steps, two at each end without neighbours
    steps = np.diff(x["b", "t1"].astype(np.float32), axis=0).astype(np.float64)
    lengths = np.linalg.norm(steps, axis=1)
    np.testing.assert_allclose(log_lengths[4:], np.log(lengths[2:-2]), rtol=1e-6)
    np.testing.assert_allclose(told[4, :10], (steps / lengths[:, None])[:5].ravel(), rtol=1e-6)


def test_directions_come_first_and_lengths_from_the_law():
    history = torch.tensor([[[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]])
    facts = torch.tensor([[0.0, 0.0]])
    weight = torch.zeros(16)
    weight[14] = 1.0  # the level of the speaker alone
    for level in (0.0, 1.0):
        run = in_two_stages(
            Turning(2, 2), law(weight=weight), history, facts + level, 5, torch.Generator().manual_seed(0), 1.0
        )[0]
        expected = math.exp(level) * torch.tensor([[0, 1], [-1, 0], [0, -1], [1, 0], [0, 1]])
        torch.testing.assert_close(run[0], history[0, -1])
        torch.testing.assert_close(run.diff(dim=0), expected, atol=2e-3, rtol=0)


def test_the_network_sees_directions_alone():
    settings = settings_of("predictors", "vmf_lognormal", window_frames=4, context_normalisation="directions",
                           network={"kind": "mlp", "width": 8, "layers": 1})  # fmt: skip
    torch.manual_seed(0)
    predictor = build_predictor(settings, 2)
    context = torch.randn(5, 4, 2)
    scaled = torch.cat([torch.zeros(5, 1, 2), (context.diff(dim=1) * torch.rand(5, 3, 1)).cumsum(dim=1)], dim=1) + 9
    torch.testing.assert_close(predictor.outputs(scaled), predictor.outputs(context), atol=1e-4, rtol=0)
    assert (predictor.outputs(context.flip(1)) - predictor.outputs(context)).abs().max() > 1e-3


def test_both_ways_are_measured_beside_the_data(make_store, var_process):
    store, frames = make_store(var_process(0.5 * np.eye(2), 20, 40))
    records = measure_two_stage(Turning(2, 3), torch.from_numpy(store.load()), frames, 12.5, SETTINGS, ("test",))
    found = {(r.mode, r.metric, r.step): r.value for r in records}
    assert {mode for mode, _, _ in found} >= {"joint", "two_stage", "data", "half", "marginal"}
    for mode in ("joint", "two_stage"):
        for metric in ("unbounded", "energy", "frechet_latents", "frechet_deltas", "classifier_accuracy"):
            assert math.isfinite(found[mode, metric, None])
        assert 0 < found[mode, "energy_score_state", 1] < found[mode, "energy_score_state", 16] * 10
    assert -0.5 < found["two_stage", "r2_lengths", None] < 0.5
    assert len(records) == len({(r.mode, r.metric, r.step) for r in records})
    again = measure_two_stage(Turning(2, 3), torch.from_numpy(store.load()), frames, 12.5, SETTINGS, ("test",))
    assert [vars(r) for r in again] == [vars(r) for r in records]


def test_a_context_without_the_directions_that_a_length_needs_is_told(make_store, var_process):
    store, frames = make_store(var_process(0.5 * np.eye(2), 10, 40))
    with pytest.raises(UserError, match=r"told by 2 directions.*context has 2 frames"):
        measure_two_stage(Turning(2, 2), torch.from_numpy(store.load()), frames, 12.5, SETTINGS, ("test",))
