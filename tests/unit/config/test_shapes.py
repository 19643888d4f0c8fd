"""What the configuration knows of data that do not exist yet agrees with the code that makes them."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentdyn.config import load_config
from latentdyn.config.kinds import kinds_of
from latentdyn.config.mel import most_bands
from latentdyn.config.representations import Derived, Process
from latentdyn.config.shapes import Known, Shape
from latentdyn.corpus.splits import split_speakers
from latentdyn.corpus.synthesis import voices
from latentdyn.corpus.synthetic import synthetic_manifest
from latentdyn.errors import UserError
from latentdyn.families import PROCESSES
from latentdyn.predictors.base import build_predictor
from latentdyn.representations.base import Source, Utterance, build_transform
from latentdyn.training.regimes import build_regime
from tests.settings import codec_of, kind_of, process_of, settings_of

from .examples import SMALL, edited

TABLE = {"kind": "lagged", "corpora": ["known"], "representations": ["var"], "predictors": ["line"], "horizons": [5]}


@pytest.mark.parametrize(
    ("sample_rate_hz", "fft_samples"), [(16000, 1280), (16000, 400), (24000, 1920), (8000, 200), (16000, 64)]
)
def test_as_many_mel_bands_fit_as_librosa_fills(sample_rate_hz: int, fft_samples: int):
    from librosa.filters import mel

    most = most_bands(sample_rate_hz, fft_samples, 10_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        filled = [
            (mel(sr=sample_rate_hz, n_fft=fft_samples, n_mels=n, norm=None, dtype=np.float32).max(axis=1) > 0).all()
            for n in (most, most + 1)
        ]
    assert filled == [True, False]
    assert most_bands(sample_rate_hz, fft_samples, 20) == 20


def test_a_logmel_has_the_shape_that_its_codec_says():
    config = load_config(SMALL)
    codec = codec_of("logmel")
    shape = config.representations["logmel"].shape(config, config.corpora["speech"])
    assert shape == Shape(codec.frame_rate_hz, codec.dim)
    assert config.all_representations["slow__white"].shape(config, None) == Shape(6.25, codec.dim)


def test_the_audio_of_a_codec_has_the_rate_that_the_config_says(real_data: Path):
    folder = str(real_data / "lyra-v1.2.0")
    own = load_config(edited("representations.codec", {"kind": "soundstream", "folder": folder}))
    codec = codec_of("soundstream", folder=folder)
    assert own.representations["codec"].audio_rate_hz == codec.sample_rate_hz
    assert own.representations["codec"].shape(own, None) == Shape(codec.frame_rate_hz, codec.dim)


def test_processes_have_the_length_of_their_corpus_and_pooling_divides_it():
    config = load_config(SMALL)
    known = config.corpora["known"]
    assert config.representations["var"].shape(config, known) == Shape(12.5, 16, 200)
    assert config.representations["blurred"].shape(config, known) == Shape(6.25, 16, 100)
    assert config.representations["given"].shape(config, config.corpora["mine"]) == Shape(12.5)


@pytest.mark.parametrize("kind", ["pooled", "stacked", "subsampled", "interpolated"])
@pytest.mark.parametrize("target_hz", [12.5, 6.25, 12.5 / 3, 5.0, 25.0, 12.4999999])
def test_a_lower_rate_has_the_shape_that_the_code_gives_it_or_is_refused_by_both(kind: str, target_hz: float):
    settings = {"kind": kind, "source": "x", "frame_rate_hz": target_hz}
    (section,) = (section for section in kinds_of(Derived) if kind_of(section) == kind)
    own = section.model_validate(settings)
    frames = Utterance("u", "s", "train", np.zeros((100, 3), np.float32), np.zeros(100, np.float32))
    try:
        transform = build_transform(own.model_dump(), Source(3, 12.5))
    except UserError:
        with pytest.raises(ValueError, match=r"^frame_rate_hz: "):
            own.shape_of(Shape(12.5, 3, 100))
        return
    derived = transform.apply(frames)[0]
    assert own.shape_of(Shape(12.5, 3, 100)) == Shape(transform.frame_rate_hz, derived.shape[1], len(derived))
    assert own.shape_of(Shape()) == Shape(target_hz)


def test_a_learned_representation_has_the_shape_that_the_code_gives_it():
    config = load_config(edited("representations.v", {"kind": "vae", "source": "var", "stack": 3, "dim": 5}))
    own = config.representations["v"]
    transform = build_transform(own.model_dump(mode="json"), Source(16, 12.5))
    frames = Utterance("u", "s", "train", np.zeros((200, 16), np.float32), np.zeros(200, np.float32))
    derived, _ = transform.apply(frames)
    expected = Shape(transform.frame_rate_hz, derived.shape[1], len(derived))
    assert own.shape(config, config.corpora["known"]) == expected == Shape(12.5 / 3, 5, 66)
    assert own.shape_of(Shape()) == Shape(None, 5)
    longer = edited("representations.v", {"kind": "vae", "source": "var", "stack": 10, "dim": 5})
    longer["tables"]["t2"] = {**TABLE, "representations": ["v"], "horizons": [1]}
    with pytest.raises(UserError, match=r"v\.training\.sequence_frames: 24 latents of 10 .* 240 .*'var' have 200"):
        load_config(longer)
    no_validation = edited("corpora.known", {"kind": "synthetic", "splits": {"validation": 0.0}})
    no_validation["representations"]["v"] = {"kind": "vae", "source": "var", "dim": 5}
    no_validation["tables"] = {"g": {"kind": "geometry", "corpora": ["known"], "representations": ["v"]}}
    with pytest.raises(UserError, match=r"representations\.v\.training\.select: .*splits\.validation"):
        load_config(no_validation)


def test_a_factorizer_needs_utterances_that_hold_its_sequences():
    long = {"kind": "factorizer", "source": "var", "dim": 5, "training": {"sequence_frames": 195}}
    config = edited("representations.v", long)
    config["tables"]["t2"] = {**TABLE, "representations": ["v"], "horizons": [1]}
    with pytest.raises(
        UserError, match=r"v\.training\.sequence_frames: 195 frames after the 8 .* 203 .*'var' have 200"
    ):
        load_config(config)


def test_speakers_fall_into_the_splits_that_the_step_will_give_them():
    config = load_config(edited("corpora.demo", {"kind": "demo", "n_speakers": 24, "splits": {"salt": "demo27"}}))
    for name, speakers in (("demo", [v.speaker_id for v in voices(24)]), ("known", None)):
        corpus = config.corpora[name]
        manifest = synthetic_manifest(60, 4, 200, 12.5)
        if speakers is not None:
            manifest = pd.DataFrame({"speaker_id": speakers, "sex": None, "duration_s": 1.0})
        table = split_speakers(manifest, **corpus.splits.model_dump())
        assert corpus.speakers_of_splits == {
            s: int((table["split"] == s).sum()) for s in ("train", "validation", "eval")
        }
        assert sorted(corpus.speakers()) == sorted(table.speaker_id)


def test_frames_of_a_split_are_counted_as_the_diagnostics_count_them():
    config = load_config(SMALL)
    corpus = config.corpora["known"]
    known = Known("known", corpus, "var", Shape(12.5, 16, 200))
    assert known.frames("train", 15) == corpus.speakers_of_splits["train"] * 4 * (200 - 15)
    assert known.frames("train", 300) == 0
    assert Known("speech", config.corpora["speech"], "logmel", Shape()).frames("train", 15) is None


@pytest.mark.parametrize("kind", PROCESSES.kinds())
def test_the_config_knows_which_exact_values_a_process_has(kind: str):
    (section,) = (section for section in kinds_of(Process) if kind_of(section) == kind)
    answers = process_of(kind).answers([1, 2])
    assert section.exact_information == any(answer.metric == "state_information_mdn_whole" for answer in answers)
    assert section.exact_clusters == any(answer.metric == "variance_ratio" for answer in answers)
    assert section.exact_at_all_horizons == any(answer.horizon == 2 for answer in answers)


def test_a_regime_looks_as_far_ahead_as_the_config_says():
    from latentdyn.config.kinds import kinds_of
    from latentdyn.config.regimes import RegimeKind
    from tests.settings import kind_of

    for section in kinds_of(RegimeKind):
        entry = section(kind=kind_of(section))
        assert build_regime(entry.model_dump()).longest == entry.longest, section


def test_a_predictor_needs_the_frames_that_the_config_says():
    entry = settings_of("predictors", "linear_gaussian", window_frames=3, horizons=[1, 5])
    assert build_predictor(entry, 2).window_frames == 3
    config = load_config(edited("predictors.line", entry) | {"tables": {"t": TABLE}})
    assert config.predictors["line"].frames_needed == 3 - 1 + 5 + 1, "common_runs: t >= W - 1 + k, from 0"
