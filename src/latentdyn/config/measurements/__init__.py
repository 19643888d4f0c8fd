"""Kinds of measurement, a module each: what a diagnostic makes of one representation."""

from latentdyn.config.kinds import import_all
from latentdyn.config.measurements.base import Measurement, MeasurementKind, Model, measurement_kinds

import_all(__name__)

__all__ = ["Measurement", "MeasurementKind", "Model", "measurement_kinds"]
