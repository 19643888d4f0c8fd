"""What is generated from the models says what they say."""

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, TypeAdapter

from latentdyn.config import Config, json_schema
from latentdyn.config.documentation import all_models, keys_of, type_in_words, with_tables
from latentdyn.config.values import Fraction, Name, Names, Split

from .examples import FOLDER


def sections() -> dict[str, type[BaseModel]]:
    """Every section that a config can hold."""
    models = {model.__name__: model for model in all_models()}
    return {name: models[name] for name in (*Config.model_json_schema()["$defs"], "Config")}


def test_what_is_generated_is_on_disk_as_the_models_say():
    """`python -m latentdyn.config` writes both."""
    assert (FOLDER / "schema.json").read_text() == json_schema()
    readme = (FOLDER / "README.md").read_text()
    assert readme == with_tables(readme)


def test_the_readme_has_a_table_for_every_section_that_has_keys_and_each_key_has_a_meaning():
    documented = re.findall(r"<!-- keys: (\w+) -->", (FOLDER / "README.md").read_text())
    assert len(set(documented)) == len(documented)
    for name, model in sections().items():
        keys = keys_of(model, set(documented) - {name})
        assert name in documented or not keys, f"config/README.md has no table of {name}, which has {', '.join(keys)}"
        assert [key for key, field in keys.items() if not field.description] == [], name


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (PositiveInt, "whole number, 1 or more"), (Fraction, "number, 0 or more and below 1"),
        (PositiveFloat | None, "number, above 0 or null"), (Literal["a", "b", "c"], "`a`, `b` or `c`"),
        (Literal[1], "1"), (bool, "true or false"), (list[Split], "list of `train`, `validation`, `eval`"),
        (dict[Name, Name], "mapping of names to names"), (dict[Name, Names], "mapping of names to lists of names"),
        (Annotated[int, Field(ge=4, le=48)], "whole number, 4 to 48"), (Name, "name"), (str, "text"), (float, "number"),
    ],
)  # fmt: skip
def test_a_type_is_told_in_words(annotation: Any, words: str):
    assert type_in_words(TypeAdapter(annotation).json_schema()) == words
