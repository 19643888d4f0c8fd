"""What a table says, as text, before it takes a form: columns of cells, in blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """name; cells, one a row; number: whether they are numbers, which stand at the right."""

    name: str
    cells: Sequence[str]
    number: bool


@dataclass(frozen=True)
class Block:
    """Rows under one heading. names: what they are of; none without a heading. facts: what holds for all of them."""

    columns: Sequence[Column]
    names: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
