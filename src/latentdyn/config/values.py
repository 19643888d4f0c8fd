"""What all sections of the config share: strictness, names, lists without repetition."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from latentdyn.files import canonical_json

PATTERNS: dict[str, str] = {}  # what a text must be, in words, by the pattern that holds it to that


def text_like(pattern: str, words: str) -> Any:
    """A note on a text: the pattern that it must match, and what that means."""
    PATTERNS[pattern] = words
    return Field(pattern=pattern)


# Names become folders of results/, so they are kept to what every file system and shell takes unquoted.
# Two underscores in a row are kept for names that follow from others: soundstream__shuffled, mdn__unconditional.
Name = Annotated[
    str,
    text_like(
        r"^[a-z0-9]+(_[a-z0-9]+)*$", "a name of small letters, digits and single underscores between them, like mdn_2"
    ),
    Field(max_length=64),
]
# Of nothing, a Path makes the working directory, which nobody means; no system call takes a zero byte.
PathText = Annotated[
    str, text_like(r"^[^\x00]+$", "a path or name that is not empty and holds no zero byte"), Field(max_length=4096)
]
Size = Annotated[int, Field(gt=0, le=1_000_000)]  # of what a job holds in memory
Count = Annotated[int, Field(gt=0, le=1_000_000_000)]  # of what it does one after another
FrameCount = Annotated[int, Field(ge=2, le=1_000_000_000)]  # of data that are looked at; more are subsampled
Fraction = Annotated[float, Field(ge=0, lt=1)]
Ridges = Annotated[list[Annotated[float, Field(ge=0, le=1e6)]], Field(min_length=1)]
PositiveRidges = Annotated[list[Annotated[float, Field(gt=0, le=1e6)]], Field(min_length=1)]
LearningRate = Annotated[float, Field(ge=1e-9, le=10)]  # with less, float32 weights stay what they are
Temperature = Annotated[float, Field(gt=0, le=100)]
FrameRate = Annotated[float, Field(ge=1e-3, le=1e6)]  # in Hz
Split = Literal["train", "validation", "eval"]
Slice = Literal["all", "high_energy", "utterance_medial"]


class Strict(BaseModel):
    """A section of the config: unknown keys are refused, nothing is coerced silently, nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=(), allow_inf_nan=False)

    def canonical(self) -> str:
        """The section as canonical JSON: what a rule passes to its step and what triggers a re-run."""
        return canonical_json(self.model_dump(mode="json"))

    def is_default(self, key: str) -> bool:
        """Whether a key has the value that it has where it is left out."""
        return bool(getattr(self, key) == type(self).model_fields[key].default)


def check_schedule(key: str, updates: int, steps: int, what: str) -> None:
    """Check that what changes while a model is trained gets to its end.

    Args:
        key: that says in how many updates. what: is to be reached.

    Raises:
        ValueError: the training is shorter.
    """
    if updates > steps:
        raise ValueError(f"{key}: after {updates} updates {what}, and training.steps is {steps}; give it at most that")


def part_of(model: type[BaseModel], keys: Collection[str], base: type[BaseModel] = Strict) -> type[BaseModel]:
    """A class with some of the keys of another one, beside those of `base`; the keys alone are checked."""
    fields: dict[str, Any] = {name: (model.model_fields[name].annotation, model.model_fields[name]) for name in keys}
    return create_model(f"{model.__name__}Part", __base__=base, **fields)


def no_duplicates(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("lists the same entry twice")
    return values


Names = Annotated[list[Name], Field(min_length=1), AfterValidator(no_duplicates)]
Horizons = Annotated[
    list[Annotated[int, Field(ge=1, le=1_000_000)]],
    Field(min_length=1),
    AfterValidator(no_duplicates),
    AfterValidator(sorted),
]
