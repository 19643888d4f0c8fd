import hashlib
import logging

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentdyn.corpus.splits import assign_split, report_balance, split_speakers
from latentdyn.errors import UserError

SHARES = {"salt": "latentdyn", "validation": 0.1, "eval": 0.2}


def manifest(speakers: dict[str, str | None], utterances_each: int = 1) -> pd.DataFrame:
    rows = [(s, sex, 2.5) for s, sex in speakers.items() for _ in range(utterances_each)]
    return pd.DataFrame(rows, columns=["speaker_id", "sex", "duration_s"]).astype({"sex": "string"})


def test_a_speaker_is_placed_by_its_hash():
    digest = hashlib.sha256(b"split\x1flatentdyn\x1f19").digest()
    u = int.from_bytes(digest[:8], "big") / 2**64
    assert assign_split("19", salt="latentdyn", validation=0, eval=u + 1e-9) == "eval"
    assert assign_split("19", salt="latentdyn", validation=1e-8, eval=u - 1e-9) == "validation"
    assert assign_split("19", salt="latentdyn", validation=0, eval=u - 1e-9) == "train"


NAMES = st.sets(st.text(min_size=1, max_size=8), min_size=200, max_size=220)


@settings(max_examples=15)
@given(names=NAMES, more=st.sets(st.text(min_size=1, max_size=8), max_size=20), salt=st.text(max_size=4))
def test_adding_speakers_moves_nobody(names, more, salt):
    def split(speakers):
        table = split_speakers(manifest(dict.fromkeys(speakers)), salt=salt, validation=0.2, eval=0.3)
        return dict(zip(table.speaker_id, table.split, strict=True))

    before = split(names)
    after = split(names | more)
    assert before.keys() == names
    assert {name: after[name] for name in names} == before


@given(st.text(), st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0, 0.4))
def test_the_share_of_validation_does_not_touch_eval(name, eval_share, one, other):
    splits = [assign_split(name, salt="", validation=share, eval=eval_share) for share in (one, other)]
    assert (splits[0] == "eval") == (splits[1] == "eval")


def test_shares_and_salt():
    names = [str(i) for i in range(10_000)]
    splits = [assign_split(name, **SHARES) for name in names]
    assert abs(splits.count("eval") - 2000) < 4 * 40  # 4 standard deviations of the binomial
    assert abs(splits.count("validation") - 1000) < 4 * 30
    again = [assign_split(name, **(SHARES | {"salt": "other"})) for name in names]
    same = sum(a == b for a, b in zip(splits, again, strict=True))
    assert abs(same - 10_000 * (0.7**2 + 0.1**2 + 0.2**2)) < 4 * 50


def test_table_of_speakers():
    sexes = {f"s{i:03}": "FM"[i % 2] if i < 90 else None for i in range(100)}
    speakers = split_speakers(manifest(sexes, 3).sample(frac=1, random_state=0), **SHARES)
    assert list(speakers.columns) == ["speaker_id", "sex", "split", "n_utterances", "duration_s"]
    assert list(speakers.speaker_id) == sorted(sexes)
    assert [None if pd.isna(sex) else sex for sex in speakers.sex] == list(sexes.values())
    assert set(speakers.n_utterances) == {3}
    assert set(speakers.duration_s) == {7.5}
    assert [assign_split(s, **SHARES) for s in speakers.speaker_id] == list(speakers.split)


def test_a_correction_of_sex_moves_nobody():
    names = [f"s{i}" for i in range(100)]
    one = split_speakers(manifest(dict.fromkeys(names, "F")), **SHARES)
    other = split_speakers(manifest(dict.fromkeys(names, None)), **SHARES)
    assert list(one.split) == list(other.split)


def test_an_empty_split_is_refused_unless_its_share_is_zero():
    with pytest.raises(UserError, match=r"none of the 1 speakers falls into .*add speakers: each of"):
        split_speakers(manifest({"a": None}), **SHARES)
    everyone = split_speakers(manifest({"a": None}), salt="", validation=0, eval=0)
    assert list(everyone.split) == ["train"]


def said(**splits: str | list[str]) -> pd.DataFrame:
    rows = [(s, sp) for s, each in splits.items() for sp in ([each] if isinstance(each, str) else each)]
    table = pd.DataFrame(rows, columns=["speaker_id", "split"]).astype("string")
    return table.assign(utterance_id=[f"u{i}" for i in range(len(table))], sex=None, duration_s=1.0)


def test_the_splits_that_a_corpus_says_are_kept():
    table = split_speakers(said(a="train", b="eval", c=["validation"] * 3, d="train"), **SHARES)
    assert dict(zip(table.speaker_id, table.split, strict=True)) == {
        "a": "train", "b": "eval", "c": "validation", "d": "train"
    }  # fmt: skip


def test_a_split_that_the_corpus_does_not_say_is_drawn_from_its_training_speakers():
    names = [f"s{i}" for i in range(100)]
    table = split_speakers(said(**dict.fromkeys(names, "train"), x="eval", y="eval"), **SHARES)
    split = dict(zip(table.speaker_id, table.split, strict=True))
    assert {s for s in split if split[s] == "eval"} == {"x", "y"}
    drawn = {name: assign_split(name, salt="latentdyn", validation=0.1, eval=0) for name in names}
    assert {name: split[name] for name in names} == drawn
    assert set(drawn.values()) == {"train", "validation"}


def test_where_a_split_that_the_corpus_does_not_say_is_why_one_is_empty_this_is_told():
    drawn = r"the corpus names none of eval, so they are drawn from those of train\b.*name speakers of eval too"
    with pytest.raises(UserError, match=drawn):
        split_speakers(said(a="train", b="train", c="validation"), salt="", validation=0.1, eval=0.99)
    with pytest.raises(UserError, match=r"falls into train\. .*let the corpus name speakers of train too"):
        split_speakers(said(b="eval", c="validation"), **SHARES)


def test_a_speaker_in_two_of_the_corpuss_splits_is_refused():
    with pytest.raises(UserError, match=r"1 speakers are in several splits.*'bob' \(eval, train\)"):
        split_speakers(said(ann="train", bob=["train", "eval"], eve="eval"), **SHARES)


def test_the_only_speaker_is_named():
    with pytest.raises(UserError, match=r"only 'wav' \(of the utterances u0, u1.*key `speaker`"):
        split_speakers(said(wav=["train"] * 3).assign(split=None), **SHARES)


def test_balance_is_reported_and_a_missing_sex_warned_of(caplog):
    rows = [
        ("F", "train"),
        ("F", "train"),
        ("M", "train"),
        (None, "train"),
        ("F", "eval"),
        (None, "validation"),
    ]
    speakers = pd.DataFrame(rows, columns=["sex", "split"]).assign(duration_s=1800.0)
    with caplog.at_level(logging.INFO):
        report_balance(speakers)
    assert "train: 4 speakers (2 F, 1 M, 1 unknown), 2.00 h; F expected 2.2 +- 0.4" in caplog.text
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith("eval has speakers of one sex only")


def test_a_corpus_of_one_or_unknown_sex_warns_of_nothing(caplog):
    for sex in ("F", None):
        speakers = pd.DataFrame({"sex": [sex] * 3, "split": ["train", "eval", "validation"], "duration_s": 1.0})
        with caplog.at_level(logging.WARNING):
            report_balance(speakers)
    assert caplog.text == ""
