"""Quantized frames: what the store says and keeps of them, and what cannot be quantized."""

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.stores.latents import open_latents
from latentdyn.stores.latents_merge import merge_latents
from latentdyn.stores.quantizer import Group, Quantizer

QUANTIZER = Quantizer(
    [Group(np.array([[[0, 0], [8, 0], [0, 8], [8, 8]], [[0, 0], [1, 0], [0, 1], [1, 1]]], np.float32))]
)
FRAMES = {
    ("t-0", "t"): np.array([[8.9, 0.1], [0.2, 8.8], [np.nan, 1], [0.1, 0.9]]),
    ("e-0", "e"): np.array([[9.2, 8.9]]),
}


@pytest.fixture
def source(make_store):
    return make_store(FRAMES, fitted=QUANTIZER.arrays())[0]


def test_frames_codes_and_bits(source, derive):
    store = derive(source, {"kind": "quantized", "source": "s", "dtype": "float32", "stages": 2})
    np.testing.assert_array_equal(store.load(), [[9, 0], [0, 9], [np.nan, np.nan], [0, 1], [9, 9]])
    np.testing.assert_array_equal(store.load_codes(), [[1, 1], [2, 2], [-1, -1], [0, 2], [3, 3]])
    facts = {name: store.handle[name] for name in ("code_bits_per_s", "codewords", "codes")}
    assert facts == {"code_bits_per_s": 2 * 2 * 12.5, "codewords": 4, "codes": 2}
    coarse = derive(source, {"kind": "quantized", "source": "s", "dtype": "float32", "stages": 1}, "coarse")
    np.testing.assert_array_equal(coarse.load()[[0, 1, 4]], [[8, 0], [0, 8], [8, 8]])
    assert coarse.handle["code_bits_per_s"] == 25 and coarse.load_codes().shape == (5, 1)
    assert coarse.handle["digest"] != store.handle["digest"]


def test_a_merged_store_still_carries_its_quantizer(make_store, derive, tmp_path):
    parts = [
        make_store({(f"t-{i}", "t"): np.zeros((3, 2))}, f"part{i}", fitted=QUANTIZER.arrays())[0].path for i in range(2)
    ]
    merge_latents([part.with_suffix(".json") for part in parts], tmp_path / "whole.json")
    fitted = open_latents(tmp_path / "whole.json").fitted()
    np.testing.assert_array_equal(fitted["codebooks_0"], QUANTIZER.groups[0].codebooks)


@pytest.mark.parametrize(
    ("fitted", "stages", "message"),
    [(None, 2, "carries no quantizer"), (QUANTIZER.arrays(), 3, "has 2 stages, not 3.*choose 2 or fewer")],
)
def test_what_cannot_be_quantized_is_told(make_store, derive, fitted, stages, message):
    source = make_store(FRAMES, fitted=fitted)[0]
    with pytest.raises(UserError, match=message):
        derive(source, {"kind": "quantized", "source": "s", "dtype": "float32", "stages": stages})


def test_other_latents_have_no_codes(source):
    with pytest.raises(UserError, match="were not made of codes"):
        source.load_codes()
