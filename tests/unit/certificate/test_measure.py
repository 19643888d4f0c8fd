"""The certificate of processes whose answer is known, and that it leaves nothing behind."""

import tempfile

import numpy as np
import pandas as pd
import pytest
import torch

import latentdyn
from latentdyn.certificate.measure import COLUMNS, measure_index
from latentdyn.errors import UserError


def ar1(coefficient, n_speakers, n_frames=150, dim=2, seed=0):
    """An utterance of independent AR(1) dimensions of unit noise for each speaker."""
    rng = np.random.default_rng(seed)
    utterances = {}
    for i in range(n_speakers):
        x = rng.normal(size=(n_frames, dim))
        x[0] /= np.sqrt(1 - coefficient**2)
        for t in range(1, n_frames):
            x[t] += coefficient * x[t - 1]
        utterances[f"u{i}"] = x.astype(np.float32)
    return utterances, [f"s{i}" for i in range(n_speakers)]


@pytest.fixture(scope="module")
def predictable() -> pd.DataFrame:
    utterances, speakers = ar1(0.8, 60)
    return latentdyn.measure(utterances, speakers, 50, window_frames=2, horizons=[1, 2])


def of(table, representation="latents", predictor="linear_gaussian", k=1):
    (row,) = table[
        (table.representation == representation) & (table.predictor == predictor) & (table.k == k)
    ].itertuples()
    return row


def test_it_has_a_row_for_each_representation_predictor_and_horizon(predictable):
    assert list(predictable.columns) == COLUMNS
    assert predictable[["representation", "predictor", "k"]].values.tolist() == [
        [representation, predictor, k]
        for representation in ("latents", "latents__shuffled", "latents__white")
        for predictor in ("linear_gaussian", "ar1")
        for k in (1, 2)
    ]
    assert set(predictable.ms) == {20.0, 40.0}
    assert predictable.n.nunique() == 1 and predictable.n.iloc[0] == (150 - 3) * predictable.speakers.iloc[0]


def test_values_are_those_of_the_process(predictable):
    """Of an AR(1): ΔNLL a dimension -½ ln(2 / (1 + a)), information -½ ln(1 - a^{2k})."""
    row = of(predictable)
    assert row.dnll == pytest.approx(-np.log(2 / 1.8), abs=0.05)
    assert row.predictive_information == pytest.approx(-np.log(1 - 0.64), abs=0.1)
    assert of(predictable, k=2).predictive_information == pytest.approx(-np.log(1 - 0.8**4), abs=0.1)
    assert row.cosine_ci_low < row.cosine < row.cosine_ci_high
    assert np.isnan(of(predictable, predictor="ar1").predictive_information)
    assert np.isnan(of(predictable, k=2).level_gain)


def test_the_controls_have_no_information_though_their_steps_are_predictable(predictable):
    for control in ("latents__shuffled", "latents__white"):
        assert of(predictable, control).dnll < of(predictable).dnll  # the trap that the verdict must not fall into
        assert of(predictable, control).predictive_information == pytest.approx(0, abs=0.05)


def test_the_verdict_is_yes_with_how_much_and_how_far(predictable):
    text = " ".join(predictable.attrs["verdict"].split())
    assert text.startswith("Yes: ")
    frame = of(predictable).predictive_information - of(predictable, "latents__shuffled").predictive_information
    assert f"the past tells {frame:.3g} nats" in text
    assert f"It tells {-of(predictable).context_gain:.3g} nats" in text and "up to k = 2 (40 ms)" in text
    assert max(map(len, predictable.attrs["verdict"].splitlines())) <= 100


def test_of_white_noise_it_is_no_and_few_speakers_and_lost_frames_are_told():
    utterances, speakers = ar1(0.0, 12, seed=4)
    utterances["u3"][10, 0] = np.nan
    table = latentdyn.measure(utterances, speakers, 50.0, window_frames=8, horizons=[1])
    text = " ".join(table.attrs["verdict"].split())
    assert text.startswith(("No: ", "Undecided: "))
    assert "speakers are held out" in text and "1 of 1800 frames hold a NaN" in text


def test_the_callers_random_numbers_and_folders_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    torch.manual_seed(3)
    before = torch.get_rng_state(), torch.get_float32_matmul_precision()
    latentdyn.measure(*ar1(0.5, 4), 50, window_frames=1, horizons=[1])
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == torch.get_float32_matmul_precision()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"horizons": [1, 200]}, "no utterance is long enough"),
        ({"window_frames": 0}, "window_frames"),
        ({"horizons": []}, "horizons"),
        ({"horizons": [0]}, "horizons"),
        ({"horizons": 3}, "horizons"),
        ({"window_frames": 2.5}, "window_frames"),
        ({"window_frames": True}, "window_frames"),
        ({"horizons": [True]}, "horizons"),
        ({"horizons": [1, 1]}, "no two equal"),
    ],
)
def test_settings_out_of_range_are_refused(changes, said, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UserError, match=said):
        latentdyn.measure(*ar1(0.5, 6, n_frames=30), 50, **changes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("split", ["train", "validation", "eval"])
def test_a_split_without_usable_frames_is_told_by_its_name(split):
    utterances, speakers = ar1(0.5, 4, n_frames=30)
    splits = dict(zip(speakers, ["train", "validation", "eval", "eval"], strict=True))
    for name, speaker in zip(utterances, speakers, strict=True):
        if splits[speaker] == split:
            utterances[name][::15] = np.nan  # few, but a context with what follows needs 16 frames
    with pytest.raises(UserError, match=f"no speaker of the split {split} has a frame"):
        latentdyn.measure(utterances, speakers, 50, splits=splits)


def test_latents_that_do_not_span_their_dimensions_are_refused():
    utterances, speakers = ar1(0.5, 6, dim=1)
    with pytest.raises(UserError):
        latentdyn.measure({name: x * np.float32([1, 1]) for name, x in utterances.items()}, speakers, 50)


def test_an_argument_out_of_range_is_called_by_its_name():
    with pytest.raises(UserError) as told:
        latentdyn.measure(*ar1(0.5, 6, n_frames=30), 1e9, window_frames=1)
    assert told.value.what.startswith("frame_rate_hz: must be") and told.value.where == "the arguments"


def test_latents_whose_steps_rounding_took_are_told_as_constant():
    utterances, speakers = ar1(0.5, 6, n_frames=30)
    with pytest.raises(UserError, match=r"6 of 6 utterances never change.*float32, cannot change by less than 64"):
        latentdyn.measure({name: x + np.float32(1e9) for name, x in utterances.items()}, speakers, 50)


def test_splits_of_a_speaker_without_utterances_are_told():
    utterances, speakers = ar1(0.5, 4, n_frames=60)
    splits = dict(zip([*speakers, "s9"], ["train", "validation", "eval", "eval", "eval"], strict=True))
    table = latentdyn.measure(utterances, speakers, 50, window_frames=1, horizons=[1], splits=splits)
    assert "1 speaker without utterances; the first is 's9'" in table.attrs["verdict"]
    assert sorted(table.attrs["splits"]) == speakers


def far_apart(n_speakers=10, dim=4):
    """A constant of each speaker beside noise a thousand times smaller."""
    rng = np.random.default_rng(1)
    offsets = 100 * rng.normal(size=(n_speakers, dim))
    arrays = [(offset + 0.1 * rng.normal(size=(200, dim))).astype(np.float32) for offset in offsets]
    return arrays, [f"s{i}" for i in range(n_speakers)]


def test_speakers_too_far_apart_are_told_for_what_they_are():
    arrays, speakers = far_apart()
    with pytest.raises(UserError, match=r"speakers differ from each other .* times as much .*subtract .* their mean"):
        latentdyn.measure([20 * x for x in map(still_apart, arrays)], speakers, 12.5, window_frames=2, horizons=[1])


def still_apart(x):
    """The same constant, with a hundredth of the noise about it."""
    return x.mean(axis=0) + (x - x.mean(axis=0)) / 100


def test_a_control_that_cannot_be_measured_is_left_out_and_told():
    """The covariance of all frames is that of four training speakers' means: it spans three dimensions."""
    table = latentdyn.measure(*far_apart(), 12.5, window_frames=2, horizons=[1])
    assert set(table.representation) == {"latents", "latents__shuffled"}
    text = " ".join(table.attrs["verdict"].split())
    assert "control latents__white cannot be measured, so it is left out: training deltas span 3 of 4" in text


def test_its_splits_go_back_in():
    utterances, speakers = ar1(0.5, 6)
    first = latentdyn.measure(utterances, speakers, 50, window_frames=1, horizons=[1])
    assert sorted(first.attrs["splits"]) == sorted(speakers) and first.attrs["split_settings"]["eval"] == 0.4
    second = latentdyn.measure(utterances, speakers, 50, window_frames=1, horizons=[1], splits=first.attrs["splits"])
    pd.testing.assert_frame_equal(first, second)
    assert first.attrs["splits"] == second.attrs["splits"] and second.attrs["split_settings"] is None


def test_an_index_says_its_splits_or_is_refused(tmp_path):
    utterances, speakers = ar1(0.5, 5)
    rows = ["utterance_id,speaker_id,path,split"]
    said = ["train", "validation", "eval", "train", "eval"]
    for (name, x), speaker, split in zip(utterances.items(), speakers, said, strict=True):
        np.save(tmp_path / f"{name}.npy", x)
        rows.append(f"{name},{speaker},{name}.npy,{split}")
    index = tmp_path / "index.csv"
    index.write_text("\n".join(rows))
    table = measure_index(index, 50, window_frames=1, horizons=[1])
    assert table.attrs["splits"] == {"s0": "train", "s1": "validation", "s2": "eval", "s3": "train", "s4": "eval"}
    assert table.attrs["split_settings"] is None
    index.write_text("\n".join(rows).replace("eval", "train"))
    with pytest.raises(UserError, match="no row is in eval"):
        measure_index(index, 50, window_frames=1, horizons=[1])


def test_lost_frames_are_told_by_the_users_words(caplog):
    utterances, speakers = ar1(0.5, 12, n_frames=60)
    utterances["u3"][20] = np.nan
    latentdyn.measure(utterances, speakers, 50, window_frames=1, horizons=[1, 2])
    assert len(caplog.messages) == len(set(caplog.messages)) <= 2
    utterances["u4"][::2] = np.inf
    utterances["u5"][::4] = np.nan
    with pytest.raises(UserError, match=r"46 of 720 frames \(6\.4%\).*30 of them are in the utterance 'u4'") as told:
        latentdyn.measure(utterances, speakers, 50, window_frames=1, horizons=[1])
    assert "latentdyn-" not in str(told.value) and "of the corpus" not in str(told.value)


def test_one_speaker_has_one_name_whatever_its_form():
    utterances, _ = ar1(0.5, 4, n_frames=40)
    named = ["Zoe\u0301", "Zo\u00e9", 7.0, np.float32(8)]
    table = latentdyn.measure(utterances, named, 50, window_frames=1, horizons=[1])
    assert sorted(table.attrs["splits"]) == ["7", "8", "Zo\u00e9"]
    splits = {"Zoe\u0301": "train", 7: "validation", "8": "eval"}
    assert latentdyn.measure(utterances, named, 50, window_frames=1, horizons=[1], splits=splits).speakers.eq(1).all()
    with pytest.raises(UserError, match="which are one number"):
        latentdyn.measure(utterances, ["7", "7.0", "8", "9"], 50)


def test_an_index_of_bad_files_names_them(tmp_path):
    (tmp_path / "index.csv").write_text("utterance_id,speaker_id,path\nu,s,missing.npy\n")
    with pytest.raises(UserError, match=r"missing\.npy"):
        measure_index(tmp_path / "index.csv", 50)


def test_latents_under_two_speakers_are_not_measured():
    """They could be trained on and evaluated on."""
    utterances, speakers = ar1(0.5, 6)
    with pytest.raises(UserError, match="2 of 6 utterances must be set aside") as told:
        latentdyn.measure({**utterances, "u5": utterances["u0"]}, speakers, 50)
    assert "of speaker 's5'" in told.value.what and "Snakemake" not in told.value.where


def test_a_frame_that_decides_the_means_is_told():
    utterances, speakers = ar1(0.5, 12)
    splits = dict(zip(speakers, 4 * ["train"] + 2 * ["validation"] + 6 * ["eval"], strict=True))
    assert "few frames decide" not in latentdyn.measure(utterances, speakers, 50, splits=splits).attrs["verdict"]
    list(utterances.values())[-1][20] = 1e6
    assert "few frames decide" in latentdyn.measure(utterances, speakers, 50, splits=splits).attrs["verdict"]
