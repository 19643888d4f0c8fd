"""What a user may hand over, and what each mistake is called."""

import csv

import numpy as np
import pandas as pd
import pytest
import torch

from latentdyn.certificate.arrays import check_frame_rate, write_index
from latentdyn.errors import UserError

X = np.arange(12, dtype=np.float32).reshape(6, 2)


def written(folder, arrays, speakers):
    """Utterance, speaker and latents as they can be read back."""
    index = write_index(folder, arrays, speakers)
    rows = list(csv.DictReader(index.open()))
    return [(row["utterance_id"], row["speaker_id"], np.load(folder / row["path"])) for row in rows]


@pytest.mark.parametrize(
    ("arrays", "speakers"),
    [
        ([X, X], ["a", "b"]),
        ((x for x in [X, X]), np.array(["a", "b"])),
        (np.stack([X, X]), pd.Series(["a", "b"])),
        (pd.Series([X, X]), ("a", "b")),
        ([X, X], pd.Series(["a", "b"], index=[1, 0])),
        ({0: X, 1: X.tolist()}, {1: "b", "0": "a"}),
        ([np.ma.array(X), torch.from_numpy(X).requires_grad_()], ["a", "b"]),
        ([torch.from_numpy(X).bfloat16(), pd.DataFrame(X)], ["a", "b"]),
    ],
    ids=["list", "generator", "3d", "series", "series beside a list", "dicts", "masked", "bfloat16"],
)
def test_latents_come_in_many_forms(tmp_path, arrays, speakers):
    found = written(tmp_path, arrays, speakers)
    assert [row[:2] for row in found] == [("0", "a"), ("1", "b")]
    for _, _, latents in found:
        np.testing.assert_array_equal(latents, X)


@pytest.mark.parametrize(
    "speakers",
    [
        pd.Series({"v": "b", "u": "a", "w": "c"}),
        pd.Series(["a", "b"]),  # pandas' own index
        pd.Series(["b", "a"], index=["v", "u"]).to_xarray(),
        pd.Index(["a", "b"]),
        ["a", "b"],  # in the dict's order
    ],
    ids=["by name", "counted", "xarray", "index", "list"],
)
@pytest.mark.parametrize("form", [dict, pd.Series])
def test_beside_named_utterances_an_index_counts(tmp_path, form, speakers):
    found = written(tmp_path, form({"u": X, "v": X + 1}), speakers)
    assert [row[:2] for row in found] == [("u", "a"), ("v", "b")]


def test_numbers_that_name_utterances_are_names(tmp_path):
    found = written(tmp_path, {1: X, 0: X}, pd.Series(["a", "b"]))
    assert [row[:2] for row in found] == [("1", "b"), ("0", "a")]


@pytest.mark.parametrize(
    ("speakers", "said"),
    [
        (pd.Series(["a", "b"])[::-1], "2 utterances have no speaker"),
        (pd.Series(["a", "b"], index=[0, 1]), "2 utterances have no speaker"),
        (pd.Series(["a", "b"], index=["u", "u"]), "same name"),
        (pd.DataFrame({"speaker": ["a", "b"]}), "table of 2 dimensions"),
        ({"a", "b"}, "no speakers in a set"),
    ],
    ids=["reversed", "numbers", "twice", "table", "set"],
)
def test_speakers_that_cannot_be_told_by_name_or_order_are_refused(tmp_path, speakers, said):
    with pytest.raises(UserError, match=said):
        write_index(tmp_path, {"u": X, "v": X}, speakers)


def test_numbers_are_names_and_float64_stays(tmp_path):
    ((name, speaker, latents),) = written(tmp_path, {"u": X.astype(np.float64) / 3}, [19])
    assert (name, speaker, latents.dtype) == ("u", "19", np.float64)


@pytest.mark.parametrize(
    ("arrays", "speakers", "said"),
    [
        (None, ["a"], "no latents in a NoneType"),
        ("latents.npy", ["a"], "no latents in a str"),
        ([], [], "no utterances"),
        (X, ["a"] * 6, "one array of 2 dimensions"),
        (torch.from_numpy(X), ["a"] * 6, "one array of 2 dimensions"),
        ([X, X], ["a"], "2 utterances come with 1 speakers"),
        ([X, X], "ab", "no speakers in a str"),
        ([X, X], 2, "no speakers in a int"),
        ([X, X], ["a", None], "None is no name of a speaker"),
        ([X, X], ["a", float("nan")], "nan is no name"),
        ([X, X], ["a", " "], "' ' is no name"),
        ({"u": X, "v": X}, {"u": "a"}, "1 utterances have no speaker. Where: speakers, utterance 'v'"),
        ({1: X, "1": X}, ["a", "b"], "same name"),
        ([X, X[0]], ["a", "b"], "shape (2,) instead of (frames, dims). Where: arrays, utterance '1'"),
        ([X, X[None]], ["a", "b"], "shape (1, 6, 2)"),
        ([X, X[:, :0]], ["a", "b"], "shape (6, 0)"),
        ([X, X.astype(int)], ["a", "b"], "holds int64"),
        ([X, X.astype(complex)], ["a", "b"], "holds complex128"),
        ([X, X.astype(str)], ["a", "b"], "holds <U"),
        ([X, [[1.0, 2.0], [3.0]]], ["a", "b"], "numpy can make no array of this"),
        ([X, np.ma.array(X, mask=X > 9)], ["a", "b"], "masked values"),
        ([X, X[:1]], ["a", "b"], "1 frames"),
        ([X, X, np.ones((6, 3))], ["a", "b", "c"], "3 here, 2 in most others. Where: arrays, utterance '2'"),
        ([X.T, np.ones((2, 7))], ["a", "b"], "transpose them"),
    ],
)
def test_each_mistake_is_told_by_its_place_and_nothing_is_written(tmp_path, arrays, speakers, said):
    with pytest.raises(UserError) as error:
        write_index(tmp_path, arrays, speakers)
    assert said in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate", [0, -1, 10**400, float("nan"), float("inf"), "12.5", None, True, [12.5]])
def test_a_frame_rate_is_a_number_above_0(rate):
    with pytest.raises(UserError, match="the frame rate is"):
        check_frame_rate(rate)
    assert check_frame_rate(np.float32(12.5)) == 12.5
