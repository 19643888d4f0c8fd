"""What a run took, by rule, beside what the seed documents' experiments took: a table of the paper."""

import pandas as pd

from latentdyn.reporting.origins import Origins
from latentdyn.reporting.sheet import Sheet

_SOURCE = "seed 003, appendix B"
# minutes on one TITAN X Pascal
PUBLISHED = {"Exp 1": 135.0, "Exp 1B": 17.0, "Exp 3": 126.0, "Exp 3B": 5 / 60, "Exp 4": 240.0, "Stage 1": 510.0}


def compute_sheet(found: Origins) -> Sheet:
    """A row for each rule that has left records, then one for each experiment whose time was published."""
    ours = [
        {"what": stage.rule, "origin": "measured", "jobs": stage.jobs, "minutes": stage.seconds / 60,
         "peak_mb": stage.peak_mb, "device": stage.devices}
        for stage in found.stages
    ]  # fmt: skip
    theirs = [
        {"what": name, "origin": "published", "minutes": minutes, "device": "TITAN X Pascal"}
        for name, minutes in PUBLISHED.items()
    ]
    notes = [
        "`minutes` are those of all jobs of a rule together; `peak_mb` is the most resident memory that a "
        "process of theirs had. Jobs that left no record are not counted. Published times are of whole experiments "
        f"({_SOURCE}), on another machine, and of more data: they do not compare row by row."
    ]
    columns = ["what", "origin", "jobs", "minutes", "peak_mb", "device"]
    rows = pd.DataFrame([*ours, *theirs], columns=columns)
    return Sheet(rows, notes, {"minutes": 2, "peak_mb": 0, "jobs": 0}, caption="What the jobs took.", by=("origin",))
