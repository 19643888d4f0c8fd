"""`tables`: what a run makes, a kind a module. An entry names what its rows are measured with, and the DAG follows."""

from latentdyn.config.kinds import import_all
from latentdyn.config.tables.base import Plan, TableKind

import_all(__name__)

__all__ = ["Plan", "TableKind"]
