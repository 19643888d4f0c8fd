import sys

import pytest

from latentdyn.codecs.base import codec_class, frame_count, open_codec
from latentdyn.codecs.logmel import LogMel
from latentdyn.errors import UserError
from latentdyn.families import CODECS
from tests.settings import codec_of


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (1919, 1), (1920, 1), (1921, 2), (3840, 2)])
def test_frames_are_samples_over_hop_rounded_up(samples, frames):
    assert frame_count(samples, 1920) == frames


def test_opens_by_kind_with_the_settings_of_the_section():
    codec = codec_of("logmel", dtype="float16", n_mels=32, hop_samples=640)
    assert isinstance(codec, LogMel)
    assert (codec.dim, codec.hop_samples, codec.frame_rate_hz) == (32, 640, 25.0)


# `tiling` is a module of the package, `no/where` not even the name of one
@pytest.mark.parametrize("kind", ["pooled", "tiling", "no/where"])
def test_unknown_kind_names_the_known_ones(kind):
    with pytest.raises(
        UserError, match=rf"no codec of kind '{kind}'.*calm_vae, dac, encodec, logmel, mimi, soundstream, vibevoice"
    ):
        open_codec({"kind": kind})


def test_only_the_chosen_codec_is_imported(monkeypatch):
    kinds = CODECS.kinds()
    for kind in kinds:
        monkeypatch.delitem(sys.modules, f"latentdyn.codecs.{kind}", raising=False)
    codec_of("logmel")
    assert [kind for kind in kinds if f"latentdyn.codecs.{kind}" in sys.modules] == ["logmel"]


def test_the_neural_codecs_want_a_gpu():
    assert {kind for kind in CODECS.kinds() if codec_class(kind).needs_gpu} == {
        "calm_vae",
        "dac",
        "encodec",
        "mimi",
        "vibevoice",
    }
