"""Lhotse's JSONL files: what is an utterance, what is set aside, what is refused by line."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from latentdyn.corpus.lhotse import lhotse_recordings
from latentdyn.corpus.manifest import build_manifest
from latentdyn.corpus.recording import Recording
from latentdyn.errors import UserError


def recording(name: str, *paths: str, kind: str = "file", **more: object) -> dict[str, object]:
    sources = [{"type": kind, "channels": [0], "source": path} for path in paths]
    return {"id": name, "sources": sources, "sampling_rate": 16000, "num_samples": 16000, "duration": 1.0, **more}


def supervision(of: str, speaker: str | None, gender: str | None = None) -> dict[str, object]:
    return {"id": f"{of}-0", "recording_id": of, "start": 0.0, "duration": 1.0, "channel": 0, "speaker": speaker,
            "gender": gender}  # fmt: skip


def written(path: Path, *lines: dict[str, object]) -> Path:
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


RECORDINGS = (
    recording("a", "x/a.wav"),
    recording("b", "/d/b.flac"),
    recording("two", "1.wav", "2.wav"),
    recording("pipe", "sox a.wav -t wav - |", kind="command"),
    recording("faster", "x/a.wav", transforms=[{"name": "Speed", "kwargs": {"factor": 1.1}}]),
    recording("nobody", "n.wav"),
    recording("dialogue", "t.wav"),
    recording("guest", "g.wav"),
)
SUPERVISIONS = (
    supervision("a", "ann", "FEMALE"), supervision("a", "ann"), supervision("b", "bob", "m"), supervision("two", "ann"),
    supervision("pipe", "ann"), supervision("faster", "ann"), supervision("nobody", None),
    supervision("dialogue", "ann"), supervision("dialogue", "bob"), supervision("guest", "ann"),
    supervision("guest", None),
)  # fmt: skip


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_recordings_of_one_file_and_one_speaker(tmp_path, suffix):
    files = written(tmp_path / f"r{suffix}", *RECORDINGS), written(tmp_path / f"s{suffix}", *SUPERVISIONS)
    found = lhotse_recordings(*files)
    assert [pair for pair in found if pair[1] is None] == [
        (Recording("a", "ann", "F", "x/a.wav"), None),
        (Recording("b", "bob", "M", "/d/b.flac"), None),
    ]
    assert {r.utterance_id: (e.reason, e.detail) for r, e in found if e} == {
        "two": ("not_one_file", "it has 2 sources (file, file)"),
        "pipe": ("not_one_file", "it has 1 sources (command)"),
        "faster": ("not_one_file", "Lhotse would change its samples (transforms); save the result first"),
        "nobody": ("not_one_speaker", "its supervisions name 0 speakers"),
        "dialogue": ("not_one_speaker", "its supervisions name 2 speakers: ann, bob"),
        "guest": ("not_one_speaker", "its supervisions name ann, and one of them names nobody"),
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"id": 1}], r"no id.*r\.jsonl, line 1"),
        ([recording("a", "a.wav"), recording("a", "b.wav")], r"'a' is in an earlier line already.*line 2"),
        ([{"id": "a", "sources": "x"}], "no list of sources"),
        ([], "lists no recordings"),
        (list(SUPERVISIONS), "no list of sources"),
    ],
)
def test_lines_that_are_refused(tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        lhotse_recordings(written(tmp_path / "r.jsonl", *lines), written(tmp_path / "s.jsonl", *SUPERVISIONS))


def test_files_that_are_refused(tmp_path):
    good = written(tmp_path / "s.jsonl", *SUPERVISIONS)
    with pytest.raises(UserError, match="does not exist"):
        lhotse_recordings(tmp_path / "nowhere.jsonl", good)
    whole = gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in RECORDINGS))
    for name, data in (
        ("a.jsonl", b"{"),
        ("b.jsonl", b"[1]\n"),
        ("c.jsonl", b"\xff\xfe"),
        ("d.jsonl", b"[" * 100_000),
        ("e.jsonl.gz", b"{}"),
        ("f.jsonl.gz", whole[:-20]),
        ("g.jsonl.gz", whole[:30] + b"\0" * 9 + whole[39:]),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=rf"not a whole JSONL.*{name}"):
            lhotse_recordings(tmp_path / name, good)


def test_a_manifest_of_it(tmp_path):
    (tmp_path / "x").mkdir()
    soundfile.write(tmp_path / "x/a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 16000), 16000)
    corpus = {
        "kind": "lhotse",
        "recordings": str(written(tmp_path / "r.jsonl", *RECORDINGS)),
        "supervisions": str(written(tmp_path / "s.jsonl", *SUPERVISIONS)),
        "audio": {"min_duration_s": 0.5, "silence_dbfs": -60.0},
    }
    utterances, excluded = build_manifest(corpus, tmp_path, workers=2)
    assert list(utterances.utterance_id) == ["a"]
    assert dict(zip(excluded.utterance_id, excluded.reason, strict=True)) == {
        "b": "missing", "two": "not_one_file", "pipe": "not_one_file", "faster": "not_one_file",
        "nobody": "not_one_speaker", "dialogue": "not_one_speaker",
        "guest": "not_one_speaker",
    }  # fmt: skip
