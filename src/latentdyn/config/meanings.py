"""What the names of a configuration stand for, for a reader of results who does not have it at hand."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from latentdyn.config.root import Root
from latentdyn.config.values import Strict


def meanings(config: Root, corpus: str) -> dict[str, Any]:
    """What a corpus's tables show: the corpus itself, the representations with their sources, and the predictors
    with those that their training starts from.

    Args:
        corpus: its name.

    Returns:
        names: by family and name, the kind and, in words, the settings that are not the kind's defaults. kinds: by
        family and kind, what it is.
    """
    plans = [table.plan(config, corpus) for table in config.tables.values() if corpus in table.corpora]
    links = dict.fromkeys(link for plan in plans for name in plan["rows"] for link in config.chain(name))
    known = config.predictors
    predictors = [name for plan in plans for name in plan["kinds"]["predictors"] if name in known]
    for name in predictors:  # the list grows: a start may have one, too
        predictors += [start] if (start := known[name].start) and start not in predictors else []
    sections: dict[str, Mapping[str, Any]] = {
        "corpus": {corpus: config.corpora[corpus]},
        "representations": {name: config.all_representations[name] for name in links},
        "predictors": {name: known[name] for name in predictors},
    }
    return {
        "names": {
            family: {name: [section.kind, _settings(section)] for name, section in mine.items()}
            for family, mine in sections.items()
        },
        "kinds": {
            family: {section.kind: _what_it_is(section) for section in mine.values()}
            for family, mine in sections.items()
        },
    }


def _what_it_is(section: Strict) -> str:
    """The first paragraph of what its class says of itself."""
    return " ".join((inspect.getdoc(type(section)) or "").split("\n\n")[0].split())


def _settings(section: Strict) -> str:
    settings = section.model_dump(mode="json", exclude_defaults=True, exclude={"kind"})
    return ", ".join(f"{name} {value}" for name, value in _flat(settings))


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The settings with their dotted paths."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
