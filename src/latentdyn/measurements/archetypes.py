"""Measure whether the directions of steps come back in a few kinds, the same in every voice."""

from typing import Any

from latentdyn.diagnostics.archetypes.evaluation import ArchetypeSettings, archetype_records
from latentdyn.measurements.subject import Measured, Subject


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `archetypes` of the config says."""
    energy_db = subject.store.load_energy()
    return Measured(archetype_records(subject.latents, energy_db, subject.index, ArchetypeSettings(**settings)))
