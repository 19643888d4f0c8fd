import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentdyn.corpus.partition import PART_COLUMNS, part_of, select_part
from latentdyn.parquet import write_parquet

NAMES = st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), max_size=40)


def partition(table: pd.DataFrame, n_parts: int) -> list[pd.DataFrame]:
    return [select_part([table[:2], table[2:]], part, n_parts) for part in range(n_parts)]


def manifest(names) -> pd.DataFrame:
    table = pd.DataFrame({"utterance_id": sorted(names, reverse=True)}, dtype="string")
    table = table.assign(speaker_id="s", path="p", sha256="0", n_samples=16000, sample_rate_hz=16000, duration_s=1.0)
    return table.astype({"speaker_id": "string", "path": "string", "sha256": "string"})


@given(names=NAMES, n_parts=st.integers(1, 7))
def test_parts_are_disjoint_and_cover(names, n_parts):
    parts = partition(manifest(names), n_parts)
    assert len(parts) == n_parts
    assert sorted(name for part in parts for name in part.utterance_id) == sorted(names)
    for number, part in enumerate(parts):
        assert tuple(part.columns) == PART_COLUMNS
        assert list(part.utterance_id) == sorted(part.utterance_id)
        assert all(part_of(name, n_parts) == number for name in part.utterance_id)


@given(names=NAMES, new=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), n_parts=st.integers(2, 7))
def test_a_new_utterance_changes_one_part(names, new, n_parts):
    before = partition(manifest(names - {new}), n_parts)
    after = partition(manifest(names | {new}), n_parts)
    changed = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if not a.equals(b)]
    assert changed == [part_of(new, n_parts)]


def test_parts_are_even():
    sizes = [len(part) for part in partition(manifest({str(i) for i in range(8000)}), 8)]
    assert max(abs(size - 1000) for size in sizes) < 4 * 30  # 4 standard deviations of the binomial


@pytest.mark.parametrize("names", [set(), {"a", "b", "c"}])
def test_equal_content_gives_equal_bytes_and_one_schema(tmp_path, names):
    table = manifest(names)
    a, b = tmp_path / "a/part", tmp_path / "b/part"
    write_parquet(a, select_part([table], 0, 1))
    write_parquet(b, select_part([table.iloc[::-1]], 0, 1))
    assert a.read_bytes() == b.read_bytes()
    fields = [(field.name, str(field.type)) for field in pyarrow.parquet.read_schema(a)]
    text, number = "large_string", "int64"
    assert fields == list(zip(PART_COLUMNS, [text, text, text, text, number, number], strict=True))
