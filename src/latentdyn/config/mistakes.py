"""The mistakes of a configuration in plain words: each with its dotted path, what is wrong and what is allowed."""

import difflib
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from latentdyn.config.values import PATTERNS

_LISTED = 12  # of more allowed words, only those that are alike are told


def describe(error: ValidationError, model: type[BaseModel]) -> list[tuple[list[str], str]]:
    """The mistakes that pydantic found in what should be a `model`.

    Returns:
        Of each, the keys that lead to it as a user writes them, and what is wrong there.
    """
    told = [(mistake, *_describe(mistake, model)) for mistake in error.errors()]
    places = [place for _, place, _ in told]
    found: dict[tuple[str, ...], str] = {}
    for mistake, place, what in told:
        key = tuple(place)
        if mistake["type"] in _WANTED and any(other[: len(place)] == place and other != place for other in places):
            continue  # one of several types fits so far; what is wrong further in is told
        if key in found and mistake["type"] in _WANTED and found[key].startswith("must be "):
            found[key] = f"must be {_WANTED[mistake['type']]} or {found[key].removeprefix('must be ')}"
        elif key not in found or found[key] != what:
            found[key] = f"{found[key]}, and {what}" if key in found else what
    return [(list(place), what) for place, what in found.items()]


def _describe(mistake: Any, model: type[BaseModel]) -> tuple[list[str], str]:
    """The keys that lead to a mistake, and what is wrong there."""
    loc = mistake["loc"]
    place, annotation = _follow(loc, model)
    if mistake["type"] == "extra_forbidden":
        section = _follow(loc[:-1], model)[1]
        return place, _unknown_key(place[-1], section.model_fields)
    what = _message(mistake, annotation)
    if place and mistake["type"] == "value_error":
        keys, _, said = what.partition(": ")  # a section that checks its keys together names the one that is to blame
        if said and keys.split(".")[0] in getattr(annotation, "model_fields", ()):
            return [*place, *keys.split(".")], said
    return place, what


def alike(word: object, words: Iterable[str]) -> str:
    """A question in brackets that names the most similar of some words; empty where none is similar."""
    near = difflib.get_close_matches(str(word), list(words), n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def _follow(loc: Iterable[str | int], model: type[BaseModel]) -> tuple[list[str], Any]:
    """The keys of a place without what pydantic adds, and the type that belongs there (None where none does).

    Pydantic names the chosen member of a union (its kind) and marks keys of mappings. A user has written neither.
    """
    place: list[str] = []
    annotation: Any = model
    for part in loc:
        kinds = kinds_in(annotation)
        if part in kinds:
            annotation = kinds[str(part)]
        elif part == "[key]":
            annotation = str
        elif get_origin(annotation) in (Union, types.UnionType):  # pydantic names the type that it tried
            annotation = next((a for a in get_args(annotation) if str(part) == _label(a)), None)
        else:
            place.append(str(part))
            annotation = _below(annotation, part)
    return place, annotation


def kinds_in(annotation: Any) -> dict[str, type[BaseModel]]:
    """The classes that `kind` chooses among, by their word; empty for another type."""
    models = [m for m in get_args(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]
    words = ((_choices(m.model_fields["kind"].annotation), m) for m in models if "kind" in m.model_fields)
    return {choices[0]: m for choices, m in words if choices}


def _below(annotation: Any, part: str | int) -> Any:
    """The type of what a key or number leads to."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        return _some(field.annotation) if field else None
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return _some(arguments[1])
    return _some(arguments[0]) if get_origin(annotation) is list else None


def _label(annotation: Any) -> str:
    """How pydantic calls a member of a union."""
    return (
        annotation.__name__
        if isinstance(annotation, type) and not get_args(annotation)
        else (f"{annotation}".replace(" ", ""))
    )


def _some(annotation: Any) -> Any:
    """A type without what surrounds it: notes, and null."""
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        return _some(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _choices(annotation: Any) -> list[str]:
    """The words of a Literal; empty for another type."""
    return [str(word) for word in get_args(annotation)] if get_origin(annotation) is Literal else []


def _message(mistake: Mapping[str, Any], annotation: Any) -> str:
    """What is wrong with a value, and what this type allows."""
    kind, given, context = mistake["type"], mistake.get("input"), mistake.get("ctx", {})
    match kind:
        case "value_error":
            return str(mistake["msg"]).removeprefix("Value error, ")
        case "missing":
            return "missing; it has no default"
        case "union_tag_not_found":
            return f"kind is missing; one of {', '.join(kinds_in(annotation))}"
        case "union_tag_invalid":
            kinds = kinds_in(annotation)
            word = given.get("kind") if isinstance(given, dict) else context["tag"]
            return f"there is no kind {shown(word)}: one of {', '.join(kinds)}{alike(word, kinds)}"
        case "literal_error":
            words = _choices(annotation)
            listed = f": one of {', '.join(words)}" if len(words) <= _LISTED else ", config/README.md lists what is"
            return f"{shown(given)} is not allowed{listed}{alike(given, words)}"
        case "string_pattern_mismatch":
            wanted = PATTERNS.get(context["pattern"], f"like {context['pattern']}")
            return f"{shown(given)} is not allowed, it must be {wanted}"
        case "string_too_long":
            return f"must have at most {context['max_length']} letters"
        case "too_short":
            return f"must hold at least {context['min_length']} {'entry' if context['min_length'] == 1 else 'entries'}"
        case "finite_number":
            return f"must be a finite number, not {shown(given)}"
    if kind in _WANTED:
        if kinds_in(annotation):
            return f"must be {_WANTED[kind]}, one of them kind, not {shown(given)}"
        return f"must be {_WANTED[kind]}, not {shown(given)}{_hint(_WANTED[kind], given)}"
    if kind in _BOUNDS:
        (bound,) = (context[name] for name in ("gt", "ge", "lt", "le") if name in context)
        return f"must be {_BOUNDS[kind].format(_figure(bound))}, not {shown(given)}"
    return str(mistake["msg"])  # pydantic's own words; none that the config's types can meet


def _unknown_key(key: str, allowed: Iterable[str]) -> str:
    names = sorted(allowed)
    return "unknown key" + (alike(key, names) or f" (allowed here: {', '.join(names)})")


def shown(value: object) -> str:
    """A value in a few words, as YAML writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str() if not value.isprintable():
            return ascii(value[:60])
        case str():
            return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case int() if abs(value) >= 10**30:
            return "a number of more than 30 digits"
    return str(value)


_WANTED = {
    "int_type": "a whole number", "int_from_float": "a whole number", "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits", "float_type": "a number", "float_parsing": "a number",
    "bool_type": "true or false", "string_type": "text", "list_type": "a list",
    "dict_type": "a mapping of keys to values", "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}  # fmt: skip
_BOUNDS = {
    "greater_than": "above {}", "greater_than_equal": "{} or more",
    "less_than": "below {}", "less_than_equal": "{} or less",
}  # fmt: skip


def _figure(number: float) -> str:
    return f"{number:.0f}" if number == round(number) else f"{number:g}"


def _is_number(value: object) -> bool:
    """Whether a text is a number."""
    try:
        float(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _as_yaml_reads_it(number: str) -> str:
    """How to write a number that YAML took for text: of powers of ten, it wants a point and a sign."""
    if power := re.fullmatch(r"([-+]?)(\d+)(?:\.(\d*))?[eE]([-+]?)(\d+)", number.strip()):
        sign, whole, fraction, sign_of_power, digits = power.groups()
        written = f"{sign}{whole}.{fraction or 0}e{sign_of_power or '+'}{digits}"
        return f"write {written}, without quotes; YAML takes {number.strip()} for text"
    return "write it without quotes"


def _hint(wanted: str, given: object) -> str:
    """What YAML may have done to a value of another type."""
    if wanted.endswith("number") and _is_number(given):
        whole = wanted == "a whole number"
        return " (write its digits, without quotes)" if whole else f" ({_as_yaml_reads_it(str(given))})"
    return " (put it in quotes)" if wanted == "text" and isinstance(given, (bool, int, float)) else ""
