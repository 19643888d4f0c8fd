"""Tables on disk: parquet written whole or not at all, and read as it was written, with the columns a step relies on.

A long table is written and read block by block, a row group for each. A file is mapped, not copied, to verify it.

The metadata of a file holds two entries: `latentdyn`, a JSON object with the digest of the table's content and what
else the maker says of it; and `latentdyn.checksum`, the sha256 of the file's name and of all its bytes, taken while
zeros stood in the checksum's own place. Reading verifies the checksum, and parses the very file that it verified: ours
are replaced by others of the same name, and never written to.
"""

import contextlib
import hashlib
import json
import mmap
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from latentdyn.errors import UserError
from latentdyn.files import (
    NO_CHECKSUM,
    NOT_READABLE,
    OTHER_CHECKSUM,
    atomic_path,
    canonical_json,
    check_folders,
    read_json,
)

Buffer = bytes | mmap.mmap

_FACTS, _CHECKSUM = b"latentdyn", b"latentdyn.checksum"
_ZEROS = b"0" * 64
_PLACE = re.compile(re.escape(_CHECKSUM) + rb"..([0-9a-f]{64})", re.DOTALL)  # two bytes: thrift's type and length


def write_parquet(path: Path, table: pd.DataFrame, about: Mapping[str, Any] | None = None) -> str:
    """Write a table as zstd parquet; equal tables give equal files.

    Args:
        about: what the file says of itself beside its digest (see `parquet_facts`).

    Returns:
        The digest of the table's content, as `table_sha256` gives it.
    """
    return write_parquet_blocks(path, [table], about)


def write_parquet_blocks(path: Path, blocks: Iterable[pd.DataFrame], about: Mapping[str, Any] | None = None) -> str:
    """Write a table that comes in blocks of rows, at least one, as `write_parquet` writes it whole.

    A block's categories may be others than those of the first block.

    Returns:
        The digest of the whole table's content.
    """
    digest = _Digest()
    with atomic_path(path) as temporary, open(temporary, "w+b") as file:  # Python tells what is wrong with a disk
        written = (digest.of(block) for block in blocks)
        first = _arrow(next(written))
        with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
            writer.write_table(first)
            for block in written:
                writer.write_table(_arrow(block).cast(first.schema))
            facts = canonical_json({**(about or {}), "digest": digest.hexdigest()})
            writer.add_key_value_metadata({_FACTS: facts.encode(), _CHECKSUM: _ZEROS})
        file.flush()
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        file.seek(_place(whole)[0])
        file.write(_checksum(path, whole).encode())
    return digest.hexdigest()


def read_parquet(
    path: Path,
    columns: Sequence[str],
    *,
    made_by: str,
    handle: Path | None = None,
    output: Path | None = None,
    categories: Sequence[str] = (),
) -> pd.DataFrame:
    """Read the named columns.

    Args:
        categories: columns of few different texts, to be read as pandas' categories: they are read and chosen from in
            a fraction of the time.
        handle: of the table, if it has one: JSON whose `digest` is that of the table's content.
        output: what the rule declares and a user must delete to have it made again, if it is neither of the two.

    Raises:
        UserError: the file is missing, is not as it was written, lacks a column, or is another table than the one that
            its handle describes; `made_by` names the rule that makes it.
    """
    fix = _fix(output or handle or path, made_by)
    content = _verified(path, made_by, fix, lost=fix if output else None)
    with _readable(path, fix):
        file = _opened(path, content, columns, fix, handle, made_by, categories)
        read = (file.read([column], use_threads=False) for column in columns)  # one by one, so that none is there twice
        if not columns:  # to verify it
            return file.read([]).to_pandas()
        return pd.concat([table.to_pandas(self_destruct=True) for table in read], axis=1)


def read_parquet_blocks(path: Path, columns: Sequence[str], *, made_by: str, handle: Path) -> Iterator[pd.DataFrame]:
    """The named columns of a table that has a handle, in the blocks that it was written in, at least one.

    Raises:
        UserError: as of `read_parquet`.
    """
    fix = _fix(handle, made_by)
    content = _verified(path, made_by, fix)
    with _readable(path, fix):
        file = _opened(path, content, columns, fix, handle, made_by)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, list(columns), use_threads=False).to_pandas()
        if not file.num_row_groups:
            yield file.read(list(columns)).to_pandas()


def read_manifest(path: Path, columns: Sequence[str], *, made_by: str) -> pd.DataFrame:
    """Read the named columns of a manifest, whose handle is the .json of the same name beside it.

    Raises:
        UserError: as of `read_parquet`, or it is the manifest of another corpus.
    """
    handle = Path(path).with_suffix(".json")
    table = read_parquet(path, columns, made_by=made_by, handle=handle)
    check_folders(handle, read_json(handle, made_by=made_by))
    return table


def read_manifest_blocks(path: Path, columns: Sequence[str], *, made_by: str) -> Iterator[pd.DataFrame]:
    """The same in the blocks that it was written in, at least one.

    Raises:
        UserError: as of `read_manifest`.
    """
    handle = Path(path).with_suffix(".json")
    blocks = read_parquet_blocks(path, columns, made_by=made_by, handle=handle)
    first = next(blocks)
    check_folders(handle, read_json(handle, made_by=made_by))
    yield first
    yield from blocks


def parquet_facts(path: Path, *, made_by: str) -> dict[str, Any]:
    """What a file says of itself: the `digest` of its content, and what `write_parquet` was told about it.

    Raises:
        UserError: the file is missing, or is not as it was written.
    """
    return _facts(_verified(path, made_by, _fix(path, made_by)))


def table_sha256(table: pd.DataFrame) -> str:
    """Digest of a table's columns and values, whatever file it came from."""
    digest = _Digest()
    digest.of(table)
    return digest.hexdigest()


class _Digest:
    """Of a table that comes in blocks: of its columns, and of a hash of each row."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._columns: list[str] | None = None

    def of(self, block: pd.DataFrame) -> pd.DataFrame:
        """Add a block, and hand it on."""
        if self._columns is None:
            self._columns = [str(column) for column in block.columns]
            self._digest.update(canonical_json(self._columns).encode())
        self._digest.update(pd.util.hash_pandas_object(block, index=False, categorize=False).to_numpy().tobytes())
        return block

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _arrow(block: pd.DataFrame) -> pa.Table:
    """Categories are numbered by int32, so that blocks of few and of many are of one type."""
    table = pa.Table.from_pandas(block, preserve_index=False)
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            column = table.column(place).combine_chunks()
            column = pa.DictionaryArray.from_arrays(
                column.indices.cast(pa.int32()), column.dictionary, ordered=field.type.ordered
            )
            table = table.set_column(place, pa.field(field.name, column.type), column)
    return table


def _opened(
    path: Path,
    content: Buffer,
    columns: Sequence[str],
    fix: str,
    handle: Path | None,
    made_by: str,
    categories: Sequence[str] = (),
) -> pq.ParquetFile:
    if handle is not None and _facts(content)["digest"] != read_json(handle, made_by=made_by).get("digest"):
        raise UserError(f"this table is not the one that {handle} describes", path, fix)
    file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=list(categories))
    if missing := [column for column in columns if column not in file.schema_arrow.names]:
        raise KeyError(f"it has no column {missing[0]}")
    return file


@contextlib.contextmanager
def _readable(path: Path, fix: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"this table cannot be read ({str(error).splitlines()[0]})", path, fix) from None


def _verified(path: Path, made_by: str, fix: str, lost: str | None = None) -> Buffer:
    """The bytes of a file that is as it was written. lost: what to do if it is missing; None: nothing but run again."""
    try:
        with open(path, "rb") as file:
            empty = not os.fstat(file.fileno()).st_size  # such a file cannot be mapped
            content = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        again = lost or f"let Snakemake make it (rule {made_by})"
        raise UserError("a table this step needs is missing", path, again) from None
    except (IsADirectoryError, PermissionError) as error:  # nothing that should be deleted
        raise UserError(f"this table cannot be read ({error.strerror})", path, NOT_READABLE.format(made_by)) from None
    except OSError as error:
        raise UserError(f"this table cannot be read ({error.strerror})", path, fix) from None
    try:
        start, end = _place(content)
    except ValueError:
        whole = content[:4] == content[-4:] == b"PAR1"
        raise UserError(f"this table {NO_CHECKSUM if whole else 'is not a whole parquet file'}", path, fix) from None
    if content[start:end].decode() != _checksum(path, content):
        raise UserError(f"this table {OTHER_CHECKSUM}", path, fix)
    return content


def _place(content: Buffer) -> tuple[int, int]:
    """Where the checksum is: the last such place, as the metadata is at a file's end.

    Raises:
        ValueError: there is none.
    """
    places = list(_PLACE.finditer(content, max(0, content.rfind(_CHECKSUM))))
    if not places:
        raise ValueError
    return places[-1].span(1)


def _checksum(path: Path, content: Buffer) -> str:
    """Of a file's name and of its bytes, with zeros in the place of the checksum."""
    start, end = _place(content)
    digest = hashlib.sha256(Path(path).name.encode() + b"\n")
    view = memoryview(content)
    for piece in (view[:start], _ZEROS, view[end:]):
        digest.update(piece)
    return digest.hexdigest()


def _facts(content: Buffer) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(pq.read_metadata(pa.BufferReader(content)).metadata[_FACTS])
    return facts


def _fix(delete: Path, made_by: str) -> str:
    return f"delete {delete} and run the same command again: rule {made_by} makes it"
