"""Data files of this room, such as gates.yaml: read strictly, so that a slip of the pen is told with its place."""

from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, RootModel, ValidationError, model_validator

from latentdyn.errors import UserError
from latentdyn.files import canonical_json

M = TypeVar("M", bound=BaseModel)


class Entry(BaseModel):
    """An entry of a data file: unknown keys are refused, and nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Effect(Entry):
    """What the answers to an entry say of something that may help; all "" of entries that ask of nothing like it.

    cause: what may help. effect: in what. size: how far rows are from what they are compared with, in words with {} for
    the numbers. level: the column of what rows come to, where it is not that of the answer. values: in words with {},
    the numbers of all rows. but: what a reader must know beside the answer.
    """

    cause: str = ""
    effect: str = ""
    size: str = ""
    level: str = ""
    values: str = ""
    but: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.cause) != bool(self.effect) or ((self.size or self.values or self.but) and not self.cause):
            raise ValueError("`cause` and `effect` go together, and `size`, `values` and `but` with both")
        if any(text and text.count("{}") != 1 for text in (self.size, self.values)):
            raise ValueError("`size` and `values` hold {} once, where their numbers stand")
        return self


class Named(RootModel[tuple[M, ...]]):
    """Entries whose names differ."""

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [getattr(entry, "name", None) for entry in self.root]
        if twice := sorted({str(name) for name in names if names.count(name) > 1}):
            raise ValueError(f"two entries have the name {', '.join(twice)}")
        return self


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen as it runs
    """YAML in which no mapping has a key twice, and no key is a list."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # what looks like a date or a number and is none, such as 2020-99-99
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    values: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, (list, dict, set)):
            raise yaml.constructor.ConstructorError(None, None, "a key is no single value", key_node.start_mark)
        if key in values:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", key_node.start_mark)
        values[key] = loader.construct_object(value_node, deep=True)
    return values


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_entries(path: Path, model: type[M]) -> M:
    """What a data file holds.

    Raises:
        UserError: it is no YAML, repeats a key, or is not of this form; of every mistake the dotted path is told.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.load(text, _Loader)
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise UserError(f"this file cannot be read ({error.reason})", f"{path}, line {line}", _FIX) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else path
        raise UserError(f"this file cannot be read ({getattr(error, 'problem', error)})", where, _FIX) from None
    try:
        return model.model_validate_json(canonical_json(values))  # JSON: a strict model takes its lists for tuples
    except ValidationError as error:
        told = [
            (_dotted(m["loc"], values, m["type"] == "missing"), m["msg"].removeprefix("Value error, "))
            for m in error.errors()
        ]
        wrong = "; ".join(f"{place}: {what}" if place else what for place, what in told)
        raise UserError(f"this file is not as it must be: {wrong}", path, _FIX) from None
    except (TypeError, ValueError) as error:  # what JSON lacks: a date, an infinite number
        raise UserError(f"this file holds a value that is none ({error})", path, _FIX) from None


_FIX = "correct it; the lines at its top say what each key means"


def _dotted(place: tuple[str | int, ...], values: Any, missing: bool) -> str:
    """A place in dots; an entry of a list by its name, where it has one. missing: its last key is not there."""
    parts = []
    for i, part in enumerate(place):
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            if not (missing and i == len(place) - 1):
                continue  # the form that pydantic has chosen, which nobody has written
        named = isinstance(part, int) and isinstance(values, dict)
        parts.append(str(values.get("name", part) if named else part))
    return ".".join(parts)
