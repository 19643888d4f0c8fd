"""The residual quantizer by hand, and against the quantizers of the codecs that it is taken from."""

import numpy as np
import pytest
import torch

from latentdyn.stores.quantizer import Group, Quantizer
from tests.settings import codec_of

from .examples import SMALL_DAC, save_dac

BOOKS = np.array([[[0, 0], [8, 0], [0, 8]], [[0, 0], [1, 0], [0, 1]]], np.float32)


def test_a_frame_by_hand():
    quantizer = Quantizer([Group(BOOKS)])
    frames = np.array([[8.9, 0.1], [0.2, 8.8], [0.1, 0.9]], np.float32)
    codes = quantizer.encode(frames)
    np.testing.assert_array_equal(codes, [[1, 1], [2, 2], [0, 2]])
    np.testing.assert_array_equal(quantizer.decode(codes), [[9, 0], [0, 9], [0, 1]])
    np.testing.assert_array_equal(quantizer.first(1).decode(codes[:, :1]), [[8, 0], [0, 8], [0, 0]])
    assert quantizer.bits_per_frame == 2 * np.log2(3)


def test_frames_that_are_not_finite_have_no_code():
    quantizer = Quantizer([Group(BOOKS)])
    codes = quantizer.encode(np.array([[np.nan, 0], [8, 0]], np.float32))
    np.testing.assert_array_equal(codes, [[-1, -1], [1, 0]])
    np.testing.assert_array_equal(quantizer.decode(codes), [[np.nan, np.nan], [8, 0]])
    assert quantizer.decode(codes[:1]).shape == (1, 2)


def test_its_arrays_are_all_that_it_is():
    rng = np.random.default_rng(0)
    quantizer = Quantizer(
        [
            Group(*(rng.normal(size=shape).astype(np.float32) for shape in ((1, 5, 3), (4, 3), (3, 4)))),
            Group(*(rng.normal(size=shape).astype(np.float32) for shape in ((3, 5, 2), (4, 2), (2, 4)))),
        ]
    )
    again, frames = Quantizer.of(quantizer.arrays()), rng.normal(size=(50, 4)).astype(np.float32)
    codes = quantizer.encode(frames)
    np.testing.assert_array_equal(again.encode(frames), codes)
    np.testing.assert_array_equal(again.decode(codes), quantizer.decode(codes))
    for stages in (1, 2, 4):
        fewer = quantizer.first(stages)
        assert fewer.stages == stages
        np.testing.assert_array_equal(fewer.encode(frames), codes[:, :stages])
    for stages in (0, 5):
        with pytest.raises(ValueError, match="of a quantizer of 4"):
            quantizer.first(stages)
    assert Quantizer.of({"mean": np.zeros(3)}).groups == []


def random_codebooks(model):
    """As saved, they hold nothing."""
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith(("codebook.embed", "codebook.embed_sum")):
                buffer.normal_()
    return model


@pytest.mark.parametrize("stages", [1, 2])
def test_mimi_and_encodec_are_quantized_as_their_own_models_do(mimi_folder, encodec_folder, tmp_path, stages):
    from transformers import EncodecModel, MimiModel

    frames = np.random.default_rng(0).normal(size=(40, 32)).astype(np.float32)
    for kind, model_class, folder in [("mimi", MimiModel, mimi_folder), ("encodec", EncodecModel, encodec_folder)]:
        model = random_codebooks(model_class.from_pretrained(folder)).eval()
        model.save_pretrained(tmp_path / kind)
        codec = codec_of(kind, checkpoint=str(tmp_path / kind))
        quantizer = codec.quantizer().first(stages)
        x = torch.from_numpy(frames[:, : codec.dim].copy()).T[None]
        with torch.inference_mode():
            if kind == "mimi":
                codes = model.quantizer.encode(x, stages)
                dequantized = model.quantizer.decode(codes.transpose(0, 1))
            else:
                codes = model.quantizer.encode(x)[:stages]
                dequantized = model.quantizer.decode(codes)
        mine = quantizer.encode(frames[:, : codec.dim])
        np.testing.assert_array_equal(mine, codes[:, 0].T.numpy())
        np.testing.assert_allclose(quantizer.decode(mine), dequantized[0].T.numpy(), atol=1e-5)


@pytest.mark.parametrize("stages", [1, 2, 5])
def test_dac_is_quantized_as_its_own_model_does(tmp_path, stages):
    """Stages in spaces of their own, each from what the last one left; five of them, of a model with few channels."""
    from transformers import DacModel

    folder = save_dac(tmp_path, **SMALL_DAC | {"n_codebooks": 5, "codebook_dim": 3})
    model = DacModel.from_pretrained(folder).eval()
    codec = codec_of("dac", checkpoint=str(folder))
    frames = np.random.default_rng(0).normal(size=(200, codec.dim)).astype(np.float32)
    with torch.inference_mode():
        dequantized, codes, *_ = model.quantizer(torch.from_numpy(frames).T[None], stages)
    quantizer = Quantizer.of(codec.quantizer().arrays()).first(stages)
    mine = quantizer.encode(frames)
    assert quantizer.bits_per_frame == 4 * stages and len(np.unique(mine)) > 8
    np.testing.assert_array_equal(mine, codes[0].T.numpy())
    np.testing.assert_allclose(quantizer.decode(mine), dequantized[0].T.numpy(), atol=1e-5)


def test_only_the_latent_of_mimi_can_be_quantized(mimi_folder):
    assert codec_of("mimi", checkpoint=str(mimi_folder), frames="before_downsampling").quantizer() is None


@pytest.mark.real_data
@pytest.mark.parametrize("stages", [16, 30, 46])
def test_soundstream_is_quantized_as_lyra_does(real_data, stages):
    from ai_edge_litert.interpreter import Interpreter

    folder = real_data / "lyra-v1.2.0"
    codec = codec_of("soundstream", folder=str(folder))
    frames = codec.encode(np.random.default_rng(0).normal(0, 0.1, (1, 50 * 320)).astype(np.float32))[0]
    lyra = Interpreter(str(folder / "quantizer.tflite"))
    encode, decode = lyra.get_signature_runner("encode"), lyra.get_signature_runner("decode")
    quantizer = codec.quantizer().first(stages)
    codes = quantizer.encode(frames)
    for frame, mine, back in zip(frames, codes, quantizer.decode(codes), strict=True):
        given = encode(input_frames=frame[None, None], num_quantizers=np.int32(stages))["output_0"]
        np.testing.assert_array_equal(given[:stages, 0, 0], mine)
        assert (given[stages:] == -1).all()
        np.testing.assert_allclose(decode(encoding_indices=given)["output_0"][0, 0], back, atol=1e-4)
    assert quantizer.bits_per_frame * codec.frame_rate_hz == stages * 4 * 50
