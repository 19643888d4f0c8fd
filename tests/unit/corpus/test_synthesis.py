"""The demo corpus: voices, alignment, determinism, and the folder it is written to."""

import itertools
import json
import re
import shutil
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from latentdyn.corpus import synthesis
from latentdyn.corpus.folder import demo_recordings
from latentdyn.corpus.sentences import SENTENCES
from latentdyn.corpus.synthesis import SAMPLE_RATE_HZ, Utterance, Voice, recite, voices, write_corpus
from latentdyn.errors import UserError
from latentdyn.files import read_json


def words_of(sentence: str) -> list[str]:
    return re.findall(r"[A-Za-z']+", sentence)


# -------------------------------------------------------------------------------------------------- sentences


def test_sentences_are_many_and_as_promised():
    assert len(SENTENCES) >= 60
    assert len(set(SENTENCES)) == len(SENTENCES)
    for sentence in SENTENCES:
        assert 5 <= len(words_of(sentence)) <= 14, sentence
        assert re.fullmatch(r"[A-Z][A-Za-z', ]+[.?!]", sentence), sentence
    assert {sentence[-1] for sentence in SENTENCES} == set(".?!")


# ----------------------------------------------------------------------------------------------------- voices


def test_voices_extend_and_are_balanced():
    everyone = voices(48)
    for n in range(1, 49):
        assert voices(n) == everyone[:n]
        assert abs(sum(1 if voice.sex == "F" else -1 for voice in voices(n))) == n % 2
    assert [voice.speaker_id for voice in everyone[:4]] == ["f01", "m01", "f02", "m02"]
    assert len({voice.speaker_id for voice in everyone}) == 48
    assert len({voice.voice for voice in everyone}) == 48


@pytest.mark.parametrize("n", [-1, 0, 49])
def test_voices_out_of_range(n):
    with pytest.raises(UserError, match="ask for 1 to 48"):
        voices(n)


def fundamental_hz(samples: np.ndarray) -> float:
    """Median over the voiced frames of the lag (70 to 400 Hz) at which the autocorrelation peaks."""
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(float), 1024)[::512]
    frames = frames - frames.mean(axis=1, keepdims=True)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, 2048)) ** 2)[:, :512]
    low, high = SAMPLE_RATE_HZ // 400, SAMPLE_RATE_HZ // 70
    peak = correlation[:, low:high].argmax(axis=1) + low
    voiced = correlation[np.arange(len(peak)), peak] > 0.6 * correlation[:, 0].clip(min=1)
    return SAMPLE_RATE_HZ / float(np.median(peak[voiced]))


def test_every_voice_sounds_different_and_like_its_sex():
    sounds, pitch = set(), {"F": [], "M": []}
    for voice in voices(24):
        (utterance,) = recite(voice, [SENTENCES[0]])
        sounds.add(utterance.samples.tobytes())
        pitch[voice.sex].append(fundamental_hz(utterance.samples))
    assert len(sounds) == 24
    assert max(pitch["M"]) < min(pitch["F"])


def test_pitch_and_rate_are_heard():
    def speak(pitch: int, rate_wpm: int) -> Utterance:
        return recite(Voice("m01", "M", "en+m3", pitch, rate_wpm), [SENTENCES[0]])[0]

    plain, higher, faster = speak(50, 150), speak(75, 150), speak(50, 300)
    assert fundamental_hz(higher.samples) > 1.15 * fundamental_hz(plain.samples)
    assert len(faster.samples) < 0.65 * len(plain.samples)


# -------------------------------------------------------------------------------------------------- alignment


@pytest.fixture(scope="module", params=voices(14), ids=lambda voice: voice.voice)  # every accent twice
def recital(request) -> list[Utterance]:
    return recite(request.param, SENTENCES)


def test_words_are_those_of_the_sentence(recital):
    for sentence, utterance in zip(SENTENCES, recital, strict=True):
        assert [word.label for word in utterance.words] == words_of(sentence)


def test_intervals_follow_each_other_inside_the_clip(recital):
    for utterance in recital:
        assert utterance.samples.dtype == np.int16 and utterance.samples.ndim == 1
        duration = len(utterance.samples) / utterance.sample_rate_hz
        for intervals in (utterance.words, utterance.phonemes):
            bounds = [0.0, *(bound for interval in intervals for bound in interval[:2]), duration]
            assert bounds == sorted(bounds)
            assert all(start < end for start, end, _ in intervals)
            assert all(label and not set(label) & set("ˈˌ\ufffd") for _, _, label in intervals)


def test_phonemes_cover_each_word_and_nothing_else(recital):
    for utterance in recital:
        covered = 0
        for start, end, label in utterance.words:
            inside = [phoneme for phoneme in utterance.phonemes if start <= phoneme.start_s < end]
            assert inside[0].start_s == start and inside[-1].end_s == end, label
            assert all(one.end_s == next_.start_s for one, next_ in itertools.pairwise(inside)), label
            covered += len(inside)
        assert covered == len(utterance.phonemes)


def test_speech_is_where_the_words_are(recital):
    """Energy inside the words far exceeds that of the pauses between and after them."""
    inside, outside = [], []
    for utterance in recital:
        is_word = np.zeros(len(utterance.samples), dtype=bool)
        for start, end, _ in utterance.words:
            is_word[round(start * SAMPLE_RATE_HZ) : round(end * SAMPLE_RATE_HZ)] = True
        power = utterance.samples.astype(float) ** 2
        inside.append(power[is_word].mean())
        outside.append(power[~is_word].mean())
    assert np.mean(inside) > 100 * np.mean(outside)


def test_known_phonemes():
    (utterance,) = recite(voices(1)[0], ["Three fish sing."])
    by_word = [
        [phoneme.label for phoneme in utterance.phonemes if start <= phoneme.start_s < end]
        for start, end, _ in utterance.words
    ]
    assert by_word == [["θ", "ɹ", "iː"], ["f", "ɪ", "ʃ"], ["s", "ɪ", "ŋ"]]


def test_joined_words_numbers_and_hyphens_keep_their_text():
    (utterance,) = recite(voices(1)[0], ["It is on the well-known list of 250 rhymes."])
    labels = [word.label for word in utterance.words]
    assert labels == ["It", "is", "on the", "well-known", "list", "of", "250", "rhymes"]


# ------------------------------------------------------------------------------------------------ determinism


def assert_same(one: Utterance, other: Utterance) -> None:
    np.testing.assert_array_equal(one.samples, other.samples)
    assert (one.words, one.phonemes) == (other.words, other.phonemes)


@pytest.mark.parametrize("voice", [voices(10)[8], voices(8)[7]], ids=lambda voice: voice.voice)
def test_recital_repeats_and_extends(voice):
    """Also for +f5, the voice with the most breath noise."""
    first = recite(voice, SENTENCES[:3])
    recite(voices(2)[1], SENTENCES[:1])  # another speaker in between leaves no trace
    again = recite(voice, SENTENCES[:5])
    for one, other in zip(first, again[:3], strict=True):
        assert_same(one, other)


# -------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("name", ["tlh-nowhere", "en+nobody", "en+../f1x"])
def test_unknown_voice(name):
    with pytest.raises(UserError, match=f"no voice '{re.escape(name)}'.*f01"):
        recite(Voice("f01", "F", name, 50, 170), ["Hello."])


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)  # makes its import fail
    with pytest.raises(UserError, match=r"cannot be loaded.*espeakng-loader"):
        synthesis._load_library()


def test_library_that_does_not_load(monkeypatch, tmp_path):
    import espeakng_loader

    broken = tmp_path / "libespeak-ng.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: str(broken))
    with pytest.raises(UserError, match=r"cannot be loaded.*espeakng-loader"):
        synthesis._load_library()


def speak_with_data_in(folder: Path) -> str:
    """The first word spoken with the data in `folder`, or what went wrong; in a process of its own."""
    program = f"""
import espeakng_loader
espeakng_loader.get_data_path = lambda: {str(folder)!r}
from latentdyn.corpus.synthesis import _recite_here, voices
print(_recite_here(voices(1)[0], ["Hello."])[0].words[0].label)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    return done.stdout.strip() or done.stderr


def test_data_folder_deeper_than_espeak_can_open(tmp_path):
    import espeakng_loader

    deep = tmp_path.joinpath("d" * 100, "e" * 100, "espeak-ng-data")
    deep.parent.mkdir(parents=True)
    deep.symlink_to(espeakng_loader.get_data_path(), target_is_directory=True)
    assert speak_with_data_in(deep) == "Hello"


def test_data_folder_without_data(tmp_path):
    empty = tmp_path / "espeak-ng-data"
    empty.mkdir()
    assert "UserError: espeak-ng does not start from its data" in speak_with_data_in(empty)


# ------------------------------------------------------------------------------------------------- the corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("demo")
    write_corpus(root / "audio", root / "demo.json", n_speakers=4, sentences_per_speaker=3)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_corpus_files_agree(corpus):
    audio = corpus / "audio"
    speakers = pd.read_csv(audio / "speakers.csv")
    assert [Voice(**row) for row in speakers.to_dict("records")] == voices(4)

    sentences = pd.read_csv(audio / "sentences.csv")
    assert list(sentences.columns) == ["utterance_id", "text"]
    waves = sorted(path.relative_to(audio).as_posix() for path in audio.rglob("*.wav"))
    listed = {recording.utterance_id: recording.path for recording in demo_recordings(audio)}
    assert waves == sorted(listed[name] for name in sentences.utterance_id), "names are those of the manifest"
    assert sentences.utterance_id.iloc[0] == "f01-f01-000" and len(sentences) == 12
    assert not sentences.assign(speaker=sentences.utterance_id.str[:3]).duplicated(["speaker", "text"]).any()

    seconds = 0.0
    alignments = pd.read_parquet(audio / "alignments.parquet")
    assert list(alignments.columns) == ["utterance_id", "tier", "start_s", "end_s", "label"]
    for row in sentences.itertuples():
        with wave.open(str(audio / listed[row.utterance_id])) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
            duration = file.getnframes() / 22050
        seconds += duration
        of_utterance = alignments[alignments.utterance_id == row.utterance_id]
        assert of_utterance[of_utterance.tier == "word"].label.tolist() == words_of(row.text)
        assert of_utterance.end_s.max() <= duration
    assert set(alignments.tier) == {"word", "phoneme"}

    handle = read_json(corpus / "demo.json", made_by="synthesize_demo")
    assert handle == {
        "schema_version": 1,
        "n_speakers": 4,
        "n_utterances": 12,
        "seconds": round(seconds, 3),
        "digest": handle["digest"],
    }
    assert re.fullmatch("[0-9a-f]{64}", handle["digest"])


def test_wave_holds_the_samples_over_a_room_tone(corpus):
    texts = pd.read_csv(corpus / "audio" / "sentences.csv").text.head(3).tolist()
    for i, utterance in enumerate(recite(voices(1)[0], texts)):
        with wave.open(str(corpus / "audio" / "f01" / f"f01-{i:03d}.wav")) as file:
            tone = np.frombuffer(file.readframes(10**8), "<i2") - utterance.samples.astype(np.float64)
        assert 20 * np.log10(tone.std() / 2**15) == pytest.approx(-60, abs=0.5)
        assert abs(tone.mean()) < 1


def test_step_repeats_byte_for_byte_and_replaces(corpus, tmp_path):
    def run(n_speakers: int) -> subprocess.CompletedProcess[str]:
        arguments = ["--n-speakers", str(n_speakers), "--sentences-per-speaker", "3"]
        arguments += ["--out", str(tmp_path / "audio"), "--handle", str(tmp_path / "demo.json")]
        command = [sys.executable, "-m", "latentdyn.steps.synthesize_demo", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    smaller = run(2)
    assert smaller.returncode == 0, smaller.stderr
    assert "2 speakers, 6 utterances" in smaller.stderr
    kept = {name: data for name, data in contents(corpus / "audio").items() if name[:3] in ("f01", "m01")}
    assert contents(tmp_path / "audio").items() >= kept.items()

    assert run(4).returncode == 0
    assert contents(tmp_path / "audio") == contents(corpus / "audio")
    assert (tmp_path / "demo.json").read_bytes() == (corpus / "demo.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audio", "demo.json"]

    refused = run(49)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ") and "Traceback" not in refused.stderr
    assert contents(tmp_path / "audio") == contents(corpus / "audio")


@pytest.mark.parametrize("change", ["edit", "rename", "remove"])
def test_digest_covers_names_and_contents(corpus, tmp_path, change):
    copy = shutil.copytree(corpus / "audio", tmp_path / "audio")
    assert synthesis._folder_sha256(copy) == json.loads((corpus / "demo.json").read_text())["digest"]
    target = copy / "m02" / "m02-001.wav"
    if change == "edit":
        target.write_bytes(target.read_bytes()[:-1] + b"\x7f")
    elif change == "rename":
        target.rename(target.with_name("m02-009.wav"))
    else:
        target.unlink()
    assert synthesis._folder_sha256(copy) != json.loads((corpus / "demo.json").read_text())["digest"]


def test_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(voice, texts):
        if voice.speaker_id == "m01":
            raise KeyboardInterrupt
        return recite(voice, texts)

    monkeypatch.setattr(synthesis, "recite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_corpus(tmp_path / "audio", tmp_path / "demo.json", n_speakers=2, sentences_per_speaker=1)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_run_are_swept(tmp_path):
    (tmp_path / ".audio.partial" / "f01").mkdir(parents=True)
    (tmp_path / ".audio.partial" / "f01" / "f01-099.wav").write_bytes(b"half")
    write_corpus(tmp_path / "audio", tmp_path / "demo.json", n_speakers=1, sentences_per_speaker=1)
    assert [path.name for path in (tmp_path / "audio").rglob("*.wav")] == ["f01-000.wav"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audio", "demo.json"]


def test_something_else_is_not_overwritten(tmp_path):
    precious = tmp_path / "audio" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(UserError, match="not a demo corpus"):
        write_corpus(tmp_path / "audio", tmp_path / "demo.json", n_speakers=1, sentences_per_speaker=1)
    assert precious.read_text() == "years of work"


@pytest.mark.parametrize("count", [0, len(SENTENCES) + 1])
def test_sentences_out_of_range(tmp_path, count):
    with pytest.raises(UserError, match=f"ask for 1 to {len(SENTENCES)}"):
        write_corpus(tmp_path / "audio", tmp_path / "demo.json", n_speakers=1, sentences_per_speaker=count)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_step_leaves_no_process_behind(tmp_path):
    command = [sys.executable, "-m", "latentdyn.steps.synthesize_demo", "--n-speakers", "48"]
    command += ["--sentences-per-speaker", "60", "--out", str(tmp_path / "o"), "--handle", str(tmp_path / "h.json")]
    step = psutil.Popen(command, stderr=subprocess.DEVNULL)

    deadline = time.monotonic() + 60
    while len(children := step.children(recursive=True)) < 3:  # two of multiprocessing's own, and one that speaks
        assert step.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    step.kill()
    step.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
