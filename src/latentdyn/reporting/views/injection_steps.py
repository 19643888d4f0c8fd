"""The injection table by step, with the ceiling of each step beside it.

A row is a representation, a predictor, a split, a mode and a step, counted from 1.
"""

from typing import Any

from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.views.injection import draw, injection_decimals, injection_notes, injection_rows

__all__ = ["draw", "tabulate"]  # the figure of the pooled table shows the steps


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row.
    """
    rows = injection_rows(measured, table, plan)
    rows = rows[rows["step"].notna() & (rows["mode"] != "ceiling")].dropna(axis="columns", how="all")
    notes = [
        *injection_notes(rows, plan),
        "`skill` is `cosine` over `ceiling_cosine`, `skill_nats` is `dnll` over `ceiling_dnll`. Both are blank at "
        "steps without a lagged predictor, and where the interval of the ceiling holds 0.",
    ]
    return Sheet(
        rows,
        notes,
        injection_decimals(rows),
        caption=f"Forecasts with injected truth by step, beside their ceiling, corpus {plan['corpus']}.",
    )
