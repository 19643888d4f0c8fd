"""Which speakers the certificate holds out."""

import pandas as pd
import pytest

from latentdyn.certificate.speakers import certificate_splits
from latentdyn.corpus.splits import split_speakers
from latentdyn.errors import UserError


def manifest(n):
    return pd.DataFrame({"speaker_id": [f"s{i}" for i in range(n)], "sex": None, "duration_s": 1.0})


def test_many_speakers_are_split_as_the_workflow_splits_them():
    splits, settings = certificate_splits(manifest(60), None)
    assert settings == {"salt": "latentdyn", "validation": 0.1, "eval": 0.2}
    pd.testing.assert_frame_equal(splits, split_speakers(manifest(60), **settings))


@pytest.mark.parametrize("n", [*range(3, 12), 29])
def test_few_speakers_fill_every_split_and_leave_an_interval(n):
    splits, settings = certificate_splits(manifest(n), None)
    counts = splits.split.value_counts()
    assert counts.sum() == n and counts["train"] >= n // 4 and counts["validation"] >= 1
    assert counts["eval"] >= max(n * 2 // 5, 1 if n == 3 else 2)
    pd.testing.assert_frame_equal(splits, split_speakers(manifest(n), **settings))  # the workflow can do the same


@pytest.mark.parametrize(("n", "said"), [(1, "there is 1 speaker,"), (2, "there are 2 speakers,")])
def test_fewer_than_three_are_refused(n, said):
    with pytest.raises(UserError, match=said):
        certificate_splits(manifest(n), None)


def test_splits_can_be_given_and_mistakes_in_them_are_told():
    given = {"s0": "train", "s1": "validation", "s2": "eval", "other": "eval"}
    splits, settings = certificate_splits(manifest(3), given)
    assert settings is None and list(splits.split) == ["train", "validation", "eval"]
    with pytest.raises(UserError, match=r"this speaker is missing\. Where: splits, speaker 's3'"):
        certificate_splits(manifest(4), given)
    with pytest.raises(UserError, match="there are no splits in a str"):
        certificate_splits(manifest(3), "eval")
    with pytest.raises(UserError, match="'test'"):
        certificate_splits(manifest(3), given | {"s2": "test"})
    with pytest.raises(UserError, match="no speaker is in eval"):
        certificate_splits(manifest(3), given | {"s2": "train"})
