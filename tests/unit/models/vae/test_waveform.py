"""A reconstruction that is compared as audio: what counts, which way it pulls, where there is nothing to listen to."""

import pytest
import torch
from torch.func import functional_call

from latentdyn.codecs.spectra import SpectralDistance
from latentdyn.errors import UserError
from latentdyn.models.fit import fit_model
from latentdyn.models.vae.fitting import Evidence, VAEFitting
from latentdyn.models.vae.network import build_vae
from latentdyn.models.vae.objectives import Seen
from latentdyn.models.vae.reconstructions import WaveformReconstruction

from .examples import TERMS, settings
from .whistle import CODEC, LOUD, Codec, Whistle

CPU = torch.device("cpu")
ADVERSARY = {"weight": 1.0, "feature_weight": 2.0, "channels": 2, "learning_rate": 0.01}
HEARD = {"kind": "waveform", "sequences": 3, "latents": 4, "window_samples": [16, 64], "n_mels": 4}


def objective_of(weight: float, **more):
    return {"reconstruction": HEARD | {"audio_weight": weight}, **more}


def test_the_distance_counts_beside_the_squared_error_of_each_number():
    draws = torch.Generator().manual_seed(0)
    frames, rebuilt = (torch.randn(4, 6, 2, generator=draws) for _ in range(2))
    loss = WaveformReconstruction(2.0, 9, 6, [16], 2, "frozen", 0.1, None)
    heard = Whistle()
    loss.hear(lambda numbers, weights: heard(numbers.transpose(1, 2)), heard, 800)
    found = loss(Seen(frames, frames, frames, frames, rebuilt, lambda z: z, draws))
    audio = (heard(x.transpose(1, 2)) for x in (frames, rebuilt))
    expected = 0.5 * (frames - rebuilt).square().sum(2) + 2 * 2.0 * SpectralDistance(800, [16], 2)(*audio)
    torch.testing.assert_close(found, expected)


def test_stretches_begin_anywhere_and_are_of_a_sequence_each():
    frames = torch.arange(5 * 10).reshape(5, 10, 1).float()
    heard = []
    loss = WaveformReconstruction(1.0, 2, 3, [16], 2, "frozen", 0.1, None)
    loss.hear(lambda numbers, weights: heard.append(numbers) or numbers.flatten(1).repeat(1, 16), Whistle(), 800)
    draws = torch.Generator().manual_seed(0)
    for _ in range(100):
        loss(Seen(frames, frames, frames, frames, frames, lambda z: z, draws))
    stretches = torch.cat(heard[::2])[..., 0]
    assert torch.equal(torch.cat(heard[1::2])[..., 0], stretches)
    assert (stretches.diff(dim=1) == 1).all() and (stretches // 10 == stretches[:, :1] // 10).all()
    assert set(stretches[:, 0].tolist()) == {*range(8), *range(10, 18)}


def test_one_dimension_is_spent_on_what_is_heard(encoded):
    """Both vary alike in deviations; the audio is almost the second one alone."""
    left = {}
    for name, objective in {"frames": {}, "waveform": objective_of(10.0)}.items():
        training = {"steps": 60, "learning_rate": 0.03, "select": "last"}
        own = settings(training, dim=1, network={"kind": "linear"}, objective=objective)
        fitting = VAEFitting(own, *encoded, 0, CPU, codec=CODEC)
        model = fitting.build()
        fitting.set_moments(model)
        objective = fitting.objective(model, fitting.parts[0])
        optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
        for step in range(60):
            optimizer.zero_grad()
            objective.loss(step).backward()
            optimizer.step()
        seen = next(objective.look("validation"))
        left[name] = (seen.frames - model.decode(seen.mean)).square().mean((0, 1))[LOUD].item()
    assert left["waveform"] < 0.3 and left["waveform"] < 0.6 * left["frames"], left


def test_the_decoder_is_neither_trained_nor_stored(encoded, tmp_path):
    own = settings({"steps": 2, "select": "last"}, objective=objective_of(1.0))
    fitted = fit_model("vae", own, *encoded, seed=0, state=tmp_path / "s", device=CPU, codec=CODEC)
    plain = fit_model(
        "vae", settings({"steps": 2, "select": "last"}), *encoded, seed=0, state=tmp_path / "p", device=CPU
    )
    assert fitted.weights["whole"].keys() == plain.weights["whole"].keys()
    assert not torch.equal(*(of.weights["whole"]["encoder_line.weight"] for of in (fitted, plain)))


def trained_decoder(**more):
    learns = HEARD | {"audio_weight": 3.0, "decoder": "trained", "decoder_learning_rate": 0.01, **more}
    return settings({"steps": 60, "select": "last"}, dim=1, objective={"reconstruction": learns})


def test_a_decoder_of_its_own_is_trained_stored_and_found_again(encoded, tmp_path):
    own = trained_decoder()
    fitted = fit_model("vae", own, *encoded, seed=0, state=tmp_path / "s", device=CPU, codec=CODEC).weights["whole"]
    model = build_vae(own, 2)
    assert model.decoder_weights() == {}
    model.load_state_dict(fitted)
    weights = model.decoder_weights()
    assert weights.keys() == {"tones"} and not weights["tones"].requires_grad
    assert torch.equal(fitted["reconstruction.decoder_weights.tones"], weights["tones"])
    assert not torch.allclose(weights["tones"], Whistle().tones, rtol=0.01)
    assert build_vae(settings(), 2).decoder_weights() is None


def test_a_decoder_of_its_own_makes_up_for_what_frames_lack():
    """What is rebuilt is half as loud as it was; the codec's decoder stays as it is."""
    draws = torch.Generator().manual_seed(0)
    frames, codec = torch.randn(4, 6, 2, generator=draws), Whistle()
    loss = WaveformReconstruction(1.0, 9, 6, [16, 64], 4, "trained", 0.1, None)

    def listen(numbers, weights):
        return functional_call(codec, dict(weights or {}), (numbers.transpose(1, 2),))

    loss.hear(listen, codec, 800)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.002)
    distances = []
    for _ in range(300):
        optimizer.zero_grad()
        found = loss(Seen(frames, frames, frames, frames, 0.5 * frames, lambda z: z, draws)).mean()
        found.backward()
        optimizer.step()
        distances.append(found.item() - 0.5 * (0.5 * frames).square().sum(2).mean().item())
    assert distances[-1] < 0.2 * distances[0], distances
    torch.testing.assert_close(loss.decoder_weights.tones.detach()[LOUD], 2 * codec.tones[LOUD], rtol=0.1, atol=0.01)
    assert torch.equal(codec.tones, Whistle().tones)


def test_an_adversary_counts_in_training_alone(encoded):
    own = trained_decoder(adversary=ADVERSARY)
    fitting = VAEFitting(own, *encoded, 0, CPU, codec=CODEC)
    model = fitting.build()
    fitting.set_moments(model)
    objective = fitting.objective(model, fitting.parts[0])
    plain = fitting.objective(model, fitting.parts[0])
    model.eval()
    held_out = objective.held_out_loss()
    model.reconstruction.adversary, adversary = None, model.reconstruction.adversary
    assert plain.held_out_loss() == held_out
    model.train()
    without = plain.loss(0).item()
    model.reconstruction.adversary = adversary
    assert objective.loss(0).item() > without


class Killed(Exception):
    pass


@pytest.mark.parametrize("more", [{}, {"decoder": "trained", "adversary": ADVERSARY}], ids=["frozen", "trained"])
def test_a_killed_training_continues_as_if_it_had_not_been_killed(encoded, tmp_path, monkeypatch, more):
    own = settings(objective={"reconstruction": HEARD | {"audio_weight": 1.0, **more}, "terms": TERMS[:1]})

    def run(state, **options):
        return fit_model("vae", own, *encoded, seed=0, state=tmp_path / state, device=CPU, codec=CODEC, **options)

    whole, loss = run("whole"), Evidence.loss

    def killed(self, step):
        if step == 13:
            raise Killed
        return loss(self, step)

    monkeypatch.setattr(Evidence, "loss", killed)
    with pytest.raises(Killed):
        run("killed", checkpoint_interval_s=-1)
    monkeypatch.setattr(Evidence, "loss", lambda self, step: loss(self, step) if step >= 13 else pytest.fail("twice"))
    resumed = run("killed")
    assert resumed.curve.equals(whole.curve)
    for name, value in whole.weights["whole"].items():
        assert torch.equal(resumed.weights["whole"][name].nan_to_num(-1), value.nan_to_num(-1)), name


def test_latents_that_no_decoder_makes_audio_of_are_refused(encoded, monkeypatch):
    store, frames = encoded
    own = settings(objective=objective_of(1.0))
    with pytest.raises(UserError, match=r"the decoder of these latents \(whistle\) is not named.*--codec"):
        VAEFitting(own, store, frames, 0, CPU)
    monkeypatch.setattr(Codec, "weights_sha256", "others")
    with pytest.raises(UserError, match="made with other weights"):
        VAEFitting(own, store, frames, 0, CPU, codec=CODEC)
    link = {"kind": "pooled", "settings": {}, "source_digest": "d"}
    store.handle["lineage"].append(link)
    with pytest.raises(
        UserError, match=r"whistle>pooled\) are not a codec's own frames.*or reconstruction of kind frames"
    ):
        VAEFitting(own, store, frames, 0, CPU, codec=CODEC)
