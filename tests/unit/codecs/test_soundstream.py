import numpy as np
import pytest
import soundfile
import torch

from latentdyn.codecs.hop_network import OtherGraph
from latentdyn.codecs.tflite_tiles import TileModel
from latentdyn.errors import UserError
from tests.settings import codec_of

HOP = 320


def soundstream_of(folder, **changes):
    return codec_of("soundstream", folder=str(folder), **changes)


@pytest.fixture(scope="module")
def soundstream(real_data):
    return soundstream_of(real_data / "lyra-v1.2.0")


@pytest.fixture(scope="module")
def in_torch(real_data):
    return soundstream_of(real_data / "lyra-v1.2.0", runtime="torch")


@pytest.fixture(scope="module")
def speech(real_data):
    """The first 4 s of three speakers, (3, 64000)."""
    files = sorted((real_data / "LibriSpeech" / "train-clean-100").glob("*/*/*.flac"))
    clips = [soundfile.read(file, frames=64000, dtype="float32")[0] for file in files[:60:20]]
    return np.stack([np.pad(clip, (0, 64000 - len(clip))) for clip in clips])


def test_missing_folder_and_wrong_file_are_told(tmp_path):
    with pytest.raises(UserError, match=r"No such file.*soundstream_encoder\.tflite.*What to do: copy"):
        soundstream_of(tmp_path)
    (tmp_path / "soundstream_encoder.tflite").write_bytes(b"not a model")
    with pytest.raises(UserError, match="not a TFLite model"):
        soundstream_of(tmp_path)
    (tmp_path / "soundstream_encoder.tflite").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UserError, match="git lfs pull"):
        soundstream_of(tmp_path)


@pytest.mark.real_data
def test_files_swapped(real_data, tmp_path):
    source = real_data / "lyra-v1.2.0" / "lyragan.tflite"
    (tmp_path / "soundstream_encoder.tflite").write_bytes(source.read_bytes())
    with pytest.raises(UserError, match="this graph maps"):
        soundstream_of(tmp_path)


@pytest.mark.real_data
def test_a_file_that_is_cut_off(real_data, tmp_path):
    content = (real_data / "lyra-v1.2.0" / "soundstream_encoder.tflite").read_bytes()
    (tmp_path / "soundstream_encoder.tflite").write_bytes(content[:-1000])
    with pytest.raises(UserError, match="not a TFLite model"):
        soundstream_of(tmp_path)


@pytest.mark.real_data
def test_facts_and_documented_spread(soundstream, speech):
    latents = soundstream.encode(speech)
    assert latents.shape == (3, 200, 64) and latents.dtype == np.float32
    assert (soundstream.sample_rate_hz, soundstream.frame_rate_hz) == (16000, 50)
    deviation = latents.reshape(-1, 64).std(axis=0)
    assert deviation.min() > 1.5 and deviation.max() < 15 and 2.5 < np.median(deviation) < 5


@pytest.mark.real_data
def test_no_state_is_left_from_the_last_utterance(soundstream, speech):
    first = soundstream.encode(speech[:1])
    soundstream.encode(speech[1:2])
    np.testing.assert_array_equal(soundstream.encode(speech[:1]), first)


@pytest.mark.real_data
def test_batched_single_and_streamed_are_equal(soundstream, speech, blocks_of, streamed):
    batch = soundstream.encode(speech)
    for clip, row in zip(speech, batch, strict=True):
        np.testing.assert_array_equal(soundstream.encode(clip[None])[0], row)
        np.testing.assert_array_equal(streamed(soundstream, blocks_of(clip, 1000, 7, 9000)), row)
    partial = streamed(soundstream, [speech[0, : 10 * HOP + 1]])
    np.testing.assert_array_equal(partial[:10], batch[0, :10])
    assert len(partial) == 11


@pytest.mark.real_data
def test_tiles_give_every_number_that_the_file_gives_hop_by_hop(soundstream, speech):
    assert isinstance(soundstream._encoding_tiles, TileModel)
    for clip, latents in zip(speech, soundstream.encode(speech), strict=True):
        rows = clip.reshape(-1, HOP)
        reference = soundstream._encoder.open()(rows)
        np.testing.assert_array_equal(latents, reference)
        run = soundstream._encoding_tiles.open()
        pieces = [run(piece) for piece in np.split(rows, [1, 3, 10, 40, 41, 150])]
        np.testing.assert_array_equal(np.concatenate(pieces), reference)


@pytest.mark.real_data
def test_tiles_that_give_other_numbers_are_not_taken(real_data, soundstream, speech, monkeypatch, caplog):
    exact = TileModel.map

    def off_by_a_digit(self, rows, past):
        results, past = exact(self, rows, past)
        return np.nextafter(results, np.float32(np.inf)), past

    monkeypatch.setattr(TileModel, "map", off_by_a_digit)
    hop_by_hop = soundstream_of(real_data / "lyra-v1.2.0")
    found = hop_by_hop.encode(speech[:1])
    assert "soundstream_encoder.tflite: TFLite takes it hop by hop" in caplog.text
    monkeypatch.undo()
    np.testing.assert_array_equal(found, soundstream.encode(speech[:1]))


@pytest.mark.real_data
def test_the_future_moves_no_earlier_frame(soundstream, speech):
    changed = speech[:1].copy()
    changed[:, 100 * HOP :] = 0
    before, after = soundstream.encode(speech[:1])[0], soundstream.encode(changed)[0]
    np.testing.assert_array_equal(before[:100], after[:100])
    assert (before[100] != after[100]).any()


@pytest.mark.real_data
def test_decoding_resembles_the_speech(soundstream, speech):
    mel = codec_of("logmel", hop_samples=320, fft_samples=1024)
    generator = np.random.default_rng(0)
    for clip, latents in zip(speech, soundstream.encode(speech), strict=True):
        decoded = soundstream.decode(latents)
        assert decoded.shape == clip.shape and decoded.dtype == np.float32
        shuffled = soundstream.decode(generator.permutation(latents))
        original = mel.encode(clip[None])
        distance, chance = (np.abs(mel.encode(x[None]) - original).mean() for x in (decoded, shuffled))
        assert distance < 0.5 * chance


@pytest.mark.real_data
def test_torch_encodes_as_tflite_does(soundstream, in_torch, speech, blocks_of, streamed):
    reference = soundstream.encode(speech)
    found = in_torch.encode(speech)
    assert found.shape == reference.shape and found.dtype == np.float32
    assert np.abs(reference).max() > 30 and np.abs(found - reference).max() < 5e-4
    in_torch.tile_frames = 30
    np.testing.assert_allclose(in_torch.encode(speech[1:2])[0], found[1], rtol=0, atol=5e-4)
    pieces = streamed(in_torch, blocks_of(speech[2], 1000, 7, 9000))
    np.testing.assert_allclose(pieces, found[2], rtol=0, atol=5e-4)


@pytest.mark.real_data
def test_torch_decodes_as_tflite_does(soundstream, speech):
    for latents in soundstream.encode(speech):
        reference = soundstream._decoder.open()(latents).reshape(-1)
        assert np.abs(reference).max() > 0.1
        np.testing.assert_allclose(soundstream.decode(latents), reference, rtol=0, atol=1e-5)


@pytest.mark.real_data
def test_a_decoder_that_is_no_known_network_is_run_by_tflite(soundstream, speech, real_data, monkeypatch, caplog):
    def refuse(content, carry):
        raise OtherGraph("it has the operator QUANTIZE")

    monkeypatch.setattr("latentdyn.codecs.soundstream.torch_network", refuse)
    folder = real_data / "lyra-v1.2.0"
    latents, hop_by_hop = soundstream.encode(speech[:1])[0, :60], soundstream_of(folder)
    reference = hop_by_hop._decoder.open()(latents).reshape(-1)
    np.testing.assert_array_equal(hop_by_hop.decode(latents), reference)
    assert "TFLite decodes, hop by hop, because torch cannot: it has the operator QUANTIZE" in caplog.text
    with pytest.raises(UserError, match=r"no gradient leads through this decoder.*QUANTIZE.*lyragan\.tflite"):
        hop_by_hop.decoder_module()
    with pytest.raises(UserError, match=r"torch cannot encode by this file: .*QUANTIZE.*set runtime: tflite"):
        soundstream_of(folder, runtime="torch")


@pytest.mark.real_data
def test_a_network_that_gives_other_numbers_is_not_taken(real_data, monkeypatch):
    from latentdyn.codecs.soundstream import torch_network

    def other(content, carry):
        network = torch_network(content, carry)
        with torch.no_grad():
            network.layers[5].weight *= 1.1
        return network

    monkeypatch.setattr("latentdyn.codecs.soundstream.torch_network", other)
    with pytest.raises(UserError, match="gives other numbers than TFLite"):
        soundstream_of(real_data / "lyra-v1.2.0", runtime="torch")
