"""What a table says, as text, before it takes a form: columns of cells, in blocks."""

from collections.abc import Callable, Mapping, Sequence
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


def in_parts(blocks: Sequence[Block], width: Callable[[Column], float], most: float) -> list[list[Block]]:
    """The blocks in parts that are no wider than a page, each with some of the columns, in their order.

    Every part begins with the columns that tell the rows of a block apart. A later part leaves out rows for which its
    other columns say nothing, and so it may have blocks without rows.

    Args:
        blocks: with the same columns each. width: of a column. most: of the columns of a part, if one column fits.
    """
    widths = [max(map(width, columns)) for columns in zip(*(block.columns for block in blocks), strict=True)]
    keys = list(range(max(map(_n_keys, blocks))))
    parts: list[list[int]] = [keys]
    for i in range(len(keys), len(widths)):
        if parts[-1] != keys and sum(widths[j] for j in (*parts[-1], i)) > most:
            parts.append(keys)
        parts[-1] = [*parts[-1], i]
    return [[_part(block, part, 0 if part is parts[0] else len(keys)) for block in blocks] for part in parts]


def _part(block: Block, columns: Sequence[int], n_keys: int) -> Block:
    """Some columns; rows without a word in those after the first `n_keys` are left out, unless that is 0."""
    taken = [block.columns[i] for i in columns]
    told = [not n_keys or any(cells) for cells in zip(*(column.cells for column in taken[n_keys:]), strict=True)]
    of_rows = [
        Column(c.name, [cell for cell, kept in zip(c.cells, told, strict=True) if kept], c.number) for c in taken
    ]
    return Block(of_rows, block.names, block.facts)


def _n_keys(block: Block) -> int:
    """How many of the first columns tell its rows apart; one where no columns do."""
    rows = [tuple(column.cells) for column in block.columns]
    for n in range(1, len(rows) + 1):
        told = list(zip(*rows[:n], strict=True))
        if len(set(told)) == len(told):
            return n
    return 1
