"""Tables on disk: parquet written whole or not at all, read with the columns a step relies on."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from latentdyn.errors import UserError
from latentdyn.files import atomic_path, canonical_json


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table as zstd parquet; equal tables give equal files."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def read_parquet(path: Path, columns: Sequence[str], *, made_by: str) -> pd.DataFrame:
    """Read the named columns.

    Raises:
        UserError: the file is missing, truncated or lacks a column; `made_by` names the rule that makes it.
    """
    try:
        return pd.read_parquet(path, columns=list(columns))
    except FileNotFoundError:
        raise UserError("a table this step needs is missing", path, f"let Snakemake make it (rule {made_by})") from None
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"this table cannot be read ({str(error).splitlines()[0]})", path, f"delete it and rerun rule {made_by}"
        ) from None


def table_sha256(table: pd.DataFrame) -> str:
    """Digest of a table's columns and values, whatever file it came from."""
    digest = hashlib.sha256(canonical_json([str(column) for column in table.columns]).encode())
    digest.update(pd.util.hash_pandas_object(table, index=False, categorize=False).to_numpy().tobytes())
    return digest.hexdigest()
