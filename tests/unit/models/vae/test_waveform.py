"""A reconstruction that is compared as audio: what counts, which way it pulls, where there is nothing to listen to."""

import sys
import types

import numpy as np
import pytest
import torch

from latentdyn.codecs.spectra import SpectralDistance
from latentdyn.errors import UserError
from latentdyn.models.fit import fit_model
from latentdyn.models.vae.fitting import Evidence, VAEFitting
from latentdyn.models.vae.objectives import Seen
from latentdyn.models.vae.reconstructions import WaveformReconstruction
from latentdyn.stores.lineage import root_facts

from .examples import TERMS, settings

CPU = torch.device("cpu")
HOP, LOUD = 16, 1
CODEC = {"kind": "whistle", "dtype": "float32"}
HEARD = {"kind": "waveform", "sequences": 3, "latents": 4, "window_samples": [16, 64], "n_mels": 4}


class Whistle(torch.nn.Module):
    """Each dimension is the level of a tone; the second tone is a hundred times as loud as the first."""

    def __init__(self) -> None:
        super().__init__()
        t = torch.arange(HOP) / HOP
        tones = torch.stack([0.001 * torch.sin(2 * torch.pi * 3 * t), 0.1 * torch.sin(2 * torch.pi * 5 * t)])
        self.tones = torch.nn.Parameter(tones, requires_grad=False)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return (latents.transpose(1, 2) @ self.tones).flatten(1)


class Codec:
    sample_rate_hz, weights_sha256 = 800, "w"

    def __init__(self, device: str) -> None:
        pass

    def decoder_module(self) -> torch.nn.Module:
        return Whistle()


@pytest.fixture(autouse=True)
def whistle(monkeypatch):
    module = types.ModuleType("latentdyn.codecs.whistle")
    module.CODEC = Codec
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture
def encoded(make_store, var_process):
    """Two independent dimensions as the codec's own frames, and their index."""
    store, frames = make_store(var_process(np.diag([0.9, 0.8]), 10, 40))
    store.handle.update(root_facts(CODEC), weights_sha256="w")
    return store, frames


def objective_of(weight: float, **more):
    return {"reconstruction": HEARD | {"audio_weight": weight}, **more}


def test_the_distance_counts_beside_the_squared_error_of_each_number():
    draws = torch.Generator().manual_seed(0)
    frames, rebuilt = (torch.randn(4, 6, 2, generator=draws) for _ in range(2))
    loss = WaveformReconstruction(2.0, sequences=9, latents=6, window_samples=[16], n_mels=2)
    heard = Whistle()
    loss.hear(lambda numbers: heard(numbers.transpose(1, 2)), 800)
    found = loss(Seen(frames, frames, frames, frames, rebuilt, lambda z: z, draws))
    audio = (heard(x.transpose(1, 2)) for x in (frames, rebuilt))
    expected = 0.5 * (frames - rebuilt).square().sum(2) + 2 * 2.0 * SpectralDistance(800, [16], 2)(*audio)
    torch.testing.assert_close(found, expected)


def test_stretches_begin_anywhere_and_are_of_a_sequence_each():
    frames = torch.arange(5 * 10).reshape(5, 10, 1).float()
    heard = []
    loss = WaveformReconstruction(1.0, sequences=2, latents=3, window_samples=[16], n_mels=2)
    loss.hear(lambda numbers: heard.append(numbers) or numbers.flatten(1).repeat(1, 16), 800)
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


class Killed(Exception):
    pass


def test_a_killed_training_continues_as_if_it_had_not_been_killed(encoded, tmp_path, monkeypatch):
    own = settings(objective=objective_of(1.0, terms=TERMS[:1]))

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
