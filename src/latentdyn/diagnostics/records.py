"""The one schema of metric records and of sums by speaker: long, one value a row, in files that say what they are of.

A value that is not finite is never left to be guessed at: `status` says `overflow` (the quantity grew beyond what a
float holds), `undefined` (there is nothing to compute it from), `missing` (the density does not give it) or `ok`. Every
number that says where a value is of (clusters, Langevin steps, a noise level) is a field of its own: nothing has to be
read out of a name.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from latentdyn.errors import UserError
from latentdyn.files import read_json, write_json
from latentdyn.metrics import Metric
from latentdyn.parquet import read_parquet, write_parquet

SCHEMA_VERSION = 3
_MADE_BY = "measure_..."  # one for each kind of measurement


@dataclass(frozen=True)
class Identity:
    """What a file of measurements is of.

    measurement: its kind (lagged, transfer, injection, corrections, free_runs, clusters). by: what measured it: a
    predictor, a key, or the representation itself. regime: how the predictor was trained; `clustered` of a key, `none`
    without either. seed: of the training; 0 without one. fitted_on: the corpus whose speakers `by` and all baselines
    were fitted to; `corpus` unless another one is named.
    """

    measurement: str
    corpus: str
    representation: str
    by: str
    regime: str
    seed: int
    fitted_on: str = ""

    def __post_init__(self) -> None:
        if not self.fitted_on:
            object.__setattr__(self, "fitted_on", self.corpus)

    def __str__(self) -> str:
        elsewhere = "" if self.fitted_on == self.corpus else f", fitted on {self.fitted_on}"
        return (
            f"{self.measurement} of {self.corpus}, {self.representation}, {self.by}, {self.regime}, seed {self.seed}"
            + elsewhere
        )


@dataclass(frozen=True)
class Record:
    """One measured value. None stands for 'does not apply' (no horizon, no rollout step, ...).

    step: of a forecast or free run; of an autocorrelation, the lag. mode: a word, how a forecast or free run takes its
    steps. clusters: how many. correction: which variant corrects the states of a forecast, with langevin_steps after
    every step, at the noise level sigma.
    """

    metric: str
    unit: str
    value: float | None
    n: int
    split: str
    slice: str = "all"
    horizon: int | None = None
    step: int | None = None
    mode: str | None = None
    clusters: int | None = None
    correction: str | None = None
    langevin_steps: int | None = None
    sigma: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    status: str = "ok"


IDENTITY = tuple(field.name for field in fields(Identity))
_PLACES = ("split", "slice", "horizon", "step", "mode", "clusters", "correction", "langevin_steps", "sigma")
_DTYPES = {
    **dict.fromkeys(("measurement", "corpus", "representation", "by", "regime", "fitted_on"), "str"), "seed": "int64",
    **dict.fromkeys(("split", "slice", "mode", "correction", "metric", "unit", "status", "speaker_id"), "str"),
    **dict.fromkeys(("horizon", "step", "clusters", "langevin_steps"), "Int64"),
    **dict.fromkeys(("sigma", "value", "ci_low", "ci_high", "total"), "float64"), "n": "int64",
}  # fmt: skip
_WORST = ("split", "horizon", "utterance_id", "t", "time_s", "nll", "dnll", "delta_norm")
# columns and types of records, and of sums over the frames of each speaker, as they are read
RECORDS = {
    name: _DTYPES[name] for name in (*IDENTITY, *_PLACES, "metric", "unit", "value", "n", "ci_low", "ci_high", "status")
}
SUMS = {name: _DTYPES[name] for name in (*IDENTITY, *_PLACES, "metric", "speaker_id", "total", "n")}
WORST_FRAMES = (*IDENTITY, *_WORST)


def record(metric: Metric, value: float, n: int, **where: Any) -> Record:
    """A record whose status follows from the value; +inf is an overflow, NaN is undefined."""
    value = float(value)
    if math.isfinite(value):
        return Record(metric.name, metric.unit, value, n, **_finite_interval(where))
    status = "undefined" if math.isnan(value) else "overflow"
    return Record(metric.name, metric.unit, None, n, **_finite_interval(where), status=status)


def _finite_interval(where: dict[str, Any]) -> dict[str, Any]:
    for bound in ("ci_low", "ci_high"):
        if where.get(bound) is not None and not math.isfinite(where[bound]):
            where = {**where, bound: None}
    return where


def write_metrics(
    path: Path,
    identity: Identity,
    records: Sequence[Record],
    worst_frames: Sequence[dict[str, Any]] = (),
    *,
    data: Mapping[str, str] | None = None,
    sums: str | None = None,
) -> None:
    """Write a file of metrics: what it is of, the records, and the frames that a mean hides.

    Args:
        data: digests of what was measured, and of what measured it. sums: digest of the sums by speaker that belong to
            it, if any do.
    """
    content = {
        "data": dict(data or {}),
        "sums": sums,
        "records": [vars(r) for r in records],
        "worst_frames": list(worst_frames),
    }
    write_json(path, {"schema_version": SCHEMA_VERSION, "identity": asdict(identity), **content})


class Metrics(NamedTuple):
    """A file of metrics: its records (columns RECORDS) and worst frames (columns WORST_FRAMES), each with the identity;
    the digest of the sums that belong to it, None if none do."""

    records: pd.DataFrame
    worst_frames: pd.DataFrame
    sums: str | None


def read_metrics(path: Path) -> Metrics:
    """What one file of metrics holds.

    Raises:
        UserError: missing, not as it was written, written by another version, or not a file of metrics.
    """
    fix = f"delete {path} and run the same command again: Snakemake measures it anew"
    content = read_json(path, made_by=_MADE_BY)
    if not {"schema_version", "identity", "records", "worst_frames"} <= content.keys():
        raise UserError("this is not a file of metrics, or another version wrote it", path, fix)
    if content["schema_version"] != SCHEMA_VERSION:
        raise UserError("these metrics were written by another version", path, fix)
    identity = asdict(Identity(**content["identity"]))
    worst = pd.DataFrame(content["worst_frames"], columns=list(_WORST)).assign(**identity)
    records = records_table(identity, content["records"])
    return Metrics(records, worst[list(WORST_FRAMES)], content["sums"])


def records_table(identity: Mapping[str, Any], records: Sequence[Record | dict[str, Any]]) -> pd.DataFrame:
    """Records as a table with the columns RECORDS.

    Args:
        identity: the fields of what they are of.
    """
    columns = [name for name in RECORDS if name not in IDENTITY]
    return pd.DataFrame(records, columns=columns).assign(**identity)[list(RECORDS)].astype(RECORDS)


def write_sums(path: Path, identity: Identity, sums: pd.DataFrame) -> str:
    """Write sums over the frames of each speaker: columns metric, speaker_id, total, n, and those of the places that
    apply (split, slice, horizon, ...); the others are null. Returns their digest."""
    return write_parquet(path, sums_table(asdict(identity), sums))


def sums_table(identity: Mapping[str, Any], sums: pd.DataFrame) -> pd.DataFrame:
    """Sums over the frames of each speaker, as `write_sums` takes them, with the columns SUMS."""
    places = [name for name in _PLACES if name not in sums]
    return sums.assign(**identity, **dict.fromkeys(places))[list(SUMS)].astype(SUMS)


def read_sums(path: Path) -> pd.DataFrame:
    """Sums as `write_sums` wrote them, with the columns SUMS.

    Raises:
        UserError: missing, or not a file of sums.
    """
    return read_parquet(path, list(SUMS), made_by=_MADE_BY).astype(SUMS)
