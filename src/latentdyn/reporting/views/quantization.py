"""The same encoder, continuous and dequantized at several depths, and its codes as tokens (seed 002, §2).

A row is a representation, a predictor, a split and a horizon. Columns of codes are of the representation and split, and
stand in the rows of k = 1 only.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.metrics import (
    CODE_BITS_PER_S,
    FRAME_INFORMATION,
    TOKEN_BITS_PER_S,
    TOKEN_BITS_PER_S_ALONE,
    TOKEN_INFORMATION,
)
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title
from latentdyn.reporting.views.lagged import METRICS, lagged_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOKENS = (FRAME_INFORMATION, TOKEN_BITS_PER_S, TOKEN_BITS_PER_S_ALONE, TOKEN_INFORMATION)
_BOUNDS = ("ci_low", "ci_high")
_USUAL = ("representation", "predictor", "split", "k", "n", "dnll", "context_gain", "level_gain", "cosine")


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments and errors as of `lagged.tabulate`."""
    rows = _rows(measured, table, plan)
    added = [CODE_BITS_PER_S, *_TOKENS]
    shown = [*_USUAL, *(name for m in added for name in (m.name, *(f"{m.name}_{bound}" for bound in _BOUNDS)))]
    notes = [
        f"Corpus `{plan['corpus']}`. One encoder, continuous and dequantized: the frames of a `quantized` row are sums "
        "of codewords of the codec's own quantizer, `code_bits_per_s` of them. The CSV holds more columns.",
        "`dnll`, `context_gain`, `level_gain` and `cosine` are those of the Phase 1 table, of a density over frames. "
        "Dequantized frames lie on points, where such a density can be as high as one likes: compare their `cosine`, "
        "and their likelihoods only with care.",
        "The token view does not depend on that. `token_bits_per_s` is the cross-entropy of the codes given the frames "
        "before, `token_bits_per_s_alone` that of the same small model without them, and `token_information` the "
        "difference: what the past tells of the codes. `frame_information` is what the past tells of the frames (eval "
        "only), as far as linear Gaussian laws can say it. So codes and frames stand on one axis. Both belong to k = "
        "1. Intervals are 95 % bootstraps over speakers.",
    ]
    decimals = {name: m.decimals for name, m in METRICS.items()}
    decimals |= {f"{m.name}{end}": m.decimals for m in added for end in ("", "_ci_low", "_ci_high")}
    shown = [name for name in shown if name in rows and (name in _USUAL or rows[name].notna().any())]
    return Sheet(
        rows,
        notes,
        decimals,
        caption=f"One encoder, continuous and dequantized, corpus {plan['corpus']}.",
        columns=shown,
        by=("predictor", "split"),
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """What the past tells in bits a second, by row: of the frames, and of the codes."""
    from matplotlib.figure import Figure

    rows = _rows(measured, table, plan)
    rows = rows[rows["k"] == table["horizons"][0]]
    figure = Figure(figsize=(9, 1.5 + 0.3 * len(rows)), layout="constrained")
    panel, places = figure.subplots(), range(len(rows))
    for metric, marker in ((FRAME_INFORMATION, "o"), (TOKEN_INFORMATION, "s")):
        if metric.name in rows:
            panel.plot(rows[metric.name].astype(float), places, marker, label=title(metric.name, metric))
    panel.set_yticks(places, [f"{r.representation}, {r.predictor}, {r.split}" for r in rows.itertuples()], fontsize=8)
    panel.invert_yaxis()
    panel.axvline(0, color="0.6", linewidth=0.6)
    panel.legend(fontsize=8, frameon=False)
    return figure


def _rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    rows = lagged_rows(measured, {**table, "slices": ["all"]}, plan)
    said = measured.about_latents
    codes = said[said["metric"] == CODE_BITS_PER_S.name].drop_duplicates("representation")
    rows[CODE_BITS_PER_S.name] = rows["representation"].map(dict(zip(codes.representation, codes.value, strict=True)))
    for metric in _TOKENS:
        for column in ("value", *_BOUNDS):
            name = metric.name if column == "value" else f"{metric.name}_{column}"
            rows[name] = [
                measured.where(measurement="tokens", representation=r.representation, split=r.split).over_seeds(
                    metric.name, column
                )
                if r.k == 1
                else None
                for r in rows.itertuples()
            ]
    return rows
