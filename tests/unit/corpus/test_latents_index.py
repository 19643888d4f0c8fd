import io
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentdyn.corpus.latents_index import LatentsFacts, inspect_latents, latents_recordings
from latentdyn.corpus.npy import open_npy
from latentdyn.corpus.recording import Exclusion, Recording
from latentdyn.errors import UserError
from latentdyn.files import file_sha256

NO_REGULAR_FILE = "it is no regular file, but a folder, a pipe, a socket or a device"


@pytest.fixture
def index(tmp_path):
    return tmp_path / "index.csv"


def test_rows_in_order(index):
    index.write_text("\ufeffpath,utterance_id,note,speaker_id,sex\nb.npy, u2 ,x,s1,F\n/d/a.npy,u1,,s2,\n")
    assert latents_recordings(index) == [
        Recording("u2", "s1", "F", "b.npy"),
        Recording("u1", "s2", None, "/d/a.npy"),
    ]
    index.write_text("utterance_id,speaker_id,path\nu,s,a.npy\n")
    assert latents_recordings(index) == [Recording("u", "s", None, "a.npy")]


def test_splits_of_all_rows(index):
    index.write_text("utterance_id,speaker_id,path,split\nu1,s1,a.npy,train\nu2,s2,b.npy,eval\n")
    assert [recording.split for recording in latents_recordings(index)] == ["train", "eval"]


HEADER = "utterance_id,speaker_id,path,sex\nu1,s1,a.npy,F\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column utterance_id and speaker_id and path.*line 1"),
        ("utterance_id,path\nu,a.npy\n", "lacks the column speaker_id"),
        ("utterance_id;speaker_id;path\nu;s;a.npy\n", "first line is 'utterance_id;speaker_id;path'.*with commas"),
        ("utterance_id,speaker_id,path,speaker_id\nu,s,a.npy,t\n", "has the column speaker_id twice.*line 1"),
        ("path,utterance_id,path,speaker_id\na.npy,u,b.npy,s\n", "has the column path twice.*line 1"),
        ("utterance_id,speaker_id,path\n", "has no rows"),
        (HEADER + "u2,s1,b.npy,F\nu1,s2,c.npy,M\n", "'u1' is in line 2 already.*line 4"),
        (HEADER + "u2,,b.npy,F\n", "speaker_id of this row is empty.*line 3"),
        (HEADER + "u2,s2\n", "more or fewer fields.*line 3"),
        (HEADER + "u2,s2,b.npy,F,extra\n", "more or fewer fields.*line 3"),
        (HEADER + "u2,s2,b.npy,female\n", "sex is 'female'.*line 3"),
        (HEADER + "u2,s1,b.npy,M\n", "'s1' has another sex.*line 3"),
        (HEADER + 'u2,s1,"b.npy,F\n', "not a CSV"),
        (
            "utterance_id,speaker_id,path,split\nu1,s1,a.npy,test\n",
            "split is 'test'.*line 2.*train, validation or eval",
        ),
        ("utterance_id,speaker_id,path,split\nu1,s1,a,train\nu2,s2,b,\n", "some rows have a split.*line 3"),
    ],
)
def test_structural_mistakes_name_their_line(index, text, message):
    index.write_text(text)
    with pytest.raises(UserError, match=message):
        latents_recordings(index)


def test_not_text(index):
    with pytest.raises(UserError, match="does not exist"):
        latents_recordings(index)
    index.write_bytes(b"utterance_id,speaker_id,path\n\xff\xfe,s,a.npy\n")
    with pytest.raises(UserError, match="not a CSV in UTF-8"):
        latents_recordings(index)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_facts_count_frames_with_nonfinite_values(tmp_path, dtype, order):
    latents = np.ones((20_000, 3), dtype, order=order)
    latents[5] = np.nan
    latents[19_999, 1] = np.inf
    path = tmp_path / "a.npy"
    np.save(path, latents)
    assert inspect_latents(path) == LatentsFacts(20_000, 3, 2, file_sha256(path))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.ones(8), "not_2d"),
        (np.ones((2, 3, 4)), "not_2d"),
        (np.ones((4, 0)), "not_2d"),
        (np.ones((8, 2), np.int64), "not_float"),
        (np.ones((8, 2), complex), "not_float"),
        (np.ones((1, 4)), "too_short"),
        (np.ones((0, 4)), "too_short"),
    ],
)
def test_arrays_that_are_set_aside(tmp_path, array, reason):
    np.save(tmp_path / "a.npy", array)
    assert inspect_latents(tmp_path / "a.npy").reason == reason


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was run",))


def test_files_that_are_set_aside(tmp_path):
    path = tmp_path / "a.npy"
    assert inspect_latents(path).reason == "missing"
    np.save(path, np.ones((100, 4)))
    path.write_bytes(path.read_bytes()[:-1])
    assert inspect_latents(path).reason == "corrupt"
    np.save(path, np.array([[_Bomb()]]), allow_pickle=True)
    assert inspect_latents(path).reason == "corrupt"
    with open(path, "wb") as file:
        np.savez(file, a=np.ones((4, 4)))
    assert inspect_latents(path).reason == "corrupt"


def set_aside(path, data: bytes) -> str:
    path.write_bytes(data)
    found = inspect_latents(path)
    assert isinstance(found, Exclusion) and found.reason == "corrupt", found
    return found.detail


def test_odd_files_are_told(tmp_path):
    path = tmp_path / "a.npy"
    with open(path, "wb") as file:
        np.save(file, np.ones((60, 3), np.float32))
        np.save(file, np.ones((60, 3), np.float32))
    assert "848 bytes more than the array" in set_aside(path, path.read_bytes())
    np.save(path, np.ones((60, 3), np.float32))
    data = path.read_bytes()
    for header in (b"(60, 3, }", b"(-60, 3)", b"(60, 3.)", b"(60, 'a')", b"(99999, 99)", b"(((((((((((", b"\0" * 8):
        told = set_aside(path, data.replace(b"(60, 3), }", header))
        assert told and "('" not in told, told  # a reason, without the place in the header that Python gives beside it
    assert "Git LFS pointer" in set_aside(path, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "git annex get" in set_aside(path, b"/annex/objects/SHA256E-s848--0.npy\n")


def test_a_link_of_git_annex_to_what_was_not_fetched_is_told(tmp_path):
    path = tmp_path / "a.npy"
    path.symlink_to(".git/annex/objects/Gx/m4/SHA256E-s848--0.npy/SHA256E-s848--0.npy")
    assert inspect_latents(path).reason == "missing" and "git annex get" in inspect_latents(path).detail


def test_edited_headers_and_cuts_at_random(tmp_path):
    path, rng = tmp_path / "a.npy", np.random.default_rng(0)
    latents = rng.normal(size=(60, 3)).astype(np.float32)
    np.save(path, latents)
    whole = path.read_bytes()
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(90, size=rng.integers(1, 4)):
            data[at] = rng.choice(list(b"0123456789()[]{},.:'<>fiuO\n\x00-"))
        path.write_bytes(bytes(data[: rng.integers(len(data))] if rng.random() < 0.1 else data))
        facts = inspect_latents(path)
        if isinstance(facts, LatentsFacts):
            assert facts.n_frames * facts.dim * open_npy(path).dtype.itemsize == latents.nbytes


WHOLE = io.BytesIO()
np.save(WHOLE, np.ones((4, 2), np.float32))


@given(data=st.binary(max_size=200) | st.integers(0, len(WHOLE.getvalue()) - 1).map(lambda n: WHOLE.getvalue()[:n]))
def test_no_bytes_make_it_fail(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "fuzz.npy"
    path.write_bytes(data)
    assert inspect_latents(path).reason == "corrupt"


def test_a_speaker_has_one_name_whatever_its_form(tmp_path):
    index = tmp_path / "index.csv"
    index.write_text("utterance_id,speaker_id,path\na,Zoe\u0301,a.npy\nb,Zo\u00e9,b.npy\n", encoding="utf-8")
    assert {recording.speaker_id for recording in latents_recordings(index)} == {"Zo\u00e9"}
    index.write_text("utterance_id,speaker_id,path\na,1,a.npy\nb,1.0,b.npy\n")
    with pytest.raises(UserError, match=r"speakers '1' and '1\.0', which are one number"):
        latents_recordings(index)


def test_a_pipe_is_set_aside_or_refused_and_not_waited_for(tmp_path):
    pipe = tmp_path / "a.npy"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        assert inspect_latents(path) == Exclusion("missing", NO_REGULAR_FILE)
    with pytest.raises(UserError, match=NO_REGULAR_FILE):
        latents_recordings(pipe)
