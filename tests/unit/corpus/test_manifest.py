from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from latentdyn.corpus.audio import AudioFacts
from latentdyn.corpus.latents_index import LatentsFacts
from latentdyn.corpus.manifest import (
    AUDIO_SCHEMA,
    EXCLUDED_SCHEMA,
    LATENTS_SCHEMA,
    Manifest,
    audio_manifest,
    build_manifest,
    check_excluded_share,
    latents_manifest,
    manifest_handle,
    set_aside_shared_files,
)
from latentdyn.corpus.recording import Exclusion, Recording
from latentdyn.errors import UserError
from latentdyn.files import file_sha256

CHECKS = {"min_duration_s": 0.5, "silence_dbfs": -60.0, "max_excluded_share": 0.05}


def recording(utterance_id: str, speaker_id: str = "s") -> Recording:
    return Recording(utterance_id, speaker_id, None, f"{speaker_id}/{utterance_id}.wav")


def audio(n_samples: int = 24000) -> AudioFacts:
    return AudioFacts(16000, 1, n_samples, -20.0, 0.5, "0" * 64)


def test_every_listed_file_is_in_one_table_whatever_the_order():
    rows = [
        (recording("b", "s2"), audio()),
        (recording("c", "s10"), Exclusion("silent", "x")),
        (recording("a", "s2"), audio(8000)),
        (recording("z", "s10"), audio()),
        (recording("a", "s1"), Exclusion("corrupt", "y")),
    ]
    manifest = audio_manifest(*zip(*rows, strict=True))
    backwards = audio_manifest(*zip(*rows[::-1], strict=True))
    assert list(zip(manifest.utterances.speaker_id, manifest.utterances.utterance_id, strict=True)) == [
        ("s10", "z"),
        ("s2", "a"),
        ("s2", "b"),
    ]
    assert list(manifest.utterances.duration_s) == [1.5, 0.5, 1.5]
    assert list(manifest.excluded.reason) == ["corrupt", "silent"]
    pd.testing.assert_frame_equal(manifest.utterances, backwards.utterances)
    pd.testing.assert_frame_equal(manifest.excluded, backwards.excluded)
    assert manifest_handle(manifest) == manifest_handle(backwards)


def test_handle_counts_and_follows_the_content():
    rows = [
        (recording("a"), audio()),
        (recording("b", "t"), audio(48000)),
        (recording("c"), Exclusion("silent", "")),
    ]
    handle = manifest_handle(audio_manifest(*zip(*rows, strict=True)))
    digest = handle.pop("digest")
    assert handle == {
        "schema_version": 1,
        "n_utterances": 2,
        "n_speakers": 2,
        "hours": 4.5 / 3600,
        "excluded": {"silent": 1},
    }
    rows[0] = (recording("a"), audio()._replace(sha256="1" * 64))
    assert manifest_handle(audio_manifest(*zip(*rows, strict=True)))["digest"] != digest


def test_schemas_do_not_depend_on_the_rows():
    for rows in ([], [(recording("a"), audio())]):
        manifest = audio_manifest([r for r, _ in rows], [f for _, f in rows])
        assert {name: str(dtype) for name, dtype in manifest.utterances.dtypes.items()} == AUDIO_SCHEMA
        assert {name: str(dtype) for name, dtype in manifest.excluded.dtypes.items()} == EXCLUDED_SCHEMA
    empty = latents_manifest([], [], 12.5).utterances
    assert {name: str(dtype) for name, dtype in empty.dtypes.items()} == LATENTS_SCHEMA


def test_the_dimension_of_most_latents_decides():
    facts = [LatentsFacts(25, 8, 0, "a"), LatentsFacts(50, 4, 3, "b"), LatentsFacts(25, 4, 0, "c")]
    manifest = latents_manifest([recording("a"), recording("b"), recording("c")], facts, 12.5)
    assert list(manifest.utterances.utterance_id) == ["b", "c"]
    assert list(manifest.utterances.duration_s) == [4.0, 2.0]
    assert list(manifest.utterances.n_nonfinite_frames) == [3, 0]
    assert tuple(manifest.excluded.iloc[0]) == ("s/a.wav", "a", "s", "wrong_dim", "D = 8; most files have 4")
    tie = latents_manifest([recording("a"), recording("b")], facts[:2], 12.5)
    assert list(tie.utterances.dim) == [4]


def test_a_file_of_two_speakers_is_set_aside(caplog):
    rows = [
        (recording("a", "s1"), audio()._replace(sha256="x")),
        (recording("b", "s2"), audio()._replace(sha256="x")),
        (recording("c", "s2"), audio()._replace(sha256="y")),
        (recording("d", "s2"), audio()._replace(sha256="y")),
        (recording("e", "s3"), Exclusion("silent", "")),
    ]
    manifest = set_aside_shared_files(audio_manifest(*zip(*rows, strict=True)))
    assert list(manifest.utterances.utterance_id) == ["c", "d"]
    excluded = manifest.excluded.set_index("utterance_id")
    assert dict(excluded.reason) == {"a": "of_two_speakers", "b": "of_two_speakers", "e": "silent"}
    assert excluded.detail["a"] == "the same bytes as s2/b.wav of speaker 's2'"
    assert "1 files have the same bytes as another one of their speaker: s2/d.wav" in caplog.text
    assert {name: str(dtype) for name, dtype in manifest.excluded.dtypes.items()} == EXCLUDED_SCHEMA
    empty = audio_manifest([], [])
    assert len(set_aside_shared_files(empty).utterances) == 0


def manifest_of(n_good: int, n_bad: int) -> Manifest:
    facts = [audio()] * n_good + [Exclusion("silent", "RMS level -80 dBFS")] * n_bad
    return audio_manifest([recording(f"u{i:03}") for i in range(n_good + n_bad)], facts)


def test_the_allowed_share_may_be_set_aside(caplog):
    check_excluded_share(manifest_of(95, 5), 0.05, Path("excluded.parquet"))
    assert caplog.text.count("RMS level -80 dBFS") == 5
    with pytest.raises(UserError, match=r"6 of 100 files must be set aside \(6 silent\).*u094.*excluded.parquet"):
        check_excluded_share(manifest_of(94, 6), 0.05, Path("excluded.parquet"))
    with pytest.raises(UserError, match="2 of 2 files"):
        check_excluded_share(manifest_of(0, 2), 0.999, Path("excluded.parquet"))


@pytest.mark.parametrize("workers", [1, 4])
def test_a_folder_with_one_of_each(tmp_path, workers):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000)
    for speaker in ("ann", "bob"):
        (tmp_path / speaker).mkdir()
        soundfile.write(tmp_path / speaker / "good.flac", noise, 16000)
    soundfile.write(tmp_path / "ann" / "stereo.wav", np.stack([noise, noise], axis=1), 8000)
    soundfile.write(tmp_path / "ann" / "short.wav", noise[:100], 16000)
    soundfile.write(tmp_path / "bob" / "still.wav", 0 * noise, 16000)
    (tmp_path / "bob" / "text.wav").write_text("not audio at all")
    (tmp_path / "bob" / "void.wav").touch()
    utterances, excluded = build_manifest({"kind": "folder", "audio": CHECKS}, tmp_path, workers=workers)
    assert list(utterances.path) == ["ann/good.flac", "ann/stereo.wav", "bob/good.flac"]
    assert list(utterances.sha256) == [file_sha256(tmp_path / path) for path in utterances.path]
    assert list(utterances.n_channels) == [1, 2, 1]
    assert list(utterances.sample_rate_hz) == [16000, 8000, 16000]
    assert list(utterances.duration_s) == [1.0, 2.0, 1.0]
    assert utterances.sex.isna().all()
    assert dict(zip(excluded.utterance_id, excluded.reason, strict=True)) == {
        "ann-short": "too_short",
        "bob-still": "silent",
        "bob-text": "corrupt",
        "bob-void": "empty",
    }


def test_the_other_kinds_bring_sexes(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000)
    demo = tmp_path / "demo"
    (demo / "f01").mkdir(parents=True)
    soundfile.write(demo / "f01" / "f01-001.wav", noise, 16000)
    (demo / "speakers.csv").write_text("speaker_id,sex\nf01,F\n")
    utterances, _ = build_manifest({"kind": "demo", "audio": CHECKS}, demo, workers=1)
    assert list(utterances.sex) == ["F"]

    chapter = tmp_path / "LibriSpeech" / "dev-clean" / "26" / "495"
    chapter.mkdir(parents=True)
    soundfile.write(chapter / "26-495-0000.flac", noise, 16000)
    (tmp_path / "LibriSpeech" / "SPEAKERS.TXT").write_text("26 | M | dev-clean | 1 | Denny\n")
    corpus = {"kind": "librispeech", "subset": "dev-clean", "audio": CHECKS}
    utterances, _ = build_manifest(corpus, tmp_path / "LibriSpeech", workers=1)
    assert list(utterances.sex) == ["M"]
    assert list(utterances.path) == ["dev-clean/26/495/26-495-0000.flac"]


def test_latents_relative_to_their_index_or_absolute(tmp_path):
    (tmp_path / "index").mkdir()
    np.save(tmp_path / "index" / "a.npy", np.ones((25, 4), np.float32))
    np.save(tmp_path / "b.npy", np.ones((50, 4), np.float16))
    index = tmp_path / "index" / "latents.csv"
    index.write_text(
        f"utterance_id,speaker_id,path,sex\nu1,s,a.npy,F\nu2,s,{tmp_path}/b.npy,F\nu3,s,../b.npy,F\nu4,s,c.npy,F\n"
    )
    utterances, excluded = build_manifest({"kind": "latents", "frame_rate_hz": 12.5}, index, workers=2)
    assert list(utterances.path) == ["a.npy", f"{tmp_path}/b.npy", "../b.npy"]
    assert list(utterances.n_frames) == [25, 50, 50]
    assert list(utterances.duration_s) == [2.0, 4.0, 4.0]
    assert list(excluded.reason) == ["missing"]


@pytest.mark.real_data
def test_the_real_excerpt(real_data):
    root = real_data / "LibriSpeech"
    corpus = {"kind": "librispeech", "subset": "train-clean-100", "audio": CHECKS | {"min_duration_s": 1.0}}
    manifest = build_manifest(corpus, root, workers=2)
    handle = manifest_handle(manifest)
    assert (handle["n_utterances"], handle["n_speakers"], handle["excluded"]) == (527, 251, {})
    assert handle["hours"] * 60 == pytest.approx(105.7, abs=0.05)
    assert set(manifest.utterances.sample_rate_hz) == {16000}
    assert (manifest.utterances.n_channels == 1).all()
