"""Measure whether clusters of contexts tell about the next step (Phase 0)."""

from typing import Any

from latentdyn.diagnostics.clusters import ClusteringSettings, cluster_contexts
from latentdyn.diagnostics.clusters.keys import build_key
from latentdyn.measurements.subject import Measured, Subject


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` by the entry `key` of `keys`, as the section `clustering` of the config says."""
    return Measured(
        cluster_contexts(
            build_key(settings["key"]),
            subject.latents,
            subject.index,
            ClusteringSettings(**settings["clustering"]),
            seed_names=("evaluate",),  # of a large split, the same frames as the predictors
        )
    )
