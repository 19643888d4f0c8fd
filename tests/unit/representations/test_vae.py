"""Latents of a trained beta-VAE: what is stored, the way back through a chain, and models that do not belong here."""

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.representations.base import Source, Utterance, Utterances, build_transform
from latentdyn.representations.inversion import chain_inverse, invert_chain, open_chain
from latentdyn.representations.way import open_way
from tests.unit.models.vae.examples import PRIOR, TERMS, section

POOLED = {"kind": "pooled", "frame_rate_hz": 6.25}


def entry(training=None, **changes):
    return section({"select": "last"} | (training or {}), **changes).model_dump(mode="json")


@pytest.fixture
def speech(make_store):
    """Slow waves in three dimensions, 12.5 frames a second; 67 frames, no multiple of what is stacked."""
    rng = np.random.default_rng(0)
    waves = {}
    for i, speaker in enumerate(["t1", "t2", "t3", "v1", "e1"]):
        phase = 2 * np.pi * (np.arange(67)[:, None] / [40, 25, 60] + rng.random(3))
        waves[f"{speaker}-{i}", speaker] = 5 + 3 * np.sin(phase) + 0.1 * rng.normal(size=(67, 3))
    return make_store(waves)[0]


def first(store):
    _, latents, energy_db = next(iter(store.iterate()))
    return latents, energy_db


def handle(store):
    return store.path.with_suffix(".json")


def test_a_chain_with_stacks_leads_back_to_the_roots_frames_at_its_rate(speech, derive):
    """root 12.5 Hz > pooled 6.25 Hz > vae of 4: a latent stands for 8 frames of the root."""
    pooled = derive(speech, POOLED, "pooled")
    store = derive(pooled, entry({"sequence_frames": 4}, stack=4, dim=6), "vae")
    assert (store.dim, store.frame_rate_hz) == (6, 6.25 / 4)
    chain = open_chain([handle(s) for s in (speech, pooled, store)])
    assert chain_inverse(chain) == "approximate"
    latents, energy_db = first(store)
    assert latents.shape == (8, 6) and energy_db.shape == (8,)
    back = invert_chain(chain, latents, "t1-0")
    assert back.shape == (64, 3) and back.dtype == np.float32
    of_root = first(speech)[0][:64]
    assert np.square(back - of_root).mean() < 0.3 * np.square(of_root - of_root.mean(0)).mean()
    # a forecast of three latents leads to as much of the root
    assert invert_chain(chain, latents[:3], "t1-0").shape == (24, 3)
    np.testing.assert_allclose(invert_chain(chain, latents[:3], "t1-0"), back[:24], rtol=1e-5, atol=1e-5)
    assert invert_chain(chain, latents[:0], "t1-0").shape == (0, 3)


def test_the_judge_finds_the_way_to_pooled_frames_of_the_root(speech, derive):
    pooled, store = derive(speech, POOLED, "pooled"), derive(speech, entry(stack=2, dim=5), "vae")
    way = open_way([handle(speech), handle(store)], [handle(speech), handle(pooled)])
    found, expected = way(first(store)[0], "t1-0"), first(pooled)[0]
    assert way.inverse == "approximate" and found.shape == expected.shape == (33, 3)
    assert np.square(found - expected).mean() < 0.1 * np.square(expected - expected.mean(0)).mean()


def test_all_settings_of_an_objective_reach_the_store_and_its_health_stands_in_the_handle(speech, derive):
    store = derive(speech, entry(stack=2, dim=3, objective={"terms": TERMS, "prior": PRIOR}))
    learned = store.handle["learned"]
    assert learned["kept_step"] == 20 and learned["train"].keys() == learned["validation"].keys()
    health = learned["validation"]
    assert health["kl_kbit_per_s"] == pytest.approx(health["kl_nats"] / np.log(2) * 6.25 / 1000)
    assert 0 < health["reconstruction_r2"] < 1 and health["innovation_nats"] > 0
    assert "health_train" not in store.fitted() and "encoder_line.weight" in store.fitted()
    plain = derive(speech, entry(stack=2, dim=3), "plain").handle["learned"]["validation"]
    assert plain["innovation_nats"] is None and plain["innovation_kbit_per_s"] is None


def test_a_static_part_is_stored_in_each_frame_as_it_was_known_then(speech, derive):
    store = derive(speech, entry(stack=2, dim=4, static_dim=1), "split")
    link, plain = store.handle["lineage"][-1], derive(speech, entry(stack=2, dim=4), "plain").handle["lineage"][-1]
    assert link["settings"]["static_dim"] == 1 and "static_dim" not in plain["settings"]
    assert store.handle["causal"] == speech.handle["causal"] and store.dim == 4
    transform = build_transform(link["settings"] | {"kind": "vae"}, Source(3, 12.5))
    transform.restore(store.fitted())
    frames, latents = first(speech)[0], first(store)[0]
    for n in (1, 5, 20):
        some, _ = transform.apply(Utterance("t1-0", "t1", "train", frames[: 2 * n], np.zeros(2 * n, np.float32)))
        np.testing.assert_allclose(some, latents[:n], rtol=1e-4, atol=1e-5)
    static, stacked = transform.model.static, transform.model.stacked(torch.tensor(frames[None, :66]))
    with torch.inference_mode():
        evidence = (static.line(stacked)[0] + static.network(stacked.reshape(33, 2, 3)))[:, 0].numpy()
    precision, n = float(static.log_precision.detach().exp()), np.arange(1, 34)
    np.testing.assert_allclose(
        latents[:, 3], precision * evidence.cumsum(0) / (1 + n * precision), rtol=1e-3, atol=1e-4
    )
    health = store.handle["learned"]["validation"]
    assert health["static_nats"] > 0 and health["static_swap_r2"] <= health["reconstruction_r2"]
    whole = transform.invert(latents, "t1-0")
    np.testing.assert_allclose(transform.invert(latents[7:9], "t1-0"), whole[14:18], rtol=1e-4, atol=1e-4)


def test_a_decoder_of_its_own_is_kept_and_found_again_without_the_adversary():
    heard = {"kind": "waveform", "decoder": "trained", "adversary": {}}
    made, again = (build_transform(entry(objective={"reconstruction": heard}), Source(3, 12.5)) for _ in range(2))
    made.model.reconstruction.decoder_weights.start(torch.nn.Linear(2, 3))
    fitted = made.fitted()
    assert not [name for name in fitted if "adversary" in name]
    again.restore(fitted)
    weights = again.decoder_weights()
    assert weights.keys() == {"weight", "bias"}
    assert all(np.array_equal(weights[name], value) for name, value in made.decoder_weights().items())
    assert build_transform(entry(), Source(3, 12.5)).decoder_weights() is None


def test_a_draw_spreads_about_the_mean_as_the_posterior_says(speech, derive):
    mean, sample = (derive(speech, entry(posterior=posterior), posterior) for posterior in ("mean", "sample"))
    transform = build_transform(mean.handle["lineage"][-1]["settings"] | {"kind": "vae"}, Source(3, 12.5))
    transform.restore(mean.fitted())
    log_variance = float(transform.model.log_variance.detach().mean())
    difference = np.concatenate([s - m for (_, s, _), (_, m, _) in zip(sample.iterate(), mean.iterate(), strict=True)])
    assert difference.std() == pytest.approx(np.exp(log_variance / 2), rel=0.3)
    names = ("t1-0", "t1-9")
    drawn = build_transform(sample.handle["lineage"][-1]["settings"] | {"kind": "vae"}, Source(3, 12.5))
    drawn.restore(sample.fitted())
    one, other = (
        drawn.apply(Utterance(name, "t1", "train", first(speech)[0], np.zeros(67, np.float32)))[0] for name in names
    )
    assert not np.array_equal(one, other), "each utterance has noise of its own"


def test_a_model_of_other_settings_or_other_latents_is_refused(speech, derive, make_store, tmp_path):
    derive(speech, entry(), "vae")
    model = tmp_path / "vae_model.json"
    transform = build_transform(entry(dim=1), Source(3, 12.5))
    with pytest.raises(UserError, match=r"trained with other settings \(dim\)"):
        transform.load_model(model, Utterances(speech, {}))
    other, _ = make_store({("u", "t"): np.ones((20, 3))}, "other")
    with pytest.raises(UserError, match="fitted to other latents"):
        build_transform(entry(), Source(3, 12.5)).load_model(model, Utterances(other, {}))


def test_a_model_is_needed_here_and_nowhere_else(speech, tmp_path):
    with pytest.raises(UserError, match=r"need a trained model, and none is given.*--model.*rule train_vae"):
        build_transform(entry(), Source(3, 12.5)).fit(None)
    with pytest.raises(UserError, match=r"has no trained model.*leave out --model"):
        build_transform({**POOLED, "dtype": "float32"}, Source(3, 12.5)).load_model(
            tmp_path / "m.json", Utterances(speech, {})
        )
