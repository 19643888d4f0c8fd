"""From recordings to latents and levels: the meter beside the codec, and what a changed recording does."""

import math
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from latentdyn.codecs import encoding
from latentdyn.codecs.base import frame_count
from latentdyn.codecs.encoding import _batches, encode_recordings, encode_stream
from latentdyn.codecs.tiling import cut
from latentdyn.errors import UserError
from latentdyn.files import file_sha256
from latentdyn.stores.spool import Spool
from tests.settings import codec_of

HOP = 4


class Means:
    """A codec that one can compute by hand: a frame is its hop's mean, and a tile is two frames."""

    sample_rate_hz, hop_samples, dim, causal, start_look_ahead_frames = 1000, HOP, 1, True, 0
    frame_rate_hz = 250.0

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for tile in cut(blocks, 2 * HOP, HOP):
            yield tile.reshape(-1, HOP).mean(axis=1, keepdims=True)


def encoded(codec, blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    latents, levels = zip(*encode_stream(codec, iter(blocks)), strict=True)
    return np.concatenate(latents), np.concatenate(levels)


def test_latents_and_levels_by_hand():
    audio = np.array([0.5, -0.5, 0.5, -0.5, 0, 0, 0, 0, 1, 1, 1, 1, 0.1, 0.1], np.float32)
    latents, levels = encoded(Means(), [audio])
    # the padded end counts for the codec (0.2 / 4), not for the level (its two samples have power 0.01)
    assert latents[:, 0] == pytest.approx([0, 0, 1, 0.05])
    assert levels == pytest.approx([20 * math.log10(0.5), -120, 0, -20], abs=1e-5)
    assert levels.dtype == np.float32


def test_a_level_is_never_below_the_floor():
    assert encoded(Means(), [np.full(HOP, 1e-9, np.float32)])[1].tolist() == [-120]


@pytest.mark.parametrize("size", [1, 2, 3, HOP, 5, 7, 2 * HOP, 9, 1000])
def test_the_size_of_the_blocks_does_not_matter(size: int, noise: Callable[..., np.ndarray]):
    audio = noise("level", 103)
    expected = encoded(Means(), [audio])
    found = encoded(Means(), [audio[i : i + size] for i in range(0, len(audio), size)])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(found[0]) == len(found[1]) == frame_count(103, HOP)


def test_empty_blocks_do_not_matter(noise: Callable[..., np.ndarray]):
    audio, nothing = noise("level", 10), np.empty(0, np.float32)
    found = encoded(Means(), [nothing, audio[:3], nothing, nothing, audio[3:], nothing])
    np.testing.assert_array_equal(found[1], encoded(Means(), [audio])[1])


def test_pieces_carry_the_levels_of_their_own_frames(noise: Callable[..., np.ndarray]):
    audio = noise("level", 10 * HOP)
    pieces = list(encode_stream(Means(), iter([audio])))
    assert [len(latents) for latents, _ in pieces] == [2] * 5
    for i, (_, levels) in enumerate(pieces):
        hops = audio.reshape(-1, HOP)[2 * i : 2 * i + 2].astype(np.float64)
        np.testing.assert_allclose(levels, 10 * np.log10((hops**2).mean(axis=1)), rtol=1e-5)


def test_a_codec_that_runs_ahead_of_its_audio_is_found_out():
    class Prophet(Means):
        def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            for _ in blocks:
                yield np.zeros((3, 1), np.float32)

    with pytest.raises(ValueError, match="3 frames after 2 hops"):
        list(encode_stream(Prophet(), iter([np.zeros(2 * HOP, np.float32)])))


# ------------------------------------------------------------------------------------------ whole recordings

CODEC = codec_of("logmel", n_mels=16)


@pytest.fixture
def corpus(tmp_path: Path, noise: Callable[..., np.ndarray]) -> tuple[pd.DataFrame, Path]:
    """Three recordings, at two rates, and their part of the manifest."""
    rows = []
    for name, rate, n in (("a", 16_000, 16_000), ("b", 24_000, 30_001), ("c", 16_000, 20_479)):
        soundfile.write(tmp_path / f"{name}.wav", noise(name, n), rate, subtype="FLOAT")
        rows.append({"utterance_id": name, "path": f"{name}.wav", "n_samples": n, "sample_rate_hz": rate,
                     "sha256": file_sha256(tmp_path / f"{name}.wav")})  # fmt: skip
    return pd.DataFrame(rows), tmp_path


def contents(spool: Spool) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {name: (latents.copy(), levels.copy()) for name, latents, levels in spool.read(sorted(spool.done))}


def test_every_recording_ends_in_the_spool_at_the_codecs_rate(corpus: tuple[pd.DataFrame, Path], tmp_path: Path):
    part, audio = corpus
    spool = Spool(tmp_path / "spool", CODEC.dim)
    encode_recordings(part, audio, CODEC, spool)
    found = contents(spool)
    assert list(found) == ["a", "b", "c"]
    assert [len(latents) for latents, _ in found.values()] == [13, 16, 16]  # 1, 1.25 and 1.28 s at 12.5 Hz, rounded up
    direct = soundfile.read(audio / "a.wav", dtype="float32")[0]
    padded = np.pad(direct, (0, 13 * 1280 - len(direct)))
    np.testing.assert_allclose(found["a"][0], CODEC.encode(padded[None])[0], atol=1e-4)


@pytest.mark.parametrize("batch_s", [0.5, 2.4, 2.6, 1000.0])
def test_a_batch_gives_what_single_recordings_give(corpus: tuple[pd.DataFrame, Path], tmp_path: Path, batch_s: float):
    part, audio = corpus
    single, batched = (Spool(tmp_path / name, CODEC.dim) for name in ("single", "batched"))
    encode_recordings(part, audio, CODEC, single)
    encode_recordings(part, audio, CODEC, batched, batch_s)
    expected, found = contents(single), contents(batched)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name][0], expected[name][0], atol=1e-5)
        np.testing.assert_array_equal(found[name][1], expected[name][1])


def test_batches_are_of_like_length_and_no_longer_than_asked_for():
    part = pd.DataFrame({"utterance_id": list("abcdef"), "duration_s": [5.0, 1.0, 90.0, 1.2, 4.0, 2.0]})
    batches = [[row.utterance_id for row in batch] for batch in _batches(part, 4.0)]
    assert batches == [["b", "d"], ["f"], ["e"], ["a"], ["c"]]
    assert [len(batch) for batch in _batches(part, 1000.0)] == [5, 1]  # a long recording is streamed, by itself


def test_the_next_recordings_are_fetched_while_one_is_encoded(monkeypatch: pytest.MonkeyPatch):
    part = pd.DataFrame({"utterance_id": range(20), "path": [f"{i}.wav" for i in range(20)]})
    fetched: list[str] = []
    monkeypatch.setattr(encoding, "_fetch", lambda path: fetched.append(path.name))
    for i, row in enumerate(encoding._fetched(part, Path("audio"))):
        assert row.utterance_id == i
        assert fetched == part["path"].tolist()[: i + 1 + 8]
    assert i == 19


def test_what_cannot_be_fetched_holds_nobody_up(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")  # nobody writes into it
    fetching = threading.Thread(
        target=lambda: [encoding._fetch(tmp_path / name) for name in ("pipe", "missing", ".")], daemon=True
    )
    fetching.start()
    fetching.join(timeout=60)
    assert not fetching.is_alive()


def test_what_is_finished_is_not_encoded_again(corpus: tuple[pd.DataFrame, Path], tmp_path: Path):
    part, audio = corpus
    whole = Spool(tmp_path / "whole", CODEC.dim)
    encode_recordings(part, audio, CODEC, whole)
    halves = Spool(tmp_path / "halves", CODEC.dim)
    encode_recordings(part.iloc[:2], audio, CODEC, halves)
    halves.close()
    (audio / "a.wav").unlink()  # it would be missed
    halves = Spool(tmp_path / "halves", CODEC.dim)
    encode_recordings(part, audio, CODEC, halves)
    for name, expected in contents(whole).items():
        for a, b in zip(contents(halves)[name], expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_recording_that_changed_since_the_manifest_is_refused(corpus: tuple[pd.DataFrame, Path], tmp_path: Path):
    part, audio = corpus
    spool = Spool(tmp_path / "spool", CODEC.dim)
    part.loc[1, "n_samples"] *= 2
    with pytest.raises(UserError, match=r"gave 16 frames where its length in the manifest makes 31.*b\.wav"):
        encode_recordings(part, audio, CODEC, spool)
    assert "a" in spool.done and "c" not in spool.done
    data = bytearray((audio / "b.wav").read_bytes())
    data[-2] ^= 1
    (audio / "b.wav").write_bytes(data)
    with pytest.raises(UserError, match=r"changed since the manifest was built.*b\.wav"):
        encode_recordings(part, audio, CODEC, spool)


def test_a_recording_that_disappeared_is_told(corpus: tuple[pd.DataFrame, Path], tmp_path: Path):
    part, audio = corpus
    (audio / "c.wav").unlink()
    with pytest.raises(UserError, match=r"c\.wav"):
        encode_recordings(part, audio, CODEC, Spool(tmp_path / "spool", CODEC.dim))


@pytest.mark.parametrize("batch_s", [0.0, 1.1])  # in batches, long ones are encoded by themselves
def test_ctrl_c_ends_a_long_recording_at_once_and_keeps_what_is_finished(
    corpus: tuple[pd.DataFrame, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_s: float
):
    part, audio = corpus
    begun, committed = 0, []

    class Interrupted(Means):
        sample_rate_hz, frame_rate_hz = 16_000, 4000.0

        def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            nonlocal begun
            begun += 1
            for tile in super().stream(blocks):
                yield tile
                if begun == 2:
                    committed.append((tmp_path / "spool/ledger.jsonl").read_text().count("\n"))
                    signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(encoding, "_SHORT_S", 1.1)  # "a" is short, "b" is long
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    spool = Spool(tmp_path / "spool", 1)
    try:
        with pytest.raises(KeyboardInterrupt):
            encode_recordings(part, audio, Interrupted(), spool, batch_s)
    finally:
        signal.signal(signal.SIGINT, before)
    assert begun == 2 and committed == [1]  # after a tile of "b"
    spool.close()
    assert Spool(tmp_path / "spool", 1).done == {"a"}


def test_a_recording_of_no_sample_at_the_codecs_rate_has_no_frame(tmp_path: Path):
    rows = []
    for i, n in enumerate([1, 48_000]):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, np.full(n, 0.1), 48_000)
        rows.append({"utterance_id": str(i), "path": path.name, "n_samples": n, "sample_rate_hz": 48_000,
                     "sha256": file_sha256(path)})  # fmt: skip
    for batch_s in (0.0, 10.0):
        spool = Spool(tmp_path / f"spool{batch_s}", CODEC.dim)
        encode_recordings(pd.DataFrame(rows), tmp_path, CODEC, spool, batch_s)
        assert [len(latents) for latents, _ in contents(spool).values()] == [0, 13]


def test_the_bar_is_full_at_the_end_whatever_the_order(tmp_path: Path, noise: Callable[..., np.ndarray]):
    rows = []
    for name, n in (("a", 4800), ("b", 3200), ("c", 1600)):  # 0.3 + 0.2 + 0.1 s are less than 0.1 + 0.2 + 0.3 s
        soundfile.write(tmp_path / f"{name}.wav", noise(name, n), 16_000)
        rows.append({"utterance_id": name, "path": f"{name}.wav", "n_samples": n, "sample_rate_hz": 16_000,
                     "sha256": file_sha256(tmp_path / f"{name}.wav")})  # fmt: skip
    spool = Spool(tmp_path / "spool", CODEC.dim)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_recordings(pd.DataFrame(rows), tmp_path, CODEC, spool, batch_s=10.0)
