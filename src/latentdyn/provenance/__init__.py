"""What made a file: digests of the code that a step runs (docs/code_digests.md), and records of a run."""

from latentdyn.provenance.code import code_definitions, code_digest
from latentdyn.provenance.runs import source_commit, write_run_record

__all__ = ["code_definitions", "code_digest", "source_commit", "write_run_record"]
