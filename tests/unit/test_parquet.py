"""Tables on disk: equal ones give equal files, and nothing that changed since is read."""

import io

import pandas as pd
import pyarrow.parquet as pq
import pytest

from latentdyn.errors import UserError
from latentdyn.files import write_json
from latentdyn.parquet import (
    parquet_facts,
    read_manifest,
    read_parquet,
    read_parquet_blocks,
    table_sha256,
    write_parquet,
    write_parquet_blocks,
)

TABLE = pd.DataFrame(
    {
        "name": pd.array(["a", None, "ü"], "string"),
        "kind": pd.Categorical(["x", "y", "x"]),
        "n": pd.array([1, None, 3], "Int64"),
        "value": [0.5, -0.0, 1e300],
    }
)


@pytest.fixture
def file(tmp_path):
    write_parquet(tmp_path / "t.parquet", TABLE, {"of": "x"})
    return tmp_path / "t.parquet"


def test_what_is_written_is_read_and_pandas_reads_it_too(file):
    pd.testing.assert_frame_equal(read_parquet(file, ["n", "name", "kind"], made_by="x"), TABLE[["n", "name", "kind"]])
    pd.testing.assert_frame_equal(pd.read_parquet(file), TABLE)


def test_equal_tables_give_equal_files_and_the_digest_is_that_of_the_content(file, tmp_path):
    digest = write_parquet(tmp_path / "again/t.parquet", TABLE.copy(), {"of": "x"})
    assert (tmp_path / "again/t.parquet").read_bytes() == file.read_bytes()
    assert parquet_facts(file, made_by="x") == {"digest": digest, "of": "x"}
    assert digest == table_sha256(TABLE) != write_parquet(file, TABLE.assign(value=[0.5, 0.25, 1e300]))


def test_no_bit_and_no_length_can_change_unnoticed(file):
    whole = file.read_bytes()
    damaged = [whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :] for i in range(0, len(whole), 17)]
    damaged += [whole[:i] for i in range(0, len(whole), 97)] + [whole + b"\0", whole + whole, b"PAR1"]
    for content in damaged:
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"t\.parquet.*delete .*t\.parquet and run the same command .*rule x"):
            read_parquet(file, ["n"], made_by="x")


def test_a_table_that_somebody_saved_again_is_refused(file):
    for write in (TABLE.to_parquet, lambda path: pq.write_table(pq.read_table(file), path)):
        buffer = io.BytesIO()
        write(buffer)
        (file.parent / "other").mkdir(exist_ok=True)
        (file.parent / "other/t.parquet").write_bytes(buffer.getvalue())
        with pytest.raises(UserError, match=r"no checksum: an earlier version|does not match its checksum"):
            read_parquet(file.parent / "other/t.parquet", ["n"], made_by="x")


def test_the_table_of_another_part_is_refused(file):
    file.rename(file.with_name("1of2.parquet"))
    with pytest.raises(UserError, match="exchanged"):
        read_parquet(file.with_name("1of2.parquet"), ["n"], made_by="x")


def test_another_table_than_the_handle_describes_is_refused(file):
    handle = file.with_suffix(".json")
    write_json(handle, {"digest": table_sha256(TABLE)})
    assert len(read_manifest(file, ["n"], made_by="x")) == 3
    write_parquet(file, TABLE[::-1])
    with pytest.raises(UserError, match=r"not the one that .*t\.json describes.*t\.parquet.*delete .*t\.json and run"):
        read_manifest(file, ["n"], made_by="x")
    handle.unlink()
    with pytest.raises(UserError, match=r"missing.*t\.json"):
        read_manifest(file, ["n"], made_by="x")


def test_a_missing_column_is_told(file):
    with pytest.raises(UserError, match=r"cannot be read .*t\.parquet.*rule x"):
        read_parquet(file, ["nowhere"], made_by="x")


def test_categories_are_the_same_texts_and_only_of_the_columns_that_are_named(tmp_path):
    table = pd.DataFrame({"few": ["b", "a", None, "b"], "many": ["1", "2", "3", "4"], "n": [1, 2, 3, 4]})
    write_parquet(tmp_path / "t.parquet", table.astype({"few": "str", "many": "str"}))
    read = read_parquet(tmp_path / "t.parquet", list(table), made_by="r", categories=["few"])
    assert isinstance(read["few"].dtype, pd.CategoricalDtype) and not isinstance(
        read["many"].dtype, pd.CategoricalDtype
    )
    assert read["few"].tolist()[:2] == ["b", "a"] and read["few"].isna().tolist() == [False, False, True, False]
    assert (read["few"] == "b").tolist() == [True, False, False, True] and not (read["few"] == "c").any()


def test_a_table_in_blocks_is_the_whole_one_whatever_categories_a_block_has(tmp_path):
    whole = pd.concat([TABLE] * 200, ignore_index=True)
    whole["kind"] = pd.Categorical([f"k{(i * 7) % 400}" for i in range(600)])
    blocks = [whole[:2], whole[2:500], whole[500:]]
    own = [block.assign(kind=block["kind"].cat.remove_unused_categories()) for block in blocks]
    file, handle = tmp_path / "t.parquet", tmp_path / "t.json"
    digest = write_parquet_blocks(file, iter(own), {"of": "x"})
    assert digest == table_sha256(whole) and parquet_facts(file, made_by="x") == {"digest": digest, "of": "x"}
    pd.testing.assert_frame_equal(
        read_parquet(file, list(whole), made_by="x").astype({"kind": str}), whole.astype({"kind": str})
    )
    write_json(handle, {"digest": digest})
    read = list(read_parquet_blocks(file, ["kind", "n"], made_by="x", handle=handle))
    for block, expected in zip(read, own, strict=True):
        pd.testing.assert_frame_equal(block, expected[["kind", "n"]].reset_index(drop=True))
    write_json(handle, {"digest": "another"})
    with pytest.raises(UserError, match=r"not the one that .*t\.json describes"):
        next(read_parquet_blocks(file, ["n"], made_by="x", handle=handle))


def test_blocks_that_end_in_an_error_leave_no_file(tmp_path):
    def blocks():
        yield TABLE
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        write_parquet_blocks(tmp_path / "t.parquet", blocks())
    assert list(tmp_path.iterdir()) == []
