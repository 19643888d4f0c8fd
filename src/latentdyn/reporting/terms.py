"""Words that a reader may not know (terms.yaml): those that a page or a document uses, with what they mean."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from markupsafe import Markup, escape
from pydantic import Field

from latentdyn.reporting.entries import Entry, Named, read_entries
from latentdyn.reporting.findings import Topic

TERMS = Path(__file__).with_suffix(".yaml")


class Term(Entry):
    """One entry of terms.yaml, which says what its keys mean."""

    name: str
    words: tuple[str, ...] = Field(min_length=1)
    says: str


class _Terms(Entry):
    terms: Named[Term]


@cache
def terms() -> tuple[Term, ...]:
    """Every term.

    Raises:
        UserError: the file is not of the form.
    """
    return read_entries(TERMS, _Terms).terms.root


@cache
def _pattern(term: Term) -> re.Pattern[str]:
    """Where a term stands: whole words, which letters and digits alone go on."""
    begins = {True: "", False: r"(?<![^\W_])"}
    words = [begins[word.startswith("_")] + re.escape(word) for word in sorted(term.words, key=len, reverse=True)]
    return re.compile(rf"(?:{'|'.join(words)})(?![^\W_])", re.IGNORECASE)


class Explained:
    """A filter of text for one page: what it is given, as HTML, with each term explained where it stands for the first
    time. The text itself is escaped."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, text: str) -> Markup:
        found: list[tuple[int, int, Term]] = []
        for term in terms():
            match = None if term.name in self._told else _pattern(term).search(text)
            if match and not any(match.start() < end and start < match.end() for start, end, _ in found):
                found.append((*match.span(), term))
                self._told.add(term.name)
        made, last = Markup(), 0
        for start, end, term in sorted(found, key=lambda one: one[0]):
            word = Markup('<abbr title="{}">{}</abbr>').format(term.says, text[start:end])
            made, last = made + escape(text[last:start]) + word, end
        return made + escape(text[last:])


def used(topics: Sequence[Topic], texts: Iterable[str]) -> list[Term]:
    """The terms that findings or texts use, in the order of the file."""
    said = [topic.head for topic in topics]
    for finding in (finding for topic in topics for finding in topic.findings):
        rows = [reply for answer in finding.answers for _, reply in answer.rows]
        said += [finding.question, *(answer.word for answer in finding.answers), *(reply.row for reply in rows)]
    text = "\n".join([*said, *texts])
    return [term for term in terms() if _pattern(term).search(text)]
