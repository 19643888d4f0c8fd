"""What can't change a result, and so counts for nothing in a digest of code: the whole list, with the reasons.

Docstrings, comments, layout and annotations count for nothing either: `normal` removes those by their form.
"""

# Modules and definitions. Neither they nor what only they reach counts.
DEFINITIONS = {
    "latentdyn:__version__": "a number for people; run records hold it, artifacts don't",
    "latentdyn.errors": "it holds the texts of an error; a step that raises one makes nothing",
    "latentdyn.progress": "it draws on the terminal and passes on what it is given",
    "latentdyn.provenance": "run records lie beside the artifacts and no step reads them",
    "latentdyn.steps.cli": "it parses the command line and prints errors; what a step computes with is in the step",
    "latentdyn.steps.settings": "it refuses settings; those of a rule are whole, and pass as they are",
    "latentdyn.devices:describe_device": "run records hold what it says",
    "latentdyn.devices:take_card": "it waits for a GPU that no other job works on, and changes nothing else",
}

_LEVELS = ("critical", "debug", "error", "exception", "info", "log", "warning")

# Calls that count for nothing where the call is a whole statement.
STATEMENTS = {
    **{f"logging.{level}": "a line of the log" for level in _LEVELS},
    "warnings.warn": "a line of the log",
    "latentdyn.devices.take_card": "it waits for a GPU that no other job works on, and changes nothing else",
    "latentdyn.provenance.write_run_record": "run records lie beside the artifacts and no step reads them",
}

# Calls whose arguments count for nothing: an error's text. The class that is raised still counts. Of other classes,
# the arguments that are text count for nothing where they are raised: some carry a number that a handler reads.
ERRORS = {"latentdyn.errors.UserError": "only latentdyn.steps.cli catches one, and prints it"}

_SHOWN = {
    "ascii", "bar_format", "colour", "desc", "disable", "dynamic_ncols", "leave", "maxinterval", "mininterval",
    "miniters", "ncols", "postfix", "smoothing", "unit", "unit_divisor", "unit_scale",
}  # fmt: skip
_HELP = {"description", "epilog", "help", "metavar", "prog"}

# Keyword arguments that count for nothing, by the call: a full name, or a method's name after a dot.
KEYWORDS = {
    "latentdyn.progress.progress": _SHOWN,  # how a bar looks; its total and what it goes through count
    "tqdm.tqdm": _SHOWN,
    "argparse.ArgumentParser": _HELP,  # what --help prints; names, types and defaults count
    ".add_argument": _HELP,
    ".add_argument_group": _HELP,
    ".add_parser": _HELP,
}

# The same for steps that measure. Tables and figures show these, so they count there (`presentation=True`).
PRESENTATION = {"latentdyn.metrics.Metric": {"better", "decimals", "sentence"}}

# Calls that only look. What stands in a line of the log, in a text or in the look of a bar is left out only where all
# its calls are among these: any other one might change a tensor, take from an iterator or draw random numbers. The
# second take from what they are given, so they only look where that is no name: a name may stand for an iterator.
LOOKS = {
    "abs", "bool", "describe_device", "float", "format", "int", "isinstance", "len", "repr", "round", "str", "type",
    "with_suffix",
}  # fmt: skip
LOOKS_AT_VALUES = {"all", "any", "join", "list", "map", "max", "min", "set", "sorted", "sum", "tuple"}
