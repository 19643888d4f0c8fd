"""Whether the judge of learned representations can be trusted: the rows of a certificate that are of what it measures.

Tables of kind `learned` judge by decoded skill and state information. A `calibration` table measures both of processes
whose exact values are known. It may be of another run: the page shows it where it is there, and else how to make it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from latentdyn.metrics import DECODED_SKILL, STATE_INFORMATION_WHOLE
from latentdyn.reporting.page.tables import PageTable, page_table
from latentdyn.reporting.stored import StoredSheet

_KIND = "learned"
_METRICS = (DECODED_SKILL.name, STATE_INFORMATION_WHOLE.name)
_COMMAND = "snakemake --cores all --configfile config/calibration.yaml"


@dataclass(frozen=True)
class Judge:
    """table: the judge's rows of a certificate; None if there is no such certificate. agreed: how many of them agree.
    command: makes the certificate."""

    table: PageTable | None
    agreed: int = 0
    command: str = _COMMAND


def judge(tables: Iterable[StoredSheet], certificates: Sequence[StoredSheet]) -> Judge | None:
    """What a page of these tables says of its judge; None if none of them is judged."""
    if not any(table.settings.get("kind") == _KIND for table in tables):
        return None
    for certificate in certificates:
        rows = certificate.sheet.rows
        rows = rows[rows["diagnostic"].isin(_METRICS)].reset_index(drop=True) if "diagnostic" in rows else rows[:0]
        if len(rows):
            found = page_table(replace(certificate, sheet=replace(certificate.sheet, rows=rows, below=None)))
            return Judge(found, int((rows["agrees"] != "no").sum()))
    return Judge(None)
