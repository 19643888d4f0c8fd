"""Every number of every section has a least and a greatest value, so that none beyond any sense reaches a job."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from latentdyn.config import Config
from latentdyn.config.documentation import all_models
from latentdyn.config.mistakes import describe

_USED = Config.model_json_schema()["$defs"].keys()
SECTIONS = {name: model for model in all_models() if (name := model.__name__) in _USED}


def numbers(schema: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    """The numbers in a field's JSON schema, each with whether it stands in a list."""
    for option in schema.get("anyOf", [schema]):
        if option.get("type") in ("integer", "number") and "const" not in option:
            yield option, False
        if option.get("type") == "array":
            yield from ((number, True) for number, _ in numbers(option["items"]))


NUMBERS = [
    pytest.param(model, key, number, listed, id=f"{name}.{key}")
    for name, model in SECTIONS.items()
    for key, field in model.model_json_schema()["properties"].items()
    for number, listed in numbers(field)
]


def refused(model: type[BaseModel], key: str, value: object) -> bool:
    """Whether a section refuses a value of a key by the key's name."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate({key: value, "kind": "x"})
    return any(place[0] == key for place, _ in describe(caught.value, model) if place)


@pytest.mark.parametrize(("model", "key", "number", "listed"), NUMBERS)
def test_a_number_has_two_ends_and_beyond_them_it_is_refused_by_its_key(
    model: type[BaseModel], key: str, number: dict[str, Any], listed: bool
):
    least = [number[name] for name in ("minimum", "exclusiveMinimum") if name in number]
    most = [number[name] for name in ("maximum", "exclusiveMaximum") if name in number]
    assert least and most, "config/values.py has types for sizes, counts, ridges and the like"
    beyond = [math.nan, math.inf, -math.inf, -(10**31), 10**31, 2 * most[0] + 1, least[0] - abs(least[0]) - 1]
    for value in beyond:
        assert refused(model, key, [value] if listed else value), value


def test_most_sections_have_numbers():
    assert len(NUMBERS) > 200 and any(listed for *_, listed in (param.values for param in NUMBERS))
