"""`tables`: what a run makes, a kind a module. An entry names what its rows are measured with, and the DAG follows."""

from typing import TYPE_CHECKING

from latentdyn.config.kinds import any_kind_of, import_all
from latentdyn.config.tables.base import TableKind

import_all(__name__)

if TYPE_CHECKING:
    Table = TableKind
else:
    Table = any_kind_of(TableKind)

__all__ = ["Table", "TableKind"]
