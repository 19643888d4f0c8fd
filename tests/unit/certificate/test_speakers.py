"""Which speakers the certificate holds out."""

import pandas as pd
import pytest

from latentdyn.certificate.speakers import certificate_splits
from latentdyn.corpus.splits import split_speakers
from latentdyn.errors import UserError


def manifest(n):
    return pd.DataFrame({"speaker_id": [f"s{i}" for i in range(n)], "sex": None, "duration_s": 1.0})


def test_many_speakers_are_split_as_the_workflow_splits_them():
    splits, salt = certificate_splits(manifest(60), None)
    assert salt == "latentdyn"
    pd.testing.assert_frame_equal(splits, split_speakers(manifest(60), salt=salt, validation=0.1, eval=0.2))


@pytest.mark.parametrize("n", range(3, 12))
def test_few_speakers_fill_every_split_and_leave_an_interval(n):
    counts = certificate_splits(manifest(n), None)[0].split.value_counts()
    assert counts.sum() == n and counts["train"] >= 1 and counts["validation"] >= 1
    assert counts["eval"] >= (1 if n == 3 else 2)


@pytest.mark.parametrize(("n", "said"), [(1, "there is 1 speaker,"), (2, "there are 2 speakers,")])
def test_fewer_than_three_are_refused(n, said):
    with pytest.raises(UserError, match=said):
        certificate_splits(manifest(n), None)


def test_splits_can_be_given_and_mistakes_in_them_are_told():
    given = {"s0": "train", "s1": "validation", "s2": "eval", "other": "eval"}
    splits, salt = certificate_splits(manifest(3), given)
    assert salt is None and list(splits.split) == ["train", "validation", "eval"]
    with pytest.raises(UserError, match="split of this speaker is None"):
        certificate_splits(manifest(4), given)
    with pytest.raises(UserError, match="'test'"):
        certificate_splits(manifest(3), given | {"s2": "test"})
    with pytest.raises(UserError, match="no speaker is in eval"):
        certificate_splits(manifest(3), given | {"s2": "train"})
