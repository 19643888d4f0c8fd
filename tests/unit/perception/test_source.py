"""The way back to audio: lengths, the codec, links without an inverse, utterances drawn by name."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from latentdyn.corpus.transcripts import transcript_of
from latentdyn.errors import UserError
from latentdyn.perception.listening import Listener, Presentation
from latentdyn.perception.mel import MelSettings
from latentdyn.perception.pool import in_processes
from latentdyn.perception.scores import Original
from latentdyn.perception.source import Decoder, Decoding, Source, draw_utterances, to_scored_rate
from latentdyn.representations.base import Source as Shape
from latentdyn.representations.base import build_transform
from latentdyn.representations.pooled import Pooled
from latentdyn.stores.frame_index import FrameIndex
from tests.indexed import whole_index
from tests.unit.models.vae.examples import section
from tests.unit.perception.conftest import CODEC, speech_like

POOLED = {"kind": "pooled", "frame_rate_hz": 25.0}
MEL = MelSettings(n_fft=1024, hop=256, n_mels=80, floor_db=-80.0)
SHUFFLED = {"kind": "surrogate", "method": "shuffled"}


def open_source(made, **changes) -> Source:
    given = {**made["decoding"], **changes}
    chain = [Path(handle) for handle in given["chain"]]
    return Source(Decoding(given["codec"], chain, Path(given["manifest"]), Path(given["audio"])), "cpu")


def test_a_codec_that_loses_nothing_gives_the_recording_back(corpus):
    source = open_source(corpus())
    found = source.utterance("e2-a", 20.0)
    heard = to_scored_rate(source.decoder(found.own), source.decoder.sample_rate_hz)
    assert np.array_equal(found.own, found.latents) and len(heard) == len(found.original.audio) == 32_000
    # what is above 4 kHz is gone
    assert np.corrcoef(heard, found.original.audio)[0, 1] > 0.999


def test_all_recordings_end_where_the_shortest_does(corpus):
    source = open_source(corpus(POOLED))
    found = source.utterance("e2-a", 1.99)
    assert len(found.latents) == 49 and len(found.own) == 196
    assert len(source.to_root(found.latents, "e2-a")) == 196
    assert len(found.original.audio) == 49 * 16_000 // 25


def test_a_link_without_an_inverse_is_named(corpus):
    with pytest.raises(
        UserError, match=r"samples>surrogate does not lead back to its root: 'surrogate' has no inverse"
    ):
        open_source(corpus(SHUFFLED))


def test_a_decoder_of_the_representation_decodes_it_and_the_codecs_own_what_is_true(corpus, monkeypatch):
    monkeypatch.setattr(Pooled, "decoder_weights", lambda self: {"gain": np.full(1, 0.5, np.float32)})
    source = open_source(corpus(POOLED))
    frames = 0.1 * np.ones((3, 80), np.float32)
    assert source.codec(frames) == pytest.approx(0.1) and source.decoder(frames) == pytest.approx(0.05)
    sent = pickle.loads(pickle.dumps(Listener(source.decoder, MEL, codec=source.codec)))
    for by_codec, level in ((True, 0.1), (False, 0.05)):
        presentation = Presentation("u", "s", None, frames, (), {}, by_codec=by_codec)
        assert sent.decoded(presentation) == pytest.approx(level)


def test_a_decoder_of_many_weights_is_sent_to_other_processes():
    """300: more than the open files that a process can be given when it starts."""
    reconstruction = {"kind": "waveform", "decoder": "trained"}
    entry = section(objective={"reconstruction": reconstruction}).model_dump(mode="json")
    transform = build_transform(entry, Shape(3, 12.5))
    many = torch.nn.ParameterList(torch.ones(2) for _ in range(300))
    transform.model.reconstruction.decoder_weights.start(many)
    weights = transform.decoder_weights()
    assert len(weights) == 300
    listener = Listener(Decoder(CODEC, weights=weights), MEL)
    jobs = [Presentation(str(i), "s", Original(speech_like(1.0)), None, (), {}) for i in range(4)]
    assert [heard.utterance_id for heard in in_processes(listener, jobs, 2)] == ["0", "1", "2", "3"]


def test_another_codec_is_refused(corpus):
    with pytest.raises(UserError, match="name the codec that made them"):
        open_source(corpus(), codec={**CODEC, "hop_samples": 160})


def test_other_weights_are_refused(corpus, monkeypatch):
    made = corpus()
    monkeypatch.setattr("tests.unit.perception.conftest.Samples.weights_sha256", "other")
    with pytest.raises(UserError, match="made with other weights"):
        open_source(made)


def test_a_recording_that_changed_is_refused(corpus):
    made = corpus()
    (Path(made["decoding"]["audio"]) / "e2-a.wav").write_bytes(b"other")
    with pytest.raises(UserError, match="changed since the manifest"):
        open_source(made).utterance("e2-a", 20.0)


def test_what_is_beyond_full_scale_is_clipped_as_a_wav_file_would(corpus):
    decoder = open_source(corpus()).decoder
    assert np.abs(decoder(np.full((3, 80), 7.0, np.float32))).max() == 1


def frames_of(lengths: dict[tuple[str, str], int]) -> FrameIndex:
    names, speakers = zip(*lengths, strict=True)
    return whole_index(list(lengths.values()), speakers, names=names)


def test_a_second_utterance_of_a_speaker_comes_after_the_first_of_all():
    frames = frames_of({(f"{s}{i}", s): 5 for s in "abc" for i in range(4)})
    drawn = draw_utterances(frames, "eval", 5, 2, ("test",), "section")
    assert sorted(drawn["speaker_id"][:3]) == ["a", "b", "c"] and len(drawn) == 5
    assert drawn.equals(draw_utterances(frames, "eval", 5, 2, ("test",), "section"))


def test_too_few_utterances_are_told():
    frames = frames_of({("u", "a"): 5, ("v", "b"): 3})
    with pytest.raises(UserError, match=r"1 of 2 utterances of split eval have at least 4 frames.*2 are asked for"):
        draw_utterances(frames, "eval", 2, 4, ("test",), "section")


def test_transcripts_beside_recordings(tmp_path):
    (tmp_path / "1-2.trans.txt").write_text("1-2-0000 ONE TWO\n1-2-0001 THREE\n")
    (tmp_path / "own.txt").write_text("Four.\n")
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xff")
    found = [
        transcript_of(tmp_path / name) for name in ("1-2-0001.flac", "1-2-0009.flac", "own.wav", "bad.wav", "no.wav")
    ]
    assert found == ["THREE", None, "Four.", None, None]


def test_a_clip_is_as_long_as_asked_for(corpus):
    source = open_source(corpus(audio={"t0": speech_like(1.0), "e1": speech_like(3.0)}))
    assert len(source.utterance("e1-a", 1.0).original.audio) == 16_000
    assert len(source.original("e1-a", 1.5)) == 24_000
