import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentdyn.corpus.librispeech import librispeech_files, librispeech_recordings, speaker_sexes
from latentdyn.corpus.recording import Recording
from latentdyn.errors import UserError

SPEAKERS = """\
; a comment | with | bars | in | it
;ID  |SEX| SUBSET           |MINUTES| NAME
19   | F | train-clean-100  | 20.77 | Kara Shallenberg
60   | M | train-clean-100  |  0.25 | |CBW|Simon

26   | M | train-clean-100  | 16.70 | Denny Sayers
"""


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "LibriSpeech"
    for name in ("60-1-0001", "19-198-0002", "19-198-0001", "19-227-0000"):
        speaker, chapter, _ = name.split("-")
        folder = root / "train-clean-100" / speaker / chapter
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.flac").touch()
        (folder / f"{speaker}-{chapter}.trans.txt").touch()
        (folder / f"._{name}.flac").touch()
    (root / "SPEAKERS.TXT").write_text(SPEAKERS)
    return root


def test_recordings(root):
    files = librispeech_files(root, "train-clean-100")
    assert [file.stem for file in files] == ["19-198-0001", "19-198-0002", "19-227-0000", "60-1-0001"]
    recordings = librispeech_recordings(root, "train-clean-100")
    assert recordings[0] == Recording("19-198-0001", "19", "F", "train-clean-100/19/198/19-198-0001.flac")
    assert [root / recording.path for recording in recordings] == files
    assert recordings[-1].sex == "M"


def test_a_speaker_missing_from_the_table_has_no_sex(root, caplog):
    (root / "SPEAKERS.TXT").write_text("19 | F | train-clean-100 | 1 | A\n")
    with caplog.at_level(logging.WARNING):
        assert librispeech_recordings(root, "train-clean-100")[-1].sex is None
    assert "does not list 1 speakers" in caplog.text


def test_each_wrong_root_gets_its_own_advice(root):
    cases = {
        root.parent: f"let root name the folder below it: {root}",
        root / "train-clean-100": f"let root name the folder above it: {root}",
        root / "nowhere": "the folder of the corpus does not exist",
        root / "train-clean-100" / "19": "let root name the folder that holds 'train-clean-100'",
    }
    for place, advice in cases.items():
        with pytest.raises(UserError) as error:
            librispeech_files(place, "train-clean-100")
        assert advice in str(error.value)
    with pytest.raises(UserError, match=r"set subset to one that is there \(train-clean-100\)"):
        librispeech_files(root, "dev-clean")
    (root / "dev-clean").mkdir()
    with pytest.raises(UserError, match="has no recordings"):
        librispeech_files(root, "dev-clean")


@pytest.mark.parametrize("name", ["19-227-0000.flac", "20-198-0000.flac", "19-198-x.flac", "19-198-.flac"])
def test_a_recording_of_another_naming_is_refused(root, name):
    (root / "train-clean-100" / "19" / "198" / name).touch()
    with pytest.raises(UserError, match=r"not named and placed") as error:
        librispeech_files(root, "train-clean-100")
    assert f"19/198/{name}" in str(error.value)


def test_subsets_form_one_corpus_with_or_without_splits(root):
    chapter = root / "test-clean" / "61" / "70968"
    chapter.mkdir(parents=True)
    (chapter / "61-70968-0000.flac").touch()
    subsets = {"train-clean-100": "train", "test-clean": "eval"}
    recordings = librispeech_recordings(root, subsets)
    assert [(r.speaker_id, r.split) for r in recordings] == [("19", "train")] * 3 + [("60", "train"), ("61", "eval")]
    assert [root / r.path for r in recordings] == librispeech_files(root, list(subsets))
    assert {r.split for r in librispeech_recordings(root, list(subsets))} == {None}
    copy = root / "test-clean" / "19" / "198"
    copy.mkdir(parents=True)
    (copy / "19-198-0001.flac").touch()
    with pytest.raises(UserError, match=r"two recordings are utterance '19-198-0001': train-clean.* and test-clean"):
        librispeech_recordings(root, subsets)


def test_other_files_are_counted_and_capitals_are_read(root, caplog):
    chapter = root / "train-clean-100" / "60" / "1"
    for name in ("60-1-0002.FLAC", "60-1-0003.wav", "60-1-0004.WAV"):
        (chapter / name).touch()
    with caplog.at_level(logging.INFO):
        assert "60-1-0002" in {r.utterance_id for r in librispeech_recordings(root, "train-clean-100")}
    assert "passed over: 5 files of 2 suffixes: .txt 3, .wav 2" in caplog.text
    (root / "dev-clean" / "60" / "1").mkdir(parents=True)
    (root / "dev-clean" / "60" / "1" / "60-1-0003.wav").touch()
    with pytest.raises(UserError, match=r"none of its 1 files is a \.flac"):
        librispeech_files(root, "dev-clean")


def test_missing_table(root):
    (root / "SPEAKERS.TXT").unlink()
    with pytest.raises(UserError, match="table of speakers is missing"):
        librispeech_recordings(root, "train-clean-100")


@pytest.mark.parametrize("line", ["20 | X | s | 1 | A", "a | F | s | 1 | A", "20 | F", "nonsense"])
def test_malformed_line_is_named(tmp_path, line):
    path = tmp_path / "SPEAKERS.TXT"
    path.write_text(f";ID\n19 | F | s | 1 | A\n{line}\n")
    with pytest.raises(UserError, match="line 3 is not of the form"):
        speaker_sexes(path)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(rows=st.dictionaries(st.integers(1, 10**5).map(str), st.tuples(st.sampled_from("FM"), NAMES)))
def test_parser_takes_any_name(rows, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "SPEAKERS.TXT"
    lines = [f"{i:<5}| {sex} | train-clean-100  | 25.00 | {name}" for i, (sex, name) in rows.items()]
    path.write_text("\n".join([";ID", *lines, ""]), encoding="utf-8")
    assert speaker_sexes(path) == {i: sex for i, (sex, _) in rows.items()}


def test_listing_imports_nothing_heavy():
    code = (
        "import sys, latentdyn.corpus.librispeech, latentdyn.corpus.folder;"
        "sys.exit(bool({'numpy', 'pandas', 'soundfile'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.real_data
def test_the_real_excerpt(real_data):
    recordings = librispeech_recordings(real_data / "LibriSpeech", "train-clean-100")
    assert len(recordings) == len({r.utterance_id for r in recordings}) == 527
    sexes = {r.speaker_id: r.sex for r in recordings}
    assert len(sexes) == 251
    assert (sexes["19"], sexes["26"], sexes["60"]) == ("F", "M", "M")
    assert sum(sex == "F" for sex in sexes.values()) == 125
