"""The one schema of metric records: long, one value a row, what it was measured on beside it.

A value that is not finite is never left to be guessed at: `status` says `overflow` (the quantity grew beyond what a
float holds), `undefined` (there is nothing to compute it from) or `ok`.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from latentdyn.errors import UserError
from latentdyn.files import read_json, write_json

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Record:
    """One measured value. None stands for 'does not apply' (no horizon, no rollout step, ...)."""

    metric: str
    unit: str
    value: float | None
    n: int
    split: str
    slice: str = "all"
    horizon: int | None = None
    step: int | None = None
    mode: str | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    status: str = "ok"


# identity first, then the record: the columns of metrics.parquet
IDENTITY = ("corpus", "representation", "predictor", "regime", "seed")
DTYPES = {
    "corpus": "str", "representation": "str", "predictor": "str", "regime": "str", "seed": "Int64", "split": "str",
    "slice": "str", "horizon": "Int64", "step": "Int64", "mode": "str", "metric": "str", "unit": "str",
    "value": "float64", "n": "int64", "ci_low": "float64", "ci_high": "float64", "status": "str",
}  # fmt: skip


def record(metric: str, unit: str, value: float, n: int, **where: Any) -> Record:
    """A record whose status follows from the value; +inf is an overflow, NaN is undefined."""
    value = float(value)
    if math.isfinite(value):
        return Record(metric, unit, value, n, **_finite_interval(where))
    status = "undefined" if math.isnan(value) else "overflow"
    return Record(metric, unit, None, n, **_finite_interval(where), status=status)


def _finite_interval(where: dict[str, Any]) -> dict[str, Any]:
    for bound in ("ci_low", "ci_high"):
        if where.get(bound) is not None and not math.isfinite(where[bound]):
            where = {**where, bound: None}
    return where


def write_metrics(path: Path, records: list[Record], worst_frames: list[dict[str, Any]] | None = None) -> None:
    """Write metrics.json: the records, and the frames that a mean hides."""
    write_json(
        path,
        {"schema_version": SCHEMA_VERSION, "records": [asdict(r) for r in records], "worst_frames": worst_frames or []},
    )


def read_metrics(path: Path, identity: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The records of one metrics.json, with the columns of `identity` (corpus, predictor, ...) added; its worst frames.

    Raises:
        UserError: missing, not JSON, or written by another version.
    """
    content = read_json(path, made_by="evaluate_predictor or cluster_contexts")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise UserError("these metrics were written by another version", path, "delete the file and rerun Snakemake")
    table = pd.DataFrame(content["records"], columns=[name for name in DTYPES if name not in IDENTITY])
    return table.assign(**identity)[list(DTYPES)].astype(DTYPES), pd.DataFrame(content["worst_frames"])
