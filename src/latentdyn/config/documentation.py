"""The tables of config/README.md, made from the models: every key with its type, its default and its meaning.

In the README a table stands between `<!-- keys: CLASS -->` and `<!-- end -->`. It lists the keys that CLASS defines,
and those of its bases that have no table of their own. `<!-- columns -->` stands before the columns of the Phase 1
table. Everything else in the README is written by hand.
"""

import json
import re
import textwrap
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from latentdyn.config.values import Strict
from latentdyn.metrics import LAGGED_COLUMNS

_COLUMNS = re.compile(r"(<!-- columns -->\n).*?(<!-- end -->)", re.S)
_TABLE = re.compile(r"(?<=<!-- keys: )(\w+)( -->\n).*?(?=<!-- end -->)", re.S)


def with_tables(readme: str) -> str:
    """The text of the README with its tables made anew."""
    documented = {name for name, _ in _TABLE.findall(readme)}
    models = {model.__name__: model for model in all_models()}
    readme = _COLUMNS.sub(rf"\1\n{_columns()}\n\n\2", readme)
    return _TABLE.sub(lambda match: f"{match[1]}{match[2]}\n{_table(models[match[1]], documented)}\n", readme)


def _columns() -> str:
    """The columns of the Phase 1 table, the default ones in bold."""
    names = [f"**`{name}`**" if default else f"`{name}`" for name, default in LAGGED_COLUMNS.items()]
    return textwrap.fill(", ".join(names) + ".", 120, break_long_words=False, break_on_hyphens=False)


def all_models(base: type[BaseModel] = Strict) -> list[type[BaseModel]]:
    """Every section that a config can hold, and the families that sections belong to."""
    below = [model for child in base.__subclasses__() for model in (child, *all_models(child))]
    return list(dict.fromkeys(below))


def keys_of(model: type[BaseModel], documented: set[str]) -> dict[str, FieldInfo]:
    """The fields that belong in a model's table: those that no documented base lists."""
    elsewhere = {
        name
        for base in model.__mro__[1:]
        if base.__name__ in documented and issubclass(base, BaseModel)
        for name in base.model_fields
    }
    return {name: field for name, field in model.model_fields.items() if name != "kind" and name not in elsewhere}


def _table(model: type[BaseModel], documented: set[str]) -> str:
    properties = model.model_json_schema()["properties"]
    rows = [
        f"| `{name}` | {type_in_words(properties[name])} | {_default(field)} | {field.description} |"
        for name, field in keys_of(model, documented).items()
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "*required*"
    if isinstance(field.default, BaseModel) or (isinstance(field.default, list) and len(field.default) > 12):
        return "see there"
    return f"`{json.dumps(field.default)}`"


def type_in_words(schema: dict[str, Any]) -> str:
    """What a value may be, from its JSON schema."""
    if "anyOf" in schema:
        return " or ".join(type_in_words(option) for option in schema["anyOf"])
    if len(schema.get("enum", ())) > 12:
        return "name listed below"
    if "enum" in schema:
        *first, last = (f"`{value}`" for value in schema["enum"])
        return f"{', '.join(first)} or {last}" if first else last
    if "const" in schema:
        return str(schema["const"])
    if "$ref" in schema or "oneOf" in schema or "allOf" in schema:
        return "section"
    return _WORDS[schema["type"]](schema)


def _array(schema: dict[str, Any]) -> str:
    items = type_in_words(schema["items"])
    return "list of " + re.sub(r"^(whole number|number|name|list|section)\b", r"\1s", items.replace("` or `", "`, `"))


def _mapping(schema: dict[str, Any]) -> str:
    (values,) = schema.get("patternProperties", {"": {}}).values()
    simple = values.get("type") in ("string", "array")
    return "mapping of names to " + _array({"items": values}).removeprefix("list of ") if simple else "mapping"


def _text(schema: dict[str, Any]) -> str:
    return "name" if schema.get("maxLength") == 64 else "text"


def _number(schema: dict[str, Any]) -> str:
    whole = schema["type"] == "integer"
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if whole:
        low, high = (above + 1 if above is not None else low), (below - 1 if below is not None else high)
        above = below = None
    bounds = [f"above {_figure(above)}"] if above is not None else []
    if low is not None and high is not None:
        bounds.append(f"{_figure(low)} to {_figure(high)}")
    elif low is not None:
        bounds.append(f"{_figure(low)} or more")
    elif high is not None:
        bounds.append(f"{_figure(high)} or less")
    if below is not None:
        bounds.append(f"below {_figure(below)}")
    name = "whole number" if whole else "number"
    return ", ".join([name, " and ".join(bounds)]) if bounds else name


def _figure(number: float) -> str:
    return f"{number:.0f}" if number == round(number) and abs(number) < 1e10 else f"{number:g}"


_WORDS = {
    "integer": _number,
    "number": _number,
    "string": _text,
    "boolean": lambda schema: "true or false",
    "null": lambda schema: "null",
    "array": _array,
    "object": _mapping,
}
