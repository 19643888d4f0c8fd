"""Pipe tables that read well as plain text too, and texts that no Markdown reader takes for marks."""

import re
import textwrap
from collections.abc import Sequence

from latentdyn.reporting.text import Block, Column, in_parts

_WIDTH = 100
_SCREEN = 160  # characters side by side in a terminal on a laptop
# an underscore between letters or digits is none to Markdown, so names such as linear_gaussian stay as they are.
_MARKS = re.compile(r"[\\`*|<>~]|(?<!\w)_+|_+(?!\w)|\[(?=[^\]]*\])")


def escaped(text: str) -> str:
    """The text with a backslash before every mark of Markdown, on one line."""
    return _MARKS.sub(lambda mark: "".join(f"\\{character}" for character in mark[0]), " ".join(text.splitlines()))


def wrapped(notes: Sequence[str]) -> list[str]:
    """The lines of paragraphs, with an empty line between them, so that a terminal shows them too."""
    paragraphs = [textwrap.wrap(n, _WIDTH, break_long_words=False, break_on_hyphens=False) for n in notes if n]
    return [line for paragraph in paragraphs for line in [*paragraph, ""]][:-1]


def heading(names: str, facts: str) -> list[str]:
    """What a table is of, in bold, and what holds for all of it, in brackets; two lines where one is too long."""
    title = f"**{escaped(names)}**"
    if not facts:
        return [title]
    whole = f"{title} ({facts})"
    return [whole] if len(whole) <= _WIDTH else [title, f"({facts})"]


def pipe_tables(blocks: Sequence[Block]) -> list[str]:
    """The lines of blocks with the same columns, each below its heading. What is wider than a screen is several tables,
    one below the other; an empty line follows each."""
    lines = []
    for parts in zip(*in_parts(blocks, lambda column: _width(column) + 3, _SCREEN), strict=True):
        if names := parts[0].names:
            facts = ", ".join(f"{name} {value}" for name, value in parts[0].facts.items())
            lines += [*heading(", ".join(names), facts), ""]
        for part in parts:
            if part is parts[0] or part.columns[0].cells:
                lines += [*_pipe_table(part.columns), ""]
    return lines


def _width(column: Column) -> int:
    return max(map(len, _texts(column)))


def _texts(column: Column) -> list[str]:
    """Its name and its cells as they are written."""
    return [escaped(column.name), *(column.cells if column.number else map(escaped, column.cells))]


def _pipe_table(columns: Sequence[Column]) -> list[str]:
    """The lines of a table whose columns line up when printed; numbers stand at the right."""
    texts = [_texts(column) for column in columns]
    widths = [max(map(len, text)) for text in texts]

    def line(cells: Sequence[str]) -> str:
        padded = (t.rjust(w) if c.number else t.ljust(w) for c, t, w in zip(columns, cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (w + 1) + (":" if c.number else "-") for c, w in zip(columns, widths, strict=True))
    first, *rows = (line(cells) for cells in zip(*texts, strict=True))
    return [first, f"|{rule}|", *rows]
