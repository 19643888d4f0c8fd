"""Which frames stand for a phone, by hand at 10 Hz: frame t is at t / 10 + .05 s."""

import pandas as pd
import pytest

from latentdyn.diagnostics.phones.alignment import (
    SILENCE,
    UNKNOWN,
    frames_of,
    middle_frames,
    phones_of_rows,
    read_phones,
)
from latentdyn.errors import UserError
from latentdyn.parquet import write_parquet

UTTERANCES = pd.DataFrame({"utterance_id": ["u", "v", "w"], "start": [0, 6, 20], "n_frames": [5, 4, 2]})
PHONES = pd.DataFrame(
    [
        ("u", 0.0, 0.15, "a"),
        ("u", 0.15, 0.16, "b"),
        ("u", 0.3, 0.6, "c"),
        ("v", 0.1, 0.25, "d"),
        ("gone", 0.0, 1.0, "e"),
    ],
    columns=["utterance_id", "start_s", "end_s", "label"],
)


def test_a_phone_has_the_frames_whose_centre_lies_in_it():
    first, stop = frames_of(PHONES, UTTERANCES, 10.0, 0.0)
    # .05; .15 begins the second phone, which it belongs to; .35 and .45, and no sixth frame; .15 and none at .25
    assert list(zip(first, stop, strict=True)) == [(0, 1), (1, 2), (3, 5), (7, 8), (0, 0)]


def test_frames_hear_a_phone_later_by_the_delay():
    first, stop = frames_of(PHONES, UTTERANCES, 10.0, 0.1)
    assert list(zip(first, stop, strict=True))[:4] == [(1, 2), (2, 3), (4, 5), (8, 9)]
    first, stop = frames_of(PHONES, UTTERANCES, 10.0, -0.1)
    assert list(zip(first, stop, strict=True))[:4] == [(0, 0), (0, 1), (2, 5), (6, 7)], "not of the frames before 0"


def test_rows_stand_for_one_phone_or_silence_and_untimed_utterances_are_told():
    labels = phones_of_rows(PHONES, PHONES.index.to_numpy(), UTTERANCES, 22, 10.0, 0.0)
    assert labels[:5].tolist() == [0, 1, SILENCE, 2, 2]
    assert labels[5] == UNKNOWN, "a row of no utterance"
    assert labels[6:10].tolist() == [SILENCE, 3, SILENCE, SILENCE]
    assert (labels[10:] == UNKNOWN).all(), "w has no times"


def test_the_frame_under_the_middle():
    assert middle_frames(PHONES, UTTERANCES, 10.0, 0.0).tolist() == [0, 1, 4, 7, -1]
    assert middle_frames(PHONES, UTTERANCES, 10.0, 0.1).tolist() == [1, 2, -1, 8, -1], "beyond the last frame"


def write(path, rows):
    table = pd.DataFrame(rows, columns=["utterance_id", "tier", "start_s", "end_s", "label"])
    write_parquet(path, table.astype({"start_s": float, "end_s": float}))
    return path


def test_phones_are_read_in_their_order_without_words(tmp_path):
    rows = [("u", "phoneme", 0.2, 0.3, "b"), ("u", "word", 0.0, 0.3, "ab"), ("u", "phoneme", 0.0, 0.2, "a")]
    phones = read_phones(write(tmp_path / "a.parquet", rows))
    assert phones["label"].tolist() == ["a", "b"] and list(phones) == list(PHONES)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("u", "phoneme", 0.2, 0.2, "a")], "a phone of u ends before it begins"),
        ([("u", "phoneme", 0.2, float("nan"), "a")], "a phone of u"),
        ([("u", "phoneme", 0.0, 0.2, "a"), ("u", "phoneme", 0.1, 0.3, "b")], "overlaps"),
        ([("u", "word", 0.0, 0.2, "a")], "there are none"),
    ],
)
def test_times_that_cannot_be_are_refused(tmp_path, rows, told):
    with pytest.raises(UserError, match=told):
        read_phones(write(tmp_path / "a.parquet", rows))


def test_a_missing_file_is_told_with_the_handle_to_delete(tmp_path):
    with pytest.raises(UserError, match=r"delete .*audio\.json and run the same command again"):
        read_phones(tmp_path / "audio" / "alignments.parquet")
