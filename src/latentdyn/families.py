"""Families of kinds. Each kind is one module, found by the kind's own word; no list of them is kept anywhere.

Light on purpose: the Snakefile asks for modules at parse time, for the digests of their code.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any

from latentdyn.errors import UserError


@dataclass(frozen=True)
class Family:
    """noun: what one of the family is called. place: pattern of its modules' names. holds: what each module defines."""

    noun: str
    place: str
    holds: str

    def module(self, kind: str) -> str:
        """The name of a kind's module."""
        return self.place.format(kind)

    def load(self, kind: str) -> Any:
        """What a kind's module defines under the family's name.

        Raises:
            UserError: there is no such kind.
        """
        try:
            return getattr(importlib.import_module(self.module(kind)), self.holds)
        except (ModuleNotFoundError, AttributeError) as error:
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            if missing and not f"{self.module(kind)}.".startswith(f"{missing}."):
                raise  # the module is there, and lacks something that it imports
            raise UserError(
                f"there is no {self.noun} of kind '{kind}'",
                f"kind of the {self.noun}",
                f"use {', '.join(self.kinds())}",
            ) from None

    def kinds(self) -> list[str]:
        """All kinds, sorted. It imports every module of the family's package, which may take seconds."""
        package = importlib.import_module(self.place.partition(".{}")[0])
        names = [name for _, name, is_package in pkgutil.iter_modules(package.__path__) if is_package == self._nested]
        return sorted(name for name in names if hasattr(importlib.import_module(self.module(name)), self.holds))

    @property
    def _nested(self) -> bool:
        """Whether a kind is a package, which holds the module."""
        return not self.place.endswith("{}")


CODECS = Family("codec", "latentdyn.codecs.{}", "CODEC")
TRANSFORMS = Family("derived representation", "latentdyn.representations.{}", "TRANSFORM")
PROCESSES = Family("process", "latentdyn.processes.{}", "PROCESS")
PREDICTORS = Family("predictor", "latentdyn.predictors.{}", "PREDICTOR")
MODELS = Family("fitted model", "latentdyn.models.{}.fitting", "FITTING")
METRICS = Family("metric of reconstructions", "latentdyn.models.vae.{}", "METRIC")
MEASUREMENTS = Family("measurement", "latentdyn.measurements.{}", "measure")
VIEWS = Family("table", "latentdyn.reporting.views.{}", "tabulate")
