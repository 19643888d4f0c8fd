"""Is free running bounded, and does it look like the data? Neither asks how near it comes to the true future.

Even the true model of a process falls back to the mean when run freely by its mean; its states stay where the data are.
Explosion is growth without bound: a leading growth factor of the mean map above 1, and states that leave the data
behind. By draws from its densities the true model runs on like the data for ever: `measure_free_runs` compares them.
"""

from latentdyn.diagnostics.free_runs.generation import FreeRunSettings, measure_free_runs
from latentdyn.diagnostics.free_runs.growth import Stability, free_run_stability

__all__ = ["FreeRunSettings", "Stability", "free_run_stability", "measure_free_runs"]
