"""The configuration: strict models of everything a user can write in `config/*.yaml`, a module for each section.

A kind (of corpus, representation, predictor, measurement, table) is one class, which answers for itself: what it needs,
what must fit, which module makes it. Read by the Snakefile alone. Rules hand each step the part it needs as canonical
JSON, so that editing these modules, or a setting that a step does not use, re-runs nothing. `config/schema.json` and
the tables of `config/README.md` are generated from here: `python -m latentdyn.config`.
"""

from latentdyn.config.loading import json_schema, load_config
from latentdyn.config.root import Config

__all__ = ["Config", "json_schema", "load_config"]
