"""From the merged YAML files to a checked configuration, and its JSON schema."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from latentdyn.config.files import DEEPEST, line_of
from latentdyn.config.files import shown as shown_file
from latentdyn.config.mistakes import describe
from latentdyn.config.root import Config
from latentdyn.errors import UserError

Mistake = tuple[Sequence[str], str]  # the keys that lead to it, and what is wrong there

_LARGEST = 10**300  # whole numbers beyond it are no numbers of anything


def load_config(values: Any, files: Sequence[str | Path] = (), overrides: Mapping[str, Any] | None = None) -> Config:
    """Validate a merged configuration.

    Args:
        values: what the files and `--config` say. files: they were read from, in order, to say where a mistake stands.

    Raises:
        UserError: names each mistake by its dotted path, and by file and line where a file has it.
    """
    mistakes: list[Mistake] = list(_not_json(values, ()))
    if not mistakes:
        try:
            return Config.model_validate_json(json.dumps(values))
        except ValidationError as error:
            mistakes = [found for place, what in describe(error, Config) for found in _told(place, what)]
    raise UserError(
        f"the configuration is not valid: {'; '.join(dict.fromkeys(_sentence(*mistake) for mistake in mistakes))}",
        _where([place for place, _ in mistakes], files, overrides or {}),
        "correct the keys named above; config/README.md lists every key",
    )


def _sentence(place: Sequence[str], what: str) -> str:
    dotted = ".".join(key if key.isprintable() else ascii(key) for key in place)
    return f"{dotted}: {what}" if place else what


def _told(place: list[str], what: str) -> Iterator[Mistake]:
    """The mistakes in one of pydantic's. Those of sections that do not fit each other come together, a line each."""
    if place:
        yield place, what
        return
    for line in what.splitlines():
        dotted, _, said = line.partition(": ")
        yield (dotted.split("."), said) if said else ([], line)


def _where(places: Sequence[Sequence[str]], files: Sequence[str | Path], overrides: Mapping[str, Any]) -> str:
    """Files and lines of some values; where no file has one of them, all that was read."""
    lines = ["--config" if _has(overrides, place) else line_of(files, place) for place in places]
    if lines and all(lines):
        return "; ".join(dict.fromkeys(map(str, lines)))
    names = ", ".join(dict.fromkeys(shown_file(file) for file in files)) or "config/config.yaml and every --configfile"
    return f"the merged config ({names}, --config)"


def _has(values: Any, place: Sequence[str]) -> bool:
    """Whether a mapping has a path of keys, or the value that it leads to at an earlier key."""
    for key in place:
        if not isinstance(values, Mapping):
            return True
        if key not in values:
            return False
        values = values[key]
    return bool(place)


def _not_json(value: Any, place: tuple[str, ...]) -> Iterator[Mistake]:
    """Keys and values that JSON cannot hold, by their place."""
    if len(place) > DEEPEST:
        yield place[:3], "holds values in values without end"
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield (*place, str(key)), f"this key is {_kind(key)}; put it in quotes, or choose another name"
            yield from _not_json(inner, (*place, str(key)))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _not_json(inner, (*place, str(i)))
    elif isinstance(value, int) and abs(value) > _LARGEST:
        yield place, "a whole number of more than 300 digits"
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        yield place, f"{value} is {_kind(value)}; put it in quotes, if it is meant as text"
    elif isinstance(value, str) and not value.isprintable() and "\ud800" <= max(value) <= "\udfff":
        yield place, "holds half of a character"


def _kind(value: object) -> str:
    """What a value is that YAML has and a config has not."""
    names = {"date": "a date", "datetime": "a date", "bool": "true or false", "int": "a number", "float": "a number"}
    return names.get(type(value).__name__, "null" if value is None else f"a {type(value).__name__}")


def json_schema() -> str:
    return json.dumps(Config.model_json_schema(), indent=1, sort_keys=True) + "\n"
