"""What the names on a page stand for, so that it can be read without the configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from latentdyn.reporting.page.tables import as_html


@dataclass(frozen=True)
class Name:
    """One name. kind: its word in the configuration. about: what that is, in a sentence. settings: that are not the
    kind's defaults, in words; "" if all are."""

    name: str
    kind: str
    about: Markup
    settings: str


def names_of(meanings: Mapping[str, Any]) -> dict[str, Sequence[Name]]:
    """The names of each family, in order.

    Args:
        meanings: as `config.meanings` gives them; empty where nobody told.
    """
    return {
        family: [
            Name(name, kind, as_html(meanings["kinds"][family][kind]), settings)
            for name, (kind, settings) in mine.items()
        ]
        for family, mine in meanings.get("names", {}).items()
    }
