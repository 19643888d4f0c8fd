"""What all processes share: building by kind, utterances by name, answers where they are asked for, and the store."""

import numpy as np
import pandas as pd
import pytest

from latentdyn.errors import UserError
from latentdyn.families import PROCESSES
from latentdyn.processes.base import build_process, monte_carlo, write_process
from latentdyn.seeds import numpy_generator
from latentdyn.stores.latents import open_latents
from tests.settings import process_of, settings_of

MANIFEST = pd.DataFrame({"utterance_id": ["a1", "a2", "b1"], "speaker_id": ["a", "a", "b"], "n_frames": [7, 3, 5]})
KINDS_WITH_PARAMETERS = ["jumps", "prototypes", "state_space", "switching", "var"]


@pytest.mark.parametrize("kind", PROCESSES.kinds())
@pytest.mark.parametrize("n_frames", [0, 1, 40])
def test_an_utterance_is_named_by_its_generator_alone(kind, n_frames):
    process = process_of(kind, dim=6, seed=3)
    assert (process.kind, process.dim) == (kind, 6)
    x = process.utterance(n_frames, numpy_generator("u"))
    assert (x.shape, x.dtype) == ((n_frames, 6), np.float64)
    again = process_of(kind, dim=6, seed=3)
    again.utterance(9, numpy_generator("another"))  # what was drawn before does not matter
    np.testing.assert_array_equal(again.utterance(n_frames, numpy_generator("u")), x)
    if n_frames > 1:
        assert np.isfinite(x).all()
        assert not np.array_equal(process.utterance(n_frames, numpy_generator("v")), x)


@pytest.mark.parametrize("kind", KINDS_WITH_PARAMETERS)
def test_the_seed_draws_the_parameters(kind):
    one, other = (process_of(kind, dim=6, seed=seed) for seed in (0, 1))
    assert not np.allclose(one.utterance(5, numpy_generator("u")), other.utterance(5, numpy_generator("u")))


@pytest.mark.parametrize("kind", PROCESSES.kinds())
def test_answers_are_those_of_the_horizons_asked_for(kind):
    process = process_of(kind, dim=4)
    answers = process.answers([1, 3])
    assert {answer.horizon for answer in answers} <= {None, 1, 3} and any(answer.horizon == 1 for answer in answers)
    assert len({(answer.metric, answer.horizon) for answer in answers}) == len(answers)
    assert all(np.isfinite([answer.value, answer.error]).all() and "|" not in answer.formula for answer in answers)
    assert process.answers([3]) == [answer for answer in answers if answer.horizon in (None, 3)]
    assert process_of(kind, dim=4).answers([1, 3]) == answers  # Monte Carlo by name


def test_an_unknown_kind_is_refused():
    with pytest.raises(UserError, match=r"no process of kind 'arma'.*use code_table, jumps, prototypes"):
        build_process({"kind": "arma"})


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        ("var", "dim", 0),
        ("var", "radius", -0.1),
        ("var", "radius", float("nan")),
        ("var", "noise", "pink"),
        ("jumps", "dim", 0),
        ("jumps", "amplitude", -1.0),
        ("jumps", "noise", 0.0),
        ("scale_mixture", "dim", 0),
        ("scale_mixture", "sd", 0.0),
        ("prototypes", "dim", 0),
        ("prototypes", "n_prototypes", 1),
        ("prototypes", "separation", -1.0),
        ("prototypes", "noise", 0.0),
        ("vmf_steps", "dim", 1),
        ("vmf_steps", "kappa", 0.0),
        ("vmf_steps", "mu_logm", float("inf")),
        ("vmf_steps", "sigma", 0.0),
        ("state_space", "dim", 0),
        ("state_space", "state_dim", 0),
        ("state_space", "radius", 1.0),
        ("state_space", "noise", 0.0),
        ("state_space", "window_frames", 0),
        ("switching", "dim", 0),
        ("switching", "n_regimes", 0),
        ("switching", "radius", 1.0),
        ("switching", "noise", 0.0),
    ],
)
def test_an_option_out_of_range_is_refused(kind, option, value):
    with pytest.raises(UserError, match=rf"{option} is {value!r}\. Where: options of the process {kind}\. .*make it"):
        process_of(kind, **{option: value})


def test_a_store_holds_the_manifests_utterances(tmp_path):
    settings = settings_of("representations", "var", dim=3)
    write_process(settings, MANIFEST, tmp_path / "latents.json", 12.5, ("n", 1))
    process = build_process(settings)
    store = open_latents(tmp_path / "latents.json")
    facts = {name: store.handle[name] for name in ("kind", "causal", "dim", "dtype", "frame_rate_hz")}
    assert facts == {"kind": "var", "causal": True, "dim": 3, "dtype": "float32", "frame_rate_hz": 12.5}
    pd.testing.assert_frame_equal(store.utterances.drop(columns="start"), MANIFEST.astype({"n_frames": "int32"}))
    for row, latents, energy_db in store.iterate():
        expected = process.utterance(row.n_frames, numpy_generator("n", 1, row.utterance_id))
        np.testing.assert_array_equal(latents, expected.astype(np.float32))
        assert np.isnan(energy_db).all()


def test_an_utterance_does_not_depend_on_the_others(tmp_path):
    settings = settings_of("representations", "jumps", dim=3)
    for name, manifest in (("all", MANIFEST), ("last", MANIFEST[2:])):
        write_process(settings, manifest, tmp_path / f"{name}.json", 12.5, ("n", 1))
    ((_, alone, _),) = open_latents(tmp_path / "last.json").iterate()
    *_, (_, among, _) = open_latents(tmp_path / "all.json").iterate()
    np.testing.assert_array_equal(alone, among)


def test_an_explosion_beyond_the_dtype_is_refused(tmp_path):
    settings = settings_of("representations", "var", dim=2, radius=10.0)
    manifest = MANIFEST.assign(n_frames=30)
    with pytest.raises(UserError, match=r"var overflows float16 after \d frames.*utterance a1.*float32"):
        write_process({**settings, "dtype": "float16"}, manifest, tmp_path / "latents.json", 12.5, ("n",))
    assert not (tmp_path / "latents.json").exists()
    write_process({**settings, "dtype": "float32"}, manifest, tmp_path / "latents.json", 12.5, ("n",))
    assert open_latents(tmp_path / "latents.json").handle["nonfinite_frames"] == 0


def test_monte_carlo_is_a_mean_with_its_standard_error():
    generator = np.random.default_rng(0)
    mean, error = monte_carlo(lambda n: generator.normal(3, 2, n))
    assert error == pytest.approx(2 / np.sqrt(200_000), rel=0.02)
    assert abs(mean - 3) < 4 * error
