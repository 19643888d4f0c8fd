import os

import pytest

from latentdyn.corpus.folder import demo_recordings, folder_files, folder_recordings
from latentdyn.corpus.recording import Recording
from latentdyn.errors import UserError


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_any_depth_suffix_and_letter_case(tmp_path):
    touch(
        tmp_path,
        "ann/b.WAV",
        "ann/a.flac",
        "set/bob/x.y.Mp3",
        "top.opus",
        "bob/o.ogg",
        "ann/a.txt",
        "ann/wav",
    )
    touch(tmp_path, ".cache/a/b.wav", "ann/._b.wav")
    recordings = folder_recordings(tmp_path)
    assert recordings == [
        Recording("ann-a", "ann", None, "ann/a.flac"),
        Recording("ann-b", "ann", None, "ann/b.WAV"),
        Recording("bob-o", "bob", None, "bob/o.ogg"),
        Recording("set-bob-x.y", "bob", None, "set/bob/x.y.Mp3"),
        Recording("top", tmp_path.name, None, "top.opus"),
    ]
    assert [tmp_path / recording.path for recording in recordings] == folder_files(tmp_path)


def test_speaker_of_files_in_the_root_itself(tmp_path, monkeypatch):
    touch(tmp_path, "a.wav")
    monkeypatch.chdir(tmp_path)
    assert folder_recordings(type(tmp_path)("."))[0].speaker_id == tmp_path.name


def test_linked_folders_are_followed_and_loops_end(tmp_path):
    touch(tmp_path, "elsewhere/ann/a.wav", "corpus/bob/b.wav")
    (tmp_path / "corpus" / "ann").symlink_to(tmp_path / "elsewhere" / "ann")
    (tmp_path / "corpus" / "bob" / "loop").symlink_to(tmp_path / "corpus")
    assert [r.utterance_id for r in folder_recordings(tmp_path / "corpus")] == ["ann-a", "bob-b"]


@pytest.mark.parametrize("pair", [("a/b.wav", "a/b.flac"), ("a/b.wav", "a-b.wav")])
def test_colliding_utterances_are_refused(tmp_path, pair):
    touch(tmp_path, *pair)
    with pytest.raises(UserError, match="both be utterance 'a-b'") as error:
        folder_recordings(tmp_path)
    assert all(path in str(error.value) for path in pair)


def test_no_audio(tmp_path):
    touch(tmp_path, "a.txt")
    with pytest.raises(UserError, match="holds no recordings"):
        folder_files(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        folder_files(tmp_path / "nowhere")


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"\xff.wav")).touch()
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    with pytest.raises(UserError, match="not valid UTF-8"):
        folder_recordings(tmp_path)


def test_demo_takes_sexes_from_its_table(tmp_path):
    touch(tmp_path, "f01/f01-001.wav", "m01/m01-001.wav", "x/x-001.wav")
    with pytest.raises(UserError, match="lacks its table"):
        demo_recordings(tmp_path)
    table = tmp_path / "speakers.csv"
    table.write_text("speaker_id,sex,voice\nf01,F,en+f1\nm01,M,en+m1\n")
    with pytest.raises(UserError, match="does not list the speakers x"):
        demo_recordings(tmp_path)
    table.write_text("speaker_id,sex,voice\nf01,F,en+f1\nm01,M,en+m1\nx,,en\n")
    assert [r.sex for r in demo_recordings(tmp_path)] == ["F", "M", None]
    table.write_text("speaker_id,voice\nf01,en+f1\n")
    with pytest.raises(UserError, match="lacks a column"):
        demo_recordings(tmp_path)
