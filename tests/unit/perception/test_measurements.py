"""Whole measurements on speech-like recordings: what their records must say."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from latentdyn.config.measurements import measurement_kinds
from latentdyn.distributions.density import Density
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.errors import UserError
from latentdyn.families import TRANSFORMS
from latentdyn.measurements import (
    decoder_tolerance,
    exp3b_synthetic,
    free_listening,
    perceptual_rollouts,
    rate_quality,
)
from latentdyn.measurements.subject import Subject
from latentdyn.perception.experiment import Experiment
from latentdyn.predictors.base import Predictor
from latentdyn.representations.pooled import Pooled
from latentdyn.stores.quantizer import Group, Quantizer
from tests.settings import predictor_of, settings_of
from tests.unit.perception.conftest import speech_like


def settings(measurement: str, **changes):
    (kind,) = (kind for kind in measurement_kinds() if kind.measurement == measurement)
    quick = {"utterances": 3, "bootstrap_resamples": 50, "wav_utterances": 1}
    if "scores" in kind.model_fields:
        quick["scores"] = ["pesq", "mel_distance"]
    return {**kind().model_dump(mode="json"), **quick, **changes}


def values(measured, metric: str, **where) -> pd.DataFrame:
    records = pd.DataFrame([dataclasses.asdict(record) for record in measured.records])
    keep = records["metric"] == metric
    for name, value in where.items():
        keep &= records[name] == value
    return records[keep]


def test_noise_on_latents_is_heard_more_the_stronger_it_is(subject):
    measured = decoder_tolerance.measure(subject(), settings("decoder_tolerance", sigmas=[0.0, 0.1, 1.0]))
    pesq = values(measured, "pesq").set_index(["mode", "sigma"])["value"]
    assert pesq["original"].iloc[0] == pytest.approx(4.644, abs=1e-3)
    assert pesq["noisy", 0.0] == pesq["reconstruction"].iloc[0] > pesq["noisy", 0.1] > pesq["noisy", 1.0]
    error = values(measured, "state_error_normalised").set_index("sigma")["value"]
    assert error[0.0] == 0 and error[1.0] == pytest.approx(10 * error[0.1]) and 0.9 < error[1.0] < 1.1
    assert values(measured, "pesq")["n"].tolist() == [3] * 5
    assert (values(measured, "pesq")["ci_low"] <= values(measured, "pesq")["value"]).all()


def test_what_the_codec_makes_of_its_own_frames_does_not_change_with_a_decoder_of_the_representation(
    subject, monkeypatch
):
    """A decoder with a tenth of the gain: mel distances of what it decodes grow, those of the reference do not."""
    asked = settings("decoder_tolerance", sigmas=[0.0], scores=["mel_distance"])
    distance = {}
    for gain in (1.0, 0.1):
        monkeypatch.setattr(Pooled, "decoder_weights", lambda self, g=gain: {"gain": np.full(1, g, np.float32)})
        measured = decoder_tolerance.measure(subject({"kind": "pooled", "frame_rate_hz": 100.0}), asked)
        distance[gain] = values(measured, "mel_distance").set_index("mode")["value"]
    assert distance[0.1]["reconstruction"] == distance[1.0]["reconstruction"] == distance[1.0]["noisy"]
    assert distance[0.1]["noisy"] > distance[1.0]["noisy"] + 1


def test_sums_by_speaker_give_the_records(subject):
    measured = decoder_tolerance.measure(subject(), settings("decoder_tolerance", sigmas=[0.3]))
    of = measured.sums[(measured.sums.metric == "pesq") & (measured.sums["mode"] == "noisy")]
    assert set(of.speaker_id) == {"e2", "e3", "e4"} and (of["split"] == "eval").all()
    (value,) = values(measured, "pesq", mode="noisy")["value"]
    assert of.total.sum() / of.n.sum() == pytest.approx(value)


def test_wav_files_are_at_the_codecs_own_rate(subject):
    made = subject()
    measured = decoder_tolerance.measure(made, settings("decoder_tolerance", sigmas=[0.5]))
    names = sorted(path.name.partition(".")[2] for path in made.folder.glob("*.wav"))
    assert names == ["noisy_sigma0.5.wav", "original.wav", "reconstruction.wav"]
    rates = {path.name.split(".")[1]: soundfile.info(path).samplerate for path in made.folder.glob("*.wav")}
    assert rates["reconstruction"] == 8000 and rates["original"] == 16_000
    assert len(pd.read_csv(made.folder / "unscored.csv")) == 0 and values(measured, "unscored")["value"].eq(0).all()


def test_what_cannot_be_scored_is_counted_and_listed(subject):
    audio = {"t0": speech_like(1.0), "e1": speech_like(1.0, seed=1), "e2": np.zeros(16_000, np.float32)}
    made = subject(audio=audio)
    measured = decoder_tolerance.measure(made, settings("decoder_tolerance", sigmas=[0.1], utterances=2))
    unscored = values(measured, "unscored").set_index("mode")
    assert unscored.loc["original", ["value", "n"]].tolist() == [1, 4]  # two scores of two utterances
    listed = pd.read_csv(made.folder / "unscored.csv")
    assert set(listed["utterance_id"]) == {"e2-a"} and set(listed["metric"]) == {"pesq"}
    assert set(listed["reason"]) == {"silent", "the original is silent"}
    assert values(measured, "pesq", mode="noisy")["n"].tolist() == [1]


RATE = {"max_frames": 10**6, "window_frames": 2, "ridges": [0.01]}


def test_noise_costs_bits_and_quality(subject):
    audio = {f"{who}{i}": speech_like(4.0, seed=i) for i, who in enumerate("ttttteee")}
    measured = rate_quality.measure(subject(audio=audio), settings("rate_quality", sigmas=[0.1, 0.5], **RATE))
    pesq = values(measured, "pesq").set_index(["mode", "sigma"])["value"]
    assert pesq["reconstruction"].iloc[0] > pesq["noisy", 0.1] > pesq["noisy", 0.5]
    rate = values(measured, "rate_kbit_per_s").set_index("sigma")
    assert rate.loc[0.1, "value"] > rate.loc[0.5, "value"] > 0 and rate["n"].tolist() == [3 * (400 - 2)] * 2
    assert set(measured.sums["metric"]) > {"pesq", "rate_kbit_per_s", "rate_kbit_per_s_memoryless"}


def test_the_noise_that_is_heard_is_the_noise_that_is_sent(subject, monkeypatch):
    sent, heard = [], []
    made = subject()
    monkeypatch.setattr(rate_quality, "channel_rates", lambda _, noisy, *__, **___: (sent.append(noisy), ([], None))[1])
    decoded = Experiment.decoded
    monkeypatch.setattr(
        Experiment, "decoded", lambda self, u, y, *a, **k: (heard.append((u.start, y)), decoded(self, u, y, *a, **k))[1]
    )
    asked = settings("rate_quality", sigmas=[0.3], max_duration_s=1.0, scores=["mel_distance"], **RATE)
    rate_quality.measure(made, asked)
    assert len(heard) == 3
    for start, y in heard:
        np.testing.assert_allclose(sent[0][start : start + len(y)], y, rtol=1e-5, atol=1e-6)
        assert not np.allclose(made.latents[start : start + len(y)], y)


SHAPING = {"utterances": 3, "max_duration_s": 2.0, "floor_db": -80.0, "probes": 4, "ridge": 0.1}
SHAPED = {"noises": ["white", "shaped"], "shaping": SHAPING}


def test_shaped_noise_stands_beside_white_noise_of_the_same_entropy(subject):
    audio = {f"{who}{i}": speech_like(2.0, seed=i) for i, who in enumerate("tttee")}
    asked = settings("rate_quality", sigmas=[0.01], scores=["mel_distance"], utterances=2, **RATE)
    made = subject(audio=audio)
    white, both = (rate_quality.measure(made, {**asked, **of}) for of in ({}, SHAPED))
    of_white = [record for record in both.records if record.mode != "shaped"]
    assert of_white == white.records  # the other noise changes none of its rows
    distance = values(both, "mel_distance").set_index("mode")["value"]
    assert distance["reconstruction"] < distance["shaped"] < distance["noisy"]
    assert set(values(both, "rate_kbit_per_s")["mode"]) == {"noisy", "shaped"}
    alone = rate_quality.measure(made, {**asked, **SHAPED, "noises": ["shaped"]})
    assert alone.records == [record for record in both.records if record.mode != "noisy"]


def test_noise_is_not_shaped_for_frames_that_are_not_the_codecs_own(subject):
    asked = {**settings("rate_quality", **RATE), **SHAPED}
    with pytest.raises(UserError, match=r"codec's own frames only, and these are samples>leaky"):
        rate_quality.measure(subject({"kind": "leaky", "coefficient": 0.5}), asked)


def test_dequantized_frames_have_the_rate_of_their_codes(subject):
    books = np.random.default_rng(0).normal(scale=0.05, size=(2, 4, 80)).astype(np.float32)
    made = subject({"kind": "quantized", "stages": 2}, quantizer=Quantizer([Group(books)]).arrays())
    measured = rate_quality.measure(made, settings("rate_quality", **RATE))
    (rate,) = values(measured, "rate_kbit_per_s").to_dict("records")
    assert rate["value"] == pytest.approx(2 * 2 * 100 / 1000) and rate["mode"] == "quantizer"
    assert set(values(measured, "pesq")["mode"]) == {"original", "reconstruction", "quantizer"}


@pytest.mark.real_data
def test_several_processes_measure_the_same(subject, real_data):
    codec = settings_of("representations", "soundstream", folder=str(real_data / "lyra-v1.2.0"))
    alone, together = (
        decoder_tolerance.measure(
            subject(codec=codec, workers=workers), settings("decoder_tolerance", sigmas=[0.3], utterances=1)
        )
        for workers in (1, 2)
    )
    assert together.records == alone.records


def test_the_movements_of_exp_3b(subject):
    pooled = {"kind": "pooled", "frame_rate_hz": 50.0}
    measured = exp3b_synthetic.measure(subject(pooled), settings("exp3b_synthetic"))
    cosine = values(measured, "cosine").set_index("mode")["value"]
    assert cosine["GT"] == pytest.approx(1) and cosine["B_slow_a0.75"] == pytest.approx(1)
    assert cosine["rotated_c0.30"] == pytest.approx(0.3) and abs(cosine["C_wrong_dir"]) < 0.2
    assert np.isnan(cosine["A_stationary"])
    error = values(measured, "state_error").set_index("mode")["value"]
    assert error["C_at_B_error_a0.50"] == pytest.approx(error["B_slow_a0.50"]) and error["GT"] == 0
    pesq = values(measured, "pesq").set_index("mode")["value"]
    assert pesq["original"] > pesq["reconstruction"] > pesq["GT"]  # the pooled frames have lost something
    assert {"original", "reconstruction", "GT", "shuffled_magnitudes"} <= set(pesq.index)


def test_without_a_way_back_to_audio_it_says_so(subject):
    deaf = dataclasses.replace(subject(), decoding=None)
    with pytest.raises(UserError, match="--decoding"):
        decoder_tolerance.measure(deaf, settings("decoder_tolerance"))


@pytest.mark.real_data
def test_soundstream_sounds_as_it_did_elsewhere(subject, real_data):
    """PESQ 3.33 +- .39 and STOI .937 on 20 utterances of other speakers, measured independently."""
    from latentdyn.corpus.audio import read_audio

    speakers = sorted((real_data / "LibriSpeech/train-clean-100").glob("*"))[5::31]
    audio = {f"e{one.name}": read_audio(min(one.glob("*/*.flac")), 16_000)[: 8 * 16_000] for one in speakers}
    audio["t"] = audio[f"e{speakers[0].name}"]
    codec = settings_of("representations", "soundstream", folder=str(real_data / "lyra-v1.2.0"))
    asked = settings("decoder_tolerance", sigmas=[0.7], utterances=8, scores=["pesq", "stoi"])
    measured = decoder_tolerance.measure(subject(audio=audio, codec=codec), asked)
    pesq, stoi = (values(measured, name).set_index("mode")["value"] for name in ("pesq", "stoi"))
    assert pesq["original"] == pytest.approx(4.644, abs=1e-3) and stoi["original"] == pytest.approx(1)
    assert pesq["reconstruction"] == pytest.approx(3.33, abs=0.3) and stoi["reconstruction"] == pytest.approx(
        0.937, abs=0.03
    )
    assert pesq["noisy"] == pytest.approx(1.78, abs=0.4)


class Still(Predictor):
    """Nothing moves but for a little noise: its mean holds the last frame."""

    def __init__(self, dim: int, noise: float) -> None:
        super().__init__(dim, 2)
        self.noise = noise

    def density(self, context):
        mean = torch.zeros_like(context[:, -1])
        return diagonal_gaussian(mean, torch.full_like(mean, math.log(self.noise)))


def by(made: Subject, predictor: Predictor) -> Subject:
    """The subject with a predictor that no checkpoint holds."""

    class Given(Subject):
        def predictors(self, role="predictor"):
            return {1: predictor}

    return Given(**{field.name: getattr(made, field.name) for field in dataclasses.fields(made)})


def test_forecasts_are_heard_beside_silence_a_held_frame_and_the_truth(subject):
    asked = settings("perceptual_rollouts", steps=[1, 20], window_scores=["pesq", "mel_distance"])
    made = by(subject(), Still(80, 1e-3))
    measured = perceptual_rollouts.measure(made, asked)
    pesq = values(measured, "pesq", slice="all").set_index("mode")["value"]
    assert pesq["original"] == pytest.approx(4.644, abs=1e-3) and pesq["true"] == pesq["reconstruction"]
    window = values(measured, "mel_distance", slice="window").set_index(["mode", "step"])["value"]
    assert window["mean", 20] == window["held", 20] > window["true", 20] and window["silence", 20] > window["true", 20]
    assert window["held", 20] > window["held", 1]
    error = values(measured, "state_error").set_index(["mode", "step"])
    assert error.loc[("held", 20), "value"] == error.loc[("mean", 20), "value"] > 0
    assert error.loc[("held", 20), "n"] == 20 * 3 and ("true", 20) not in error.index
    names = {path.name.split(".", 1)[1] for path in made.folder.glob("*.wav")}
    assert {"mean_step20.wav", "sampled_step1.wav", "silence_step20.wav", "true.wav"} <= names


def test_the_window_of_the_truth_is_that_of_every_forecast(subject):
    """Of all but the segment, nothing changes: a forecast that is the truth scores as the truth does."""

    class Knows(Still):
        def density(self, context):
            mean = torch.zeros_like(context[:, -1])
            for utterance in truth:
                at = torch.nonzero((utterance[:, None] == context[:, -1]).all(-1).any(1))
                if len(at) and at[0] + 1 < len(utterance):
                    mean = (utterance[at[0] + 1] - utterance[at[0]]).reshape(mean.shape)
            return diagonal_gaussian(mean, torch.full_like(mean, -20.0))

    made = subject()
    truth = [made.latents[row.start : row.start + row.n_frames] for row in made.store.utterances.itertuples()]
    asked = settings("perceptual_rollouts", steps=[1], scores=["mel_distance"], window_scores=["mel_distance"])
    measured = perceptual_rollouts.measure(by(made, Knows(80, 1.0)), asked)
    window = values(measured, "mel_distance", slice="window").set_index("mode")["value"]
    assert window["mean"] == pytest.approx(window["true"], abs=1e-5) and window["held"] > window["true"] + 1e-3
    assert values(measured, "state_error", mode="mean")["value"].iloc[0] == pytest.approx(0, abs=1e-6)


@pytest.fixture
def quick_dnsmos(monkeypatch):
    """The network takes seconds; what it hears is tested with the scores."""
    monkeypatch.setattr("latentdyn.perception.scores._dnsmos_model", lambda: lambda *_: {"ovrl_mos": 3.0})


def test_free_runs_are_heard_beside_the_truth_of_the_same_stretch(subject, quick_dnsmos):
    asked = settings("free_listening", duration_s=1.0, reference_utterances=2)
    measured = free_listening.measure(by(subject(), Still(80, 1.0)), asked)
    frechet = values(measured, "frechet_mel").set_index("mode")
    assert set(frechet.index) == {"original", "reconstruction", "true", "sampled"}
    assert frechet["n"].tolist() == [3 * 62] * 4  # a second at hops of 16 ms, of three utterances
    assert frechet.loc["true", "value"] == frechet.loc["reconstruction", "value"]  # these are the codec's own frames
    assert frechet.loc["sampled", "value"] > frechet.loc["reconstruction", "value"] > 0
    assert set(values(measured, "dnsmos")["n"]) == {3}


def test_true_frames_of_a_derived_representation_have_lost_what_it_loses(subject, quick_dnsmos):
    asked = settings("free_listening", duration_s=1.0, reference_utterances=2)
    made = by(subject({"kind": "pooled", "frame_rate_hz": 50.0}), Still(80, 1.0))  # of 62.5
    frechet = values(free_listening.measure(made, asked), "frechet_mel").set_index("mode")["value"]
    assert abs(frechet["true"] / frechet["reconstruction"] - 1) > 0.01


def test_what_a_way_back_draws_is_heard_in_runs_and_in_their_true_frames(subject, quick_dnsmos, monkeypatch):
    asked = settings("free_listening", duration_s=1.0, reference_utterances=2)
    made = by(subject({"kind": "pooled", "frame_rate_hz": 100.0}), Still(80, 1.0))

    def measured():
        return values(free_listening.measure(made, asked), "frechet_mel").set_index("mode")["value"]

    before = measured()

    def draw(self, latents, utterance_id, noise):
        there = self.invert(latents, utterance_id)
        return there + 0.1 * torch.randn(there.shape, generator=noise).numpy()

    monkeypatch.setattr(TRANSFORMS.load("pooled"), "draw", draw)
    noisy = measured()
    assert (noisy == before).to_dict() == {"original": True, "reconstruction": True, "true": False, "sampled": False}
    assert (measured() == noisy).all(), "draws are named"


def arm(kind: str, network: str) -> Predictor:
    """One of CALM's parts: a memory of the whole past under a head that is trained to draw; untrained, and tiny."""
    torch.manual_seed(0)
    sizes = {"width": 4} | ({"heads": 1, "layers": 1} if network == "transformer" else {})
    tiny = {"hidden_width": 4, "features": 2, "mean_samples": 2} | ({"nfe": 2} if kind == "flow_matching" else {})
    network_of = {"kind": network, **sizes}
    return predictor_of(kind, 80, window_frames=2, reads="past", network=network_of, **tiny).eval()


class _DrawsAlone(Density):
    """What can do no more than draw: no likelihood, and no mean."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def sample(self, generator, temperature=1.0):
        return torch.zeros(self.rows, 80).normal_(generator=generator)


class Draws(Still):
    def density(self, context):
        return _DrawsAlone(len(context))


@pytest.mark.parametrize(
    "predictor",
    [arm("flow_matching", "gru"), arm("energy", "gru"), arm("energy", "transformer"), Draws(80, 1.0)],
    ids=["flow_matching gru", "energy gru", "energy transformer", "draws alone"],
)
def test_arms_that_read_the_past_or_only_draw_are_heard(subject, quick_dnsmos, predictor):
    few = {"utterances": 1, "wav_utterances": 0}
    asked = settings("perceptual_rollouts", steps=[2], segments=1, scores=["mel_distance"],
                     window_scores=["mel_distance"], **few)  # fmt: skip
    forecasts = values(perceptual_rollouts.measure(by(subject(), predictor), asked), "mel_distance", slice="window")
    has_mean = not isinstance(predictor, Draws)
    assert set(forecasts["mode"]) >= {"sampled", "held", "true"} and ("mean" in set(forecasts["mode"])) == has_mean
    asked = settings("free_listening", duration_s=0.3, reference_utterances=1, **few)
    runs = values(free_listening.measure(by(subject(), predictor), asked), "frechet_mel").set_index("mode")
    assert runs.loc["sampled", "status"] == "ok" and runs.loc["sampled", "value"] > runs.loc["original", "value"]


def test_a_free_run_that_explodes_is_listed_and_overflows(subject, quick_dnsmos):
    made = by(subject(), Still(80, 1e38))
    asked = settings("free_listening", duration_s=0.5, reference_utterances=2, utterances=1)
    measured = free_listening.measure(made, asked)
    assert values(measured, "dnsmos", mode="sampled")["status"].tolist() == ["undefined"]
    assert values(measured, "frechet_mel", mode="sampled")["status"].tolist() == ["overflow"]
    assert pd.read_csv(made.folder / "unscored.csv")["reason"].tolist() == ["not finite"]


def test_a_run_longer_than_what_is_heard_is_refused(subject):
    asked = settings("free_listening", duration_s=4.0, max_duration_s=4.0)
    with pytest.raises(UserError, match="longer than 4 s"):
        free_listening.measure(by(subject(), Still(80, 1.0)), asked)
