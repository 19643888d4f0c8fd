"""Pipe tables that read well as plain text too, and texts that no Markdown reader takes for marks."""

import re
import textwrap
from collections.abc import Sequence

from latentdyn.reporting.text import Column

_WIDTH = 100
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


def pipe_table(columns: Sequence[Column]) -> list[str]:
    """The lines of a table whose columns line up when printed; numbers stand at the right."""
    texts = [[escaped(c.name), *(c.cells if c.number else map(escaped, c.cells))] for c in columns]
    widths = [max(map(len, text)) for text in texts]

    def line(cells: Sequence[str]) -> str:
        padded = (t.rjust(w) if c.number else t.ljust(w) for c, t, w in zip(columns, cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (w + 1) + (":" if c.number else "-") for c, w in zip(columns, widths, strict=True))
    first, *rows = (line(cells) for cells in zip(*texts, strict=True))
    return [first, f"|{rule}|", *rows]
