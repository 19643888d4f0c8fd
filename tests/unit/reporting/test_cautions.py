"""What weakens the numbers of a Phase 1 table is said in words, with the rows that it is about, and nothing else is."""

import math

import pandas as pd
import pytest

from latentdyn.reporting.cautions import cautions, cautions_of_latents

SOUND = {
    "representation": "mel", "predictor": "net", "split": "eval", "k": 1, "n": 5000, "speakers": 40, "dnll": -9.0,
    "dnll_median": -8.0,
    "context_gain": -2.0, "context_gain_ci_low": -2.5, "context_gain_ci_high": -1.5, "cosine": 0.8,
    "cosine_ci_low": 0.75, "cosine_ci_high": 0.85, "cosine_white_noise": 0.7, "kappa_at_clamp": None,
    "sigma_at_clamp": 0.0, "mu_logm_at_clamp": None, "kept_step": 500, "still_frames": 0,
}  # fmt: skip


def said(*changes: dict[str, object]) -> list[str]:
    return cautions(pd.DataFrame([{**SOUND, **change} for change in changes]))


def test_nothing_is_said_of_sound_rows():
    assert said({}, {"k": 2, "kept_step": None, "sigma_at_clamp": 0.009}) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kept_step": 0}, "untrained weights were kept for `mel`, `net`, eval (k = 1)"),
        ({"context_gain_ci_high": 0.0}, "context gain is not below 0 for `mel`, `net`, eval (k = 1)"),
        ({"context_gain": 0.1, "context_gain_ci_high": None}, "context gain is not below 0"),  # one speaker
        ({"cosine_ci_low": 0.7}, "not above that of white noise with the same covariance for `mel`, `net`, eval"),
        ({"cosine": 0.6, "cosine_ci_low": None}, "not above that of white noise"),
        ({"speakers": 9}, "only 9 speakers in eval of `mel`"),
        ({"n": 999}, "only 999 frames in eval"),
        ({"n": 10, "speakers": 1}, "only 1 speakers and 10 frames"),
        ({"kappa_at_clamp": 0.01}, "`kappa_at_clamp` up to 0.01"),
        (
            {"sigma_at_clamp": 0.5, "mu_logm_at_clamp": 1.0},
            "`sigma_at_clamp` up to 0.50, `mu_logm_at_clamp` up to 1.00",
        ),
        ({"dnll": 90.0, "dnll_median": -8.0}, "few frames decide the mean of `dnll` for `mel`, `net`, eval (k = 1)"),
        ({"dnll": math.inf, "still_frames": 3}, "3 frames repeat the frame before them"),
    ],
)
def test_each_thing_that_weakens_a_row_is_said_once(change, words):
    (sentence,) = said(change, {"representation": "other"})
    assert sentence.startswith("**Caution:** ") and words in sentence and "other" not in sentence


def test_an_overflow_without_repeated_frames_and_repeated_frames_without_an_overflow_are_no_such_case():
    assert said({"dnll": math.inf}, {"still_frames": 3}) == []


def test_of_a_surrogate_no_gain_and_no_direction_are_expected():
    lost = {"context_gain_ci_high": 0.1, "cosine_ci_low": 0.0}
    assert said({"representation": "mel__shuffled", "speakers": 9, **lost}) == []


def test_rows_are_named_by_their_horizons_and_not_without_end():
    (sentence,) = said(*({"predictor": f"p{i}", "k": k, "kept_step": 0} for i in range(9) for k in (1, 8)))
    assert "`mel`, `p0`, eval (k = 1, 8)" in sentence and "`p5`" in sentence and "`p6`" not in sentence
    assert "and 3 more" in sentence


def test_a_float_column_names_whole_horizons_and_missing_values_say_nothing():
    assert said(dict.fromkeys(("context_gain", "context_gain_ci_high", "cosine", "cosine_ci_low", "kept_step"))) == []


def test_what_a_store_says_of_its_latents_is_said_once_under_every_table():
    records = [
        {"representation": "dac", "metric": "look_ahead_ms", "value": 101.7, "by": "line"},
        {"representation": "dac", "metric": "look_ahead_ms", "value": 101.7, "by": "net"},
        {"representation": "lyra", "metric": "grid_values", "value": 256.0, "by": "line"},
        {"representation": "q16", "metric": "code_bits_per_s", "value": 3200.0, "by": "line"},
        *({"representation": "own", "metric": "far_out_frames", "value": 1.0, "split": s} for s in ("train", "eval")),
    ]
    ahead, grid, codes, *far = cautions_of_latents(pd.DataFrame(records))
    assert "`dac` depends on up to 102 ms of audio after its own end" in ahead
    assert "`lyra` take few distinct values, at most 256" in grid
    assert "`q16` are dequantized: sums of codewords, 3200 bit/s" in codes
    assert ["few frames of `own` decide: 1 of the split train lie" in far[0], "split eval" in far[1]] == [True, True]
    assert cautions_of_latents(pd.DataFrame(records[:0])) == []
