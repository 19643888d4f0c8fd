"""The configuration: strict models of everything a user can write in `config/*.yaml`, a module for each section.

A kind (of corpus, representation, predictor, measurement, table) is one class, which answers for itself: what it needs,
what must fit, which module makes it. Only the Snakefile reads a configuration. Rules give each step the part that it
needs, as canonical JSON. So an edit of these modules, or of a setting that a step does not use, re-runs nothing.
`config/schema.json` and the tables of `config/README.md` are generated from here: `python -m latentdyn.config`.
"""

from latentdyn.config.files import check_command_line, check_files
from latentdyn.config.loading import json_schema, load_config
from latentdyn.config.root import Config

__all__ = ["Config", "check_command_line", "check_files", "json_schema", "load_config"]
