import os
import re
from pathlib import Path

import pytest

from latentdyn.corpus.folder import demo_recordings, folder_files, folder_recordings
from latentdyn.corpus.latents_index import latents_recordings
from latentdyn.corpus.lhotse import lhotse_recordings
from latentdyn.corpus.librispeech import librispeech_files
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


@pytest.mark.parametrize(
    ("speaker", "speakers"),
    [
        ("parent", ["Angry", "Happy", "Angry"]),
        (1, ["ann", "ann", "bob"]),
        (2, ["Angry", "Happy", "Angry"]),
        (r"^(\w)\w+/", ["a", "a", "b"]),
        (r"take([0-9])", ["1", "2", "1"]),
    ],
)
def test_what_names_the_speaker(tmp_path, speaker, speakers):
    touch(tmp_path, "ann/Angry/take1.wav", "ann/Happy/take2.wav", "bob/Angry/take1.wav")
    assert [r.speaker_id for r in folder_recordings(tmp_path, speaker=speaker)] == speakers


def test_recordings_without_a_speaker_are_refused(tmp_path):
    touch(tmp_path, "ann/a.wav", "b.wav")
    with pytest.raises(UserError, match=r"fewer than 1 folders.*b\.wav.*key `speaker`"):
        folder_recordings(tmp_path, speaker=1)
    with pytest.raises(UserError, match=r"does not name the speaker of 'b\.wav'"):
        folder_recordings(tmp_path, speaker="(ann|bob)/")


def test_what_may_not_be_the_speakers_is_warned_of(tmp_path, caplog):
    def warnings(**options: object) -> str:
        caplog.clear()
        folder_recordings(tmp_path, **options)
        return caplog.text

    touch(tmp_path, "ann/a.wav", "bob/b.wav")
    assert warnings() == ""
    touch(tmp_path, "top.wav")
    assert f"in the corpus's root itself; their speaker is its name, '{tmp_path.name}'" in warnings()
    (tmp_path / "top.wav").unlink()
    touch(tmp_path, "ann/Happy/c.wav", "bob/Happy/c.wav")
    assert "joined into one speaker: 'Happy' (2 folders: ann/Happy, bob/Happy)" in warnings()
    assert "`speaker`: a number (1: the folder directly below its root)" in caplog.text
    assert warnings(speaker=1) == ""
    assert warnings(speaker="^([a-z]+)/") == ""


def test_chapters_and_a_folder_named_wav_are_warned_of(tmp_path, caplog):
    touch(tmp_path / "a", "ann/10/a.wav", "bob/11/b.wav")
    folder_recordings(tmp_path / "a")
    assert "folders within other folders are taken as the speakers: ann/10, bob/11" in caplog.text
    touch(tmp_path / "b", "ann/wav/a.wav", "bob/wav/b.wav")
    folder_recordings(tmp_path / "b")
    assert "there is only one speaker, 'wav' (ann/wav, bob/wav); if these are not" in caplog.text


def test_subsets_with_and_without_splits(tmp_path):
    touch(tmp_path, "training/ann/a.wav", "test/bob/wav/b.wav", "other/eve/c.wav")
    recordings = folder_recordings(tmp_path, {"training": "train", "test": "eval"}, 1)
    assert recordings == [
        Recording("training-ann-a", "ann", None, "training/ann/a.wav", "train"),
        Recording("test-bob-wav-b", "bob", None, "test/bob/wav/b.wav", "eval"),
    ]
    assert [r.split for r in folder_recordings(tmp_path, ["training", "other/eve"])] == [None, None]
    with pytest.raises(UserError, match="no folder 'dev' in the corpus"):
        folder_files(tmp_path, ["training", "dev"])


def levels_of_passed_over(caplog):
    return [record.levelname for record in caplog.records if record.message.startswith("passed over")]


def test_what_is_passed_over_is_counted(tmp_path, caplog):
    touch(tmp_path, "a/a.wav", "a/b.m4a", "b/c.M4A", "a/notes", "a/d.txt", "a/.hidden.txt")
    with caplog.at_level("INFO"):
        folder_recordings(tmp_path)
    assert "passed over: 4 files of 3 suffixes: .m4a 2, .txt 1, no suffix 1" in caplog.text
    assert levels_of_passed_over(caplog) == ["WARNING"]


def test_files_that_are_no_sound_are_no_reason_to_warn(tmp_path, caplog):
    touch(tmp_path, "a/a.wav", "a/a.trans.txt", "speakers.csv")
    with caplog.at_level("INFO"):
        folder_recordings(tmp_path)
    assert "passed over: 2 files of 2 suffixes: .csv 1, .txt 1" in caplog.text
    assert levels_of_passed_over(caplog) == ["INFO"]


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    touch(tmp_path, "ann/a.wav", "bob/b.wav")
    scandir = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("bob"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UserError, match=r"cannot be listed \(Permission denied\).*bob"):
        folder_files(tmp_path)


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


def test_a_speaker_has_one_name_whatever_its_form(tmp_path):
    for folder, name in (("Zoe\u0301", "a.wav"), ("Zo\u00e9", "b.wav")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    assert {recording.speaker_id for recording in folder_recordings(tmp_path)} == {"Zo\u00e9"}


@pytest.mark.parametrize(
    "listing",
    [
        lambda path: folder_recordings(path),
        lambda path: librispeech_files(path, "dev"),
        lambda path: lhotse_recordings(path, path),
        lambda path: latents_recordings(path),
    ],
)
def test_a_path_from_another_folder_is_told_with_the_folder_that_it_is_relative_to(tmp_path, monkeypatch, listing):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=re.escape(f"my/data, which is relative to the folder of this run, {tmp_path}.")
    ):
        listing(Path("my/data"))
    with pytest.raises(UserError) as error:
        listing(tmp_path / "data")
    assert error.value.where == str(tmp_path / "data")
