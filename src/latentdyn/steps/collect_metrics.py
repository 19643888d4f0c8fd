"""Join all that the rows of a table were measured with: records, sums by speaker, worst frames."""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from latentdyn.diagnostics.records import DTYPES, read_metrics
from latentdyn.parquet import read_parquet, write_parquet
from latentdyn.reporting.measurements import SPEAKERS, WORST_FRAMES
from latentdyn.steps.cli import run_step

_IDENTITY = ("representation", "predictor", "seed")
# what says where a speaker's sum is of, by the rule that made it
_PLACES = {"evaluate_predictor": ("horizon",), "inject_truth": ("mode", "step")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics", type=Path, required=True, nargs="+", help="metrics.json files")
    parser.add_argument("--speakers", type=Path, default=[], nargs="*", help="the speakers.parquet of each evaluation")
    parser.add_argument(
        "--injection-speakers", type=Path, default=[], nargs="*", help="the injection_speakers.parquet of each forecast"
    )
    parser.add_argument(
        "--identities", type=json.loads, required=True, nargs="+",
        help="what each was measured on, as JSON: corpus, representation, predictor, regime, seed; evaluations first, "
        "then forecasts",
    )  # fmt: skip
    parser.add_argument("--metrics-out", type=Path, required=True, help="parquet to write")
    parser.add_argument("--speakers-out", type=Path, required=True, help="parquet to write")
    parser.add_argument("--worst-frames-out", type=Path, required=True, help="parquet to write")


def step(arguments: argparse.Namespace) -> None:
    found = [read_metrics(path, who) for path, who in zip(arguments.metrics, arguments.identities, strict=True)]
    sums = [(path, "evaluate_predictor") for path in arguments.speakers]
    sums += [(path, "inject_truth") for path in arguments.injection_speakers]
    speakers = [
        _read_sums(path, made_by).assign(**_identity(who))
        for (path, made_by), who in zip(sums, arguments.identities, strict=False)
    ]
    worst = [
        table.assign(**_identity(who))
        for (_, table), who in zip(found, arguments.identities, strict=True)
        if len(table)
    ]
    write_parquet(arguments.metrics_out, pd.concat([records for records, _ in found], ignore_index=True))
    write_parquet(arguments.speakers_out, _joined(speakers, SPEAKERS))
    write_parquet(arguments.worst_frames_out, _joined(worst, WORST_FRAMES))


def _read_sums(path: Path, made_by: str) -> pd.DataFrame:
    """Sums by speaker; forecasts have no horizon, evaluations neither mode nor step: null."""
    columns = [name for name in SPEAKERS if name not in _IDENTITY]
    places = {name: DTYPES[name] for names in _PLACES.values() for name in names}
    present = [name for name in columns if name not in places or name in _PLACES[made_by]]
    return read_parquet(path, present, made_by=made_by).reindex(columns=columns).astype(places)


def _identity(who: dict[str, Any]) -> dict[str, Any]:
    return {name: who[name] for name in _IDENTITY}


def _joined(tables: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(tables, ignore_index=True)[list(columns)]


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
