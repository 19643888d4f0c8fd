"""Tables: a view of metric records beside the published values, in CSV (all digits), Markdown and LaTeX (to read).

Over several seeds a row shows the mean of their values; its interval is the mean of theirs (all seeds resample the same
speakers in the same way, so their intervals move together), and `dnll_seed_sd` the deviation between seeds.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.files import write_text
from latentdyn.reporting.reference import PUBLISHED_FRAME_RATE_HZ, published

_KEYS = ["representation", "predictor", "split", "slice", "k"]
_RENAMED = {  # column -> metric of the records, where the two names differ
    "nonfinite": "nll_nonfinite",
}
_PUBLISHED = {"published_dnll": "dnll", "published_cosine": "cosine", "published_r2": "r2_mean",
              "published_rollout_gap": "rollout_gap"}  # fmt: skip
_WHOLE_SPLIT = ("rollout_gap", "rollout_gap_median", "rollout_overflow")  # measured on slice `all` only

# how each column is written for people; the CSV keeps every digit
_DECIMALS = {
    "nll": 2, "nll_baseline": 2, "dnll": 2, "dnll_ci_low": 2, "dnll_ci_high": 2, "dnll_median": 2, "dnll_trimmed": 2,
    "dnll_per_dim": 3, "bits_per_frame": 1, "kbit_per_s": 3, "level_gain": 2, "cosine": 3, "cosine_ci_low": 3,
    "cosine_ci_high": 3, "r2_mean": 3, "r2_head": 3, "rollout_gap": 2, "rollout_gap_median": 2, "dnll_seed_sd": 2,
    "frame_rate_hz": 2, "ms_per_step": 1, "published_dnll": 2, "published_cosine": 3, "published_r2": 3,
    "published_rollout_gap": 1,
}  # fmt: skip


def lagged_table(
    records: pd.DataFrame,
    table: dict[str, Any],
    kinds: dict[str, str],
) -> pd.DataFrame:
    """The Phase 1 table: a row for each representation, predictor, split, slice and horizon, in the config's order.

    Args:
        records: metrics.parquet of a corpus. table: the table's section of the config.
        kinds: the kind of each predictor, and of the encoder behind each representation, to find published values.

    Raises:
        UserError: the records hold no value for a row that the table asks for.
    """
    rows = []
    for representation in table["representations"]:
        for predictor in table["predictors"]:
            mine = records[
                (records.representation == representation)
                & (records.predictor == predictor)
                & records.seed.isin(table["seeds"])
            ]
            for split in table["splits"]:
                for slice_ in table["slices"]:
                    for k in table["horizons"]:
                        keys = dict(zip(_KEYS, (representation, predictor, split, slice_, k), strict=True))
                        rows.append(_row(mine, keys, kinds))
    return pd.DataFrame(rows)[table["columns"]]


def _row(records: pd.DataFrame, keys: dict[str, Any], kinds: dict[str, str]) -> dict[str, Any]:
    here = records[(records.split == keys["split"]) & (records.horizon == keys["k"])]
    chosen = here[here.slice == keys["slice"]]
    if chosen.empty:
        raise UserError(
            f"there are no metrics for {', '.join(f'{name} = {value}' for name, value in keys.items())}",
            "the table's splits and slices",
            "leave out splits without speakers, and high_energy where the latents came without audio",
        )
    whole = here[(here.slice == "all") & here.metric.isin(_WHOLE_SPLIT)]
    by_metric = dict(tuple(pd.concat([chosen[~chosen.metric.isin(_WHOLE_SPLIT)], whole]).groupby("metric")))

    def over_seeds(metric: str, column: str = "value", reduce: Callable[..., Any] = np.mean) -> float | None:
        if metric not in by_metric:
            return None
        values = by_metric[metric]
        if column == "value" and (values.status == "overflow").any():
            return math.inf
        return float(reduce(values[column].to_numpy(np.float64)))

    row: dict[str, Any] = {**keys, "n": int(by_metric["nll"].n.iloc[0]), "seeds": chosen.seed.nunique()}
    for column in (*_DECIMALS, "speakers", "dim", "nonfinite", "rollout_overflow"):
        metric = _RENAMED.get(column, column)
        if column in _PUBLISHED:
            kind = kinds[keys["representation"]], kinds[keys["predictor"]]
            at_rate = over_seeds("frame_rate_hz") == PUBLISHED_FRAME_RATE_HZ
            row[column] = published(*kind, keys["split"], keys["k"], _PUBLISHED[column]) if at_rate else None
        elif column.endswith(("_ci_low", "_ci_high")):
            quantity, bound = column.rsplit("_ci_", 1)
            row[column] = over_seeds(quantity, f"ci_{bound}")
        elif column not in ("ms_per_step", "dnll_seed_sd"):
            row[column] = over_seeds(metric)
    for column in ("speakers", "dim", "nonfinite", "rollout_overflow"):  # counts
        row[column] = None if row[column] is None else round(row[column])
    row["ms_per_step"] = 1000 / row["frame_rate_hz"]
    row["dnll_seed_sd"] = over_seeds("dnll", reduce=lambda v: np.std(v, ddof=1)) if row["seeds"] > 1 else None
    return row


def write_table(table: pd.DataFrame, csv: Path, markdown: Path, latex: Path, notes: Sequence[str]) -> None:
    """Write one table in three forms; `notes` stand under the Markdown and LaTeX ones."""
    text = table.apply(lambda column: [_cell(value, column.name) for value in column])
    write_text(csv, table.to_csv(index=False))
    write_text(markdown, "\n".join([*_markdown_rows(text), "", *notes]) + "\n")
    body = [" & ".join(_latex(cell) for cell in row) + r" \\" for row in text.itertuples(index=False)]
    numeric = [pd.api.types.is_numeric_dtype(table[name]) or name in _DECIMALS for name in table.columns]
    write_text(
        latex,
        "\n".join(
            [
                *(f"% {note}" for note in notes if note),
                rf"\begin{{tabular}}{{{''.join('r' if n else 'l' for n in numeric)}}}",
                r"\hline",
                " & ".join(_latex(str(name)) for name in table.columns) + r" \\",
                r"\hline",
                *body,
                r"\hline",
                r"\end{tabular}",
            ]
        )
        + "\n",
    )


def _markdown_rows(text: pd.DataFrame) -> list[str]:
    """A pipe table whose columns line up when printed."""
    columns = [[str(name), *text[name]] for name in text.columns]
    widths = [max(len(cell) for cell in column) for column in columns]
    number = [all(_looks_numeric(cell) for cell in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = [c.rjust(w) if n else c.ljust(w) for c, w, n in zip(cells, widths, number, strict=True)]
        return "| " + " | ".join(padded) + " |"

    rule = (
        "|" + "|".join("-" * (w + 1) + ":" if n else "-" * (w + 2) for w, n in zip(widths, number, strict=True)) + "|"
    )
    rows = [line(cells) for cells in zip(*columns, strict=True)]
    return [rows[0], rule, *rows[1:]]


def _looks_numeric(cell: str) -> bool:
    return not cell.strip() or cell == "overflow" or cell.replace("-", "").replace(".", "").replace("e+", "").isdigit()


def _cell(value: Any, column: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isinf(value):
        return "overflow"
    if column not in _DECIMALS:
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    text = f"{value:.{_DECIMALS[column]}f}"
    return text if len(text) <= 10 else f"{value:.2e}"


def _latex(cell: str) -> str:
    for character in "\\_%&#":
        cell = cell.replace(character, "\\" + character if character != "\\" else r"\textbackslash{}")
    return cell


def lagged_notes(corpus: str, table: dict[str, Any], kinds: dict[str, str]) -> list[str]:
    """What a reader must know to read the table, one sentence or two a note."""
    notes = [
        f"Corpus `{corpus}`. Targets are one-step deltas Δx_t; k is the staleness of the context, in frames of "
        "`ms_per_step`. All k of a representation and split are scored on one set of n frames.",
        "`dnll` (ΔNLL, nats/frame, negative is good) is against a diagonal Gaussian of training deltas, its interval a "
        "95 % bootstrap over speakers. Every fitted thing saw training speakers only.",
        "`level_gain` is NLL[x_t|c] - NLL[x_t] (k = 1 only). White noise scores 0 there, but -.347 nats/dim in `dnll` "
        "and .707 in `cosine`. `r2_mean` scores ln||E[Δx|c]||, `r2_head` E[ln||Δx|| | c].",
        "`rollout_gap` is the NLL of the true Δx_t when the W frames of context are the model's own, less the "
        "teacher-forced NLL; `overflow` says that `rollout_overflow` of its frames exceeded every float.",
    ]
    if any(kinds[name] in {"mimi", "encodec"} for name in table["representations"]):
        notes.append(
            "Published values: seed documents 000, 001, 003 (LibriSpeech train-clean-100; other runs and splits)."
        )
    else:
        notes.append("No value has been published for these representations, so the published columns are empty.")
    return notes
