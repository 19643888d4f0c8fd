"""What holds for every kind of derived representation, those on the disk and in the config, whoever adds one."""

import inspect
from collections.abc import Callable
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest

from latentdyn.config.kinds import kinds_of
from latentdyn.config.representations import Derived
from latentdyn.errors import UserError
from latentdyn.families import TRANSFORMS
from latentdyn.files import canonical_json
from latentdyn.representations.base import Source, Utterance, build_transform
from latentdyn.representations.inversion import chain_inverse, invert_chain, open_chain
from latentdyn.stores.quantizer import Group, Quantizer
from tests.conftest import store_maker

from .conftest import deriver

RATE, DIM = 12.5, 4
SECTIONS = {get_args(section.model_fields["kind"].annotation)[0]: section for section in kinds_of(Derived)}
SPLIT = {"t": "train", "v": "validation", "e": "eval"}


def examples(section: Any) -> list[dict[str, Any]]:
    """Settings of a kind as the rule hands them on: every choice of every option, and a value where one is required.

    What trains a model is as short as can be, and no validation speakers choose its step.
    """
    schema = section.model_json_schema()
    values = {}
    for name, field in schema["properties"].items():
        if "enum" in field and name != "dtype":
            values[name] = field["enum"]
        elif name in schema["required"]:
            number = RATE / 2 if name == "frame_rate_hz" else 0.25
            values[name] = [{"number": number, "integer": 2}.get(field["type"], field.get("const", "x"))]
    if "training" in schema["properties"]:
        values["training"] = [{"steps": 2, "batch_size": 4, "sequence_frames": 4, "select": "last"}]
        values["network"] = [{"kind": "mlp", "width": 8, "layers": 1}]
        if "enum" not in schema["properties"]["encoder"]:
            values["encoder"] = values["network"]  # a recurrent one would take seconds
    return [
        section.model_validate(dict(zip(values, choice, strict=True))).model_dump(mode="json")
        for choice in product(*values.values())
    ]


EXAMPLES = [settings for section in SECTIONS.values() for settings in examples(section)]
# what stays must stay for longer than the waves of the clips take
LONG = {"dim": 3, "static_dim": 1, "training": {"steps": 2, "batch_size": 4, "sequence_frames": 60, "select": "last"}}
EXAMPLES += [SECTIONS["vae"].model_validate(s | LONG).model_dump(mode="json") for s in examples(SECTIONS["vae"])]


def clip(n_frames: int, seed: int) -> np.ndarray:
    """Two slow waves in four dimensions, away from zero, and a little noise."""
    rng = np.random.default_rng(seed)
    waves = np.sin(2 * np.pi * (np.arange(n_frames)[:, None] / [50, 70] + rng.random(2)))
    mixing = np.array([[1.0, 2, 0, -1], [0, 1, 3, 1]])
    return (5 + waves @ mixing + 0.05 * rng.normal(size=(n_frames, DIM))).astype(np.float32)


def clips() -> dict[tuple[str, str], np.ndarray]:
    """Training speakers with utterances of all lengths and gaps; eval speakers with enough frames for rare events."""
    lengths = {"t1-0": 81, "t1-1": 40, "t2-0": 0, "t2-1": 1, "t2-2": 123, "t3-0": 64, "v1-0": 50}
    lengths |= {f"e{i}-0": 4000 for i in range(6)}
    data = {(name, name.split("-")[0]): clip(n, seed) for seed, (name, n) in enumerate(lengths.items())}
    data["t1-1", "t1"][[3, 20], 1] = np.nan
    data["t3-0", "t3"][:] = np.inf
    return data


def quantizer() -> dict[str, np.ndarray]:
    """What sources carry, as an encoder's do: codewords near the clips' values, then finer ones."""
    rng = np.random.default_rng(1)
    coarse = clip(2000, seed=2)[rng.integers(0, 2000, 32)]
    return Quantizer([Group(np.stack([coarse, 0.1 * rng.normal(size=coarse.shape)]).astype(np.float32))]).arrays()


@pytest.fixture
def make_store(make_store):
    return lambda *args, **facts: make_store(*args, fitted=quantizer(), **facts)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return store_maker(tmp_path_factory.mktemp("source"))(clips(), fitted=quantizer())[0]


@pytest.fixture(scope="module")
def derived(source: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], Any]:
    """What settings make of the source: found once, since the tests only read it."""
    derive, found = deriver(tmp_path_factory.mktemp("derived")), dict[str, Any]()

    def once(settings: dict[str, Any]) -> Any:
        if (name := canonical_json(settings)) not in found:
            found[name] = derive(source, settings, f"{len(found)}")
        return found[name]

    return once


def content(store: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {row.utterance_id: (latents.copy(), energy_db.copy()) for row, latents, energy_db in store.iterate()}


def restored(store: Any) -> Any:
    """The store's transform, from its handle and its fitted arrays alone."""
    link = store.handle["lineage"][-1]
    transform = build_transform({"kind": link["kind"], **link["settings"]}, Source(DIM, RATE))
    transform.restore(store.fitted())
    return transform


def utterance(name: str, latents: np.ndarray) -> Utterance:
    return Utterance(name, name.split("-")[0], SPLIT[name[0]], latents, np.full(len(latents), np.nan, np.float32))


def test_every_kind_on_the_disk_is_in_the_config_and_the_other_way_round():
    assert TRANSFORMS.kinds() == sorted(SECTIONS)


@pytest.mark.parametrize("kind", SECTIONS)
def test_every_setting_can_be_set_and_no_other(kind):
    taken = inspect.signature(TRANSFORMS.load(kind)).parameters.keys() - {"source"}
    assert taken == SECTIONS[kind].model_fields.keys() - {"kind", "source"}


every_example = pytest.mark.parametrize(
    "settings",
    EXAMPLES,
    ids=lambda s: "-".join(str(v) for k, v in s.items() if k not in ("source", "dtype") and not isinstance(v, dict)),
)


@every_example
def test_a_fit_sees_training_speakers_only(make_store, derive, derived, settings):
    poisoned = clips()
    for (_, speaker), latents in poisoned.items():
        if not speaker.startswith("t"):
            latents[:] = 1e9
            latents[::3] = np.nan
    plain, other = derived(settings), derive(make_store(poisoned)[0], settings)
    section = SECTIONS[settings["kind"]].model_validate(settings)
    assert section.is_fitted or not plain.fitted(), "a table may be fitted on another corpus only without such arrays"
    for name, array in plain.fitted().items():
        np.testing.assert_array_equal(array, other.fitted()[name])
    before, after = content(plain), content(other)
    for name in before:
        if name.startswith("t"):
            np.testing.assert_array_equal(before[name][0], after[name][0])


@every_example
def test_equal_sources_give_equal_stores(make_store, derive, derived, settings):
    again = derive(make_store(clips(), "again")[0], settings, "b")
    assert derived(settings).handle == again.handle


@every_example
def test_the_handle_and_the_fitted_arrays_are_all_that_a_transform_is(source, derived, settings):
    """Neither what was applied before nor the fit itself is needed to apply it again."""
    store = derived(settings)
    transform, stored = restored(store), content(store)
    assert (transform.dim, transform.frame_rate_hz) == (store.dim, store.frame_rate_hz)
    for (name, _), latents in reversed(clips().items()):
        frames, energy_db = transform.apply(utterance(name, latents))
        np.testing.assert_array_equal(frames.astype(np.float32), stored[name][0])
        assert frames.shape == (len(energy_db), store.dim)
        assert abs(len(frames) - len(latents) * store.frame_rate_hz / RATE) < 1
    assert store.utterances.utterance_id.equals(source.utterances.utterance_id)
    assert store.utterances.speaker_id.equals(source.utterances.speaker_id)


@every_example
def test_frames_that_are_not_finite_spoil_their_own_utterance_only_and_are_not_made_up_for(derived, settings):
    store = derived(settings)
    assert all(np.isfinite(array).all() for array in store.fitted().values())
    latents = {name: latents for name, (latents, _) in content(store).items()}
    assert not np.isfinite(latents.pop("t3-0")).all(axis=1).any()
    del latents["t1-1"]
    assert all(np.isfinite(x).all() for x in latents.values())


@every_example
def test_a_causal_transform_does_not_look_ahead(derived, settings):
    store = derived(settings)
    transform, latents = restored(store), clip(120, seed=99)
    if not transform.causal:
        assert store.handle["causal"] is False
        return
    assert store.handle["causal"] is True
    plain, _ = transform.apply(utterance("e0-0", latents))
    for t in (1, 40, 77):
        changed = latents.copy()
        changed[t:] += 7
        n_same = int(t * transform.frame_rate_hz / RATE)
        np.testing.assert_array_equal(transform.apply(utterance("e0-0", changed))[0][:n_same], plain[:n_same])


@every_example
def test_the_inverse_is_as_good_as_declared(source, derived, settings):
    store = derived(settings)
    handles = [source.path.with_suffix(".json"), store.path.with_suffix(".json")]
    declared = SECTIONS[settings["kind"]].has_inverse
    assert declared == (restored(store).inverse != "none"), "a table plans by the config what can be heard"
    if not declared:
        with pytest.raises(UserError, match=rf"test>{settings['kind']} .*'{settings['kind']}' has no inverse"):
            open_chain(handles)
        return
    chain = open_chain(handles)
    before, derived = content(source), content(store)
    for name in ("t1-0", "t2-0", "e0-0"):
        expected, inverted = before[name][0], invert_chain(chain, derived[name][0], name)
        missing = len(expected) - len(inverted)
        assert inverted.dtype == np.float32 and inverted.shape[1] == DIM and 0 <= missing < RATE / store.frame_rate_hz
        if chain_inverse(chain) == "exact":
            assert missing == len(expected) % round(RATE / store.frame_rate_hz)
            np.testing.assert_allclose(inverted, expected[: len(inverted)], rtol=1e-4, atol=1e-4)
        elif len(inverted):
            expected = expected[: len(inverted)]
            assert np.square(inverted - expected).mean() < 0.5 * np.square(expected - expected.mean(axis=0)).mean()
