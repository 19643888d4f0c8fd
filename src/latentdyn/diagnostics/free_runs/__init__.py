"""Free runs: do they stay bounded, and do they look like the data?

Neither question asks how close a run comes to the true future. When the true model of a process runs freely by its
mean, its states fall back to the mean of the data and stay there. An explosion is growth without bound: small
differences grow (a growth factor above 1), and the states leave the data behind (`growth`). When the true model runs
freely by draws from its densities, its states have the distribution of the data at every step (`comparison` compares
the two).
"""

from latentdyn.diagnostics.free_runs.comparison import FreeRunSettings, measure_free_runs
from latentdyn.diagnostics.free_runs.growth import Growth, free_run_growth

__all__ = ["FreeRunSettings", "Growth", "free_run_growth", "measure_free_runs"]
