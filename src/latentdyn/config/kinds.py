"""Kinds: the classes that an entry's `kind` chooses among. A kind is registered by being defined."""

import functools
import importlib
import operator
import pkgutil
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, Field

Model = TypeVar("Model", bound=BaseModel)


def import_all(package: str) -> None:
    """Import every module of a package, so that the kinds that they define are known."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


def kinds_of(base: type[Model]) -> list[type[Model]]:
    """The subclasses of `base`, at any depth, that define a `kind`, in the order of their definition."""
    below = [kind for child in base.__subclasses__() for kind in (child, *kinds_of(child))]
    return [model for model in dict.fromkeys(below) if "kind" in model.__annotations__]


def word_of(kind: type[BaseModel]) -> str:
    """The word that chooses a kind."""
    return str(get_args(kind.model_fields["kind"].annotation)[0])


def any_kind_of(base: type[BaseModel]) -> Any:
    """The type of a field that holds one of these kinds, told apart by `kind`."""
    return Annotated[functools.reduce(operator.or_, kinds_of(base)), Field(discriminator="kind")]
