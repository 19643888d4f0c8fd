"""What is read is all of the sound, or the file is set aside. The reference is libsndfile on files as written."""

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from latentdyn.corpus.audio import AudioFacts, inspect_audio, read_audio
from latentdyn.corpus.recording import Exclusion

RATE = 16000
SIGNAL = np.random.default_rng(0).uniform(-0.5, 0.5, (6001, 2))


def written(container: str, subtype: str | None = None, channels: int = 1, endian: str = "FILE") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, SIGNAL[:, :channels], RATE, subtype, endian, container)
    return file.getvalue()


def without_first_frame(mp3: bytes) -> bytes:
    return mp3[mp3.index(mp3[:2], 4) :]


def decoded(data: bytes) -> np.ndarray:
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].mean(axis=1)


def inspect(path: Path, data: bytes) -> AudioFacts | Exclusion:
    path.write_bytes(data)
    return inspect_audio(path, min_duration_s=0.01, silence_dbfs=-90)


def samples(path: Path, data: bytes) -> np.ndarray:
    facts = inspect(path, data)
    assert isinstance(facts, AudioFacts), facts
    read = read_audio(path, RATE)
    assert facts.n_samples == len(read)
    return read


def problem(path: Path, data: bytes) -> str:
    found = inspect(path, data)
    assert isinstance(found, Exclusion), found
    assert found.reason == "corrupt"
    return found.detail


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("container", "subtypes"),
    [
        ("WAV", "PCM_U8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW IMA_ADPCM MS_ADPCM"),
        ("WAVEX", "PCM_U8 PCM_16 PCM_24 FLOAT ULAW"),
        ("RF64", "PCM_16 PCM_24 FLOAT"),
        ("W64", "PCM_16 PCM_24 DOUBLE"),
        ("AIFF", "PCM_S8 PCM_U8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW"),
        ("AU", "PCM_S8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW"),
        ("NIST", "PCM_S8 PCM_16 PCM_24 PCM_32 ULAW ALAW"),
        ("FLAC", "PCM_S8 PCM_16 PCM_24"),
        ("OGG", "VORBIS OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_whole_files_are_read_as_libsndfile_reads_them(tmp_path, container, subtypes, channels):
    for subtype in subtypes.split():
        for endian in ("FILE", "LITTLE", "BIG"):
            try:
                data = written(container, subtype, channels, endian)
            except (ValueError, soundfile.LibsndfileError):
                assert endian != "FILE"
                continue  # there is no such byte order
            read = samples(tmp_path / "a.wav", data)  # whatever the suffix
            tolerance = 2e-7 if container == "MP3" else 0  # libmpg123 rounds otherwise after a seek
            np.testing.assert_allclose(read, decoded(data), rtol=0, atol=tolerance, err_msg=f"{subtype} {endian}")


def edited(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


WAV = written("WAV", "PCM_16")
LENGTH_AT = WAV.index(b"data") + 4


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("length", [0, 0x7FFFF000, 0x7FFFFFDB, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF])
def test_wav_headers_of_pipes_are_read_to_the_end(tmp_path, subtype, length):
    data = written("WAV", subtype, 2)
    streamed = edited(data, data.index(b"data") + 4, struct.pack("<I", length))
    np.testing.assert_array_equal(samples(tmp_path / "a.wav", streamed), decoded(data))


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def test_other_chunks_of_any_size_before_and_after_the_samples(tmp_path):
    path = tmp_path / "a.wav"
    at = LENGTH_AT - 4
    for other in (chunk(b"LIST", b"abc"), chunk(b"JUNK", bytes(200_001)), chunk(b"id3 ", b"\xff" * 5)):
        np.testing.assert_array_equal(samples(path, WAV[:at] + other + WAV[at:]), decoded(WAV))
        np.testing.assert_array_equal(samples(path, WAV + other + other), decoded(WAV))
        assert "2 bytes more than the file has" in problem(path, WAV[:at] + other + WAV[at:-2])
    odd = written("WAV", "PCM_U8")  # 6001 bytes of samples and one of padding
    np.testing.assert_array_equal(samples(path, odd.rstrip(b"\0")), decoded(odd))
    np.testing.assert_array_equal(samples(path, odd + chunk(b"LIST", b"ab")), decoded(odd))
    assert inspect(path, edited(WAV[:LENGTH_AT], 0, b"RIFF") + bytes(4) + chunk(b"LIST", b"ab")).reason == "empty"


@pytest.mark.parametrize(
    "more",
    [WAV, b"\0" * 100, b"\x12\x34" * 1000, chunk(b"data", b"abcd"), b"TAG" + bytes(125)],
    ids=["joined", "zeros", "noise", "second data", "tag"],
)
def test_a_wav_that_holds_more_than_its_header_says(tmp_path, more):
    assert "holds more than its header says" in problem(tmp_path / "a.wav", WAV + more)


def test_a_length_that_is_too_small(tmp_path):
    assert "holds more" in problem(tmp_path / "a.wav", edited(WAV, LENGTH_AT, struct.pack("<I", 4000)))
    flac = written("FLAC")
    length = int.from_bytes(flac[18:26], "big")
    shorter = edited(flac, 18, (length - 2000).to_bytes(8, "big"))
    assert "6001 samples, and it states 4001" in problem(tmp_path / "a.wav", shorter)
    longer = edited(flac, 18, (length + 9).to_bytes(8, "big"))
    assert "promises 6010 samples, 6001 can be decoded" in problem(tmp_path / "a.wav", longer)
    unknown = edited(flac, 18, (length >> 36 << 36).to_bytes(8, "big"))
    np.testing.assert_array_equal(samples(tmp_path / "a.flac", unknown), decoded(flac))


@pytest.mark.parametrize("at", [20, 22, 23, 24, 26, 28, 32, 34, 35])
def test_a_wav_header_that_contradicts_itself(tmp_path, at):
    assert problem(tmp_path / "a.wav", edited(WAV, at, bytes([WAV[at] ^ 2])))


@pytest.mark.parametrize("container", ["WAV", "NIST", "RF64", "AIFF", "AU", "W64", "FLAC", "MP3", "OGG"])
def test_half_a_file_and_two_files(tmp_path, container):
    data = written(container)
    problem(tmp_path / "a.wav", data[: len(data) // 2])
    problem(tmp_path / "a.wav", data + data)


@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_that_states_no_length(tmp_path, channels):
    mp3 = written("MP3", None, channels)
    bare = without_first_frame(mp3)
    read = samples(tmp_path / "a.mp3", bare)
    assert len(read) % 576 == 0
    assert len(SIGNAL) <= len(read) <= len(SIGNAL) + 4 * 576
    libsndfile = decoded(bare)  # estimates less
    assert len(libsndfile) < len(read)
    np.testing.assert_allclose(read[: len(libsndfile)], libsndfile, atol=2e-7)
    twice = samples(tmp_path / "a.mp3", bare + bare)
    assert len(twice) == 2 * len(read)
    assert "breaks off" in problem(tmp_path / "a.mp3", bare[:-1])


def test_tags_before_and_after(tmp_path):
    before = b"ID3\x04\0\0\0\0\x02\x01" + bytes(257)
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 40, 0, 0) + bytes(8)
    for container in ("MP3", "FLAC"):
        data = written(container)
        plain = samples(tmp_path / "a", data)
        for tagged in (before + data, before + before + data + bytes(8) + ape + b"TAG" + bytes(125)):
            np.testing.assert_array_equal(samples(tmp_path / "a", tagged), plain, err_msg=container)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer.*git lfs pull"),
        (b"/annex/objects/SHA256E-s31390--0.wav\n", "git-annex.*git annex get"),
        (b"\0\0\0\x20ftypM4A " + bytes(99), "MP4 or M4A.*convert"),
        (b"\x1aE\xdf\xa3" + bytes(99), "WebM.*convert"),
        (b"<html>not found</html>", "not audio"),
        (b"RIFF\x10\0\0\0WAVE", "lacks the chunk"),
        (b"NIST_1A\n   1024\nsample_count -i many\nend_head\n", "lacks a number"),
        (written("NIST").replace(b"   1024", b"  -1024", 1), "lacks a number|-1024 bytes of its own"),
        (written("NIST").replace(b"channel_count -i 1", b"channel_count -i 0"), "0 channels"),
        (edited(written("AU"), 4, struct.pack(">II", 8, 0xFFFFFFFF)), "begin within it"),
        (edited(written("AU"), 20, bytes(4)), "0 channels"),
        (written("WAV", "G721_32"), "not read here .format 64, 4 bits"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, data, what):
    assert re.search(what, problem(tmp_path / "a.wav", data))


def test_sphere_with_shorten_names_its_converter(tmp_path):
    data = written("NIST").replace(b"sample_coding -s3 pcm", b"sample_coding -s26 pcm,embedded-shorten-v2.00")
    assert "sph2pipe" in problem(tmp_path / "a.wav", data)


# ---- odd files at random

TRIALS = 60  # of each container
CHECKED = {"FLAC", "VORBIS", "OPUS"}  # every byte of sound is covered by a checksum
HEADERS = {"WAV": 44, "RF64": 80, "W64": 104, "STEREO24": 44, "FLOAT": 44}  # that contradict themselves if edited

FILES: dict[str, bytes] = {
    "WAV": WAV,
    "STEREO24": written("WAV", "PCM_24", 2),
    "FLOAT": written("WAV", "FLOAT"),
    "ALAW": written("WAV", "ALAW"),
    "RF64": written("RF64"),
    "W64": written("W64"),
    "AIFF": written("AIFF"),
    "AU": written("AU"),
    "NIST": written("NIST"),
    "FLAC": written("FLAC"),
    "VORBIS": written("OGG", "VORBIS"),
    "OPUS": written("OGG", "OPUS", 2),
    "MP3": written("MP3"),
}

Rng = np.random.Generator


def cut(data: bytes, rng: Rng) -> bytes:
    return data[: rng.integers(len(data))]


def cut_out(data: bytes, rng: Rng) -> bytes:
    start = int(rng.integers(len(data)))
    return data[:start] + data[start + int(rng.integers(1, 400)) :]


def add(data: bytes, rng: Rng) -> bytes:
    more = [rng.bytes(300), b"\0" * 999, data[:500], data[-500:], chunk(b"LIST", b"x" * 99), b"TAG" + bytes(125)]
    return data + more[rng.integers(len(more))][: int(rng.integers(1, 1000))]


def put_before(data: bytes, rng: Rng) -> bytes:
    return [rng.bytes(10), b"ID3\x04\0\0\0\0\0\x05" + bytes(5), b"\0" * 7][rng.integers(3)] + data


def join(data: bytes, rng: Rng) -> bytes:
    return data + list(FILES.values())[rng.integers(len(FILES))]


MUTATIONS: list[Callable[[bytes, Rng], bytes]] = [cut, cut_out, add, put_before, join]


@pytest.mark.parametrize("name", FILES)
def test_odd_files_are_read_whole_or_set_aside(tmp_path, name):
    rng = np.random.default_rng(list(name.encode()))
    expected = samples(tmp_path / "whole", FILES[name])
    for trial in range(TRIALS):
        mutate = MUTATIONS[trial % len(MUTATIONS)]
        path = tmp_path / f"{trial}.wav"
        facts = inspect(path, mutate(FILES[name], rng))
        if isinstance(facts, AudioFacts):
            assert facts.sample_rate_hz == RATE
            np.testing.assert_array_equal(read_audio(path, RATE), expected, err_msg=f"{mutate.__name__} {trial}")


@pytest.mark.parametrize("name", FILES)
def test_flipped_bits_never_end_in_a_traceback(tmp_path, name):
    data, rng = FILES[name], np.random.default_rng(list(name.encode()))
    expected = samples(tmp_path / "whole", data)
    for trial in range(TRIALS):
        at = int(rng.integers(HEADERS.get(name, 120) if trial % 2 else len(data)))
        path = tmp_path / f"{trial}.wav"
        facts = inspect(path, edited(data, at, bytes([data[at] ^ 1 << rng.integers(8)])))
        if isinstance(facts, AudioFacts):
            read = read_audio(path, facts.sample_rate_hz)
            assert len(read) == facts.n_samples
            assert np.abs(read).max() == np.float32(facts.peak)
            if name in CHECKED or at < HEADERS.get(name, 0):
                assert facts.sample_rate_hz == RATE, at
                np.testing.assert_array_equal(read, expected, err_msg=f"byte {at}")
