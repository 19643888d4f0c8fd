"""The configuration: strict models of everything a user can write in `config/*.yaml`, a module for each section.

Read by the Snakefile alone. Rules hand each step the part it needs as canonical JSON, so that editing these modules,
or a setting that a step does not use, re-runs nothing. `config/schema.json` is generated from here:
`python -m latentdyn.config > config/schema.json`.
"""

from latentdyn.config.whole import Config, json_schema, load_config

__all__ = ["Config", "json_schema", "load_config"]
