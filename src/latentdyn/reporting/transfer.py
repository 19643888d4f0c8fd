"""What a table says of predictors that were fitted to another corpus than the one that they are evaluated on."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from latentdyn.metrics import SPEAKERS_SEEN
from latentdyn.reporting.measurements import Measurements


def corpus_named(table: dict[str, Any], plan: dict[str, Any]) -> str:
    """The corpus of a table, for its caption."""
    return f"{plan['corpus']}, fitted on {table['fitted_on']}" if table.get("fitted_on") else str(plan["corpus"])


def with_origin(rows: pd.DataFrame, table: dict[str, Any]) -> pd.DataFrame:
    """Rows with a last column `fitted_on`, where that is another corpus."""
    return rows.assign(fitted_on=table["fitted_on"]) if table.get("fitted_on") else rows


def notes_on_transfer(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Iterator[str]:
    """What a reader must know of such a table; nothing of any other one."""
    if not (other := table.get("fitted_on")):
        return
    yield (
        f"**Fitted on corpus `{other}`, evaluated on corpus `{plan['corpus']}`.** Predictors, densities without a "
        f"context and all baselines are fitted to training speakers of `{other}`, and its validation speakers choose "
        f"steps and ridges. Nothing is fitted to `{plan['corpus']}`: its splits, `train` too, only say whose frames "
        "are scored."
    )
    counts = measured.records[measured.records.metric == SPEAKERS_SEEN.name]
    for (split,), mine in counts[counts["split"].isin(table["splits"])].groupby(["split"], sort=False):
        seen, speakers = int(mine["value"].max()), int(mine["n"].max())
        if seen:
            yield (
                f"**Caution:** {seen} of the {speakers} speakers in {split} of `{plan['corpus']}` have the name of a "
                f"training or validation speaker of `{other}`. If they are the same people, the predictors know them."
            )
