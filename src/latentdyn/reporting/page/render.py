"""The page itself: one file of HTML that asks for nothing else.

Its styles and its script are in it, images and sounds are data URLs, and a policy in its head lets the browser load
nothing and run this one script only. All that comes from results is escaped.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from latentdyn.reporting.conclusion import conclusion
from latentdyn.reporting.findings import Topic, summary
from latentdyn.reporting.origins import Origins
from latentdyn.reporting.page.audio import Heard
from latentdyn.reporting.page.judge import Judge
from latentdyn.reporting.page.names import Name
from latentdyn.reporting.page.tables import PageTable
from latentdyn.reporting.terms import Explained, used

FOLDER = Path(__file__).parent
TEMPLATE, STYLE, SCRIPT = "report.html.jinja", "report.css", "report.js"
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Page:
    """What a page shows.

    tables: in order. figures: data URLs, by table. topics: what the tables say. certificates: what tables of known
    answers say, by corpus and table. missing: tables that are not there, and why. left_out: what did not fit to be
    heard. facts: of this file, by name. settings: JSON of each table's section and plan, by table; digests: of its CSV.
    rulegraph: an SVG; empty where no job is known. citation: how to name what made the page. judge: of learned
    representations, where a table asks it. meanings: of names, by family. made: of
    each representation, how.
    """

    corpus: str
    tables: Sequence[PageTable]
    figures: Mapping[str, str]
    topics: Sequence[Topic]
    certificates: Mapping[str, Sequence[Topic]]
    missing: Mapping[str, str]
    heard: Sequence[Heard]
    left_out: Sequence[str]
    origins: Origins
    facts: Mapping[str, str]
    settings: Mapping[str, str]
    digests: Mapping[str, str]
    citation: str = ""
    rulegraph: str = ""
    judge: Judge | None = None
    meanings: Mapping[str, Sequence[Name]] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)


def render(page: Page) -> str:
    """The whole text of the file."""
    template, style, script = ((FOLDER / name).read_text(encoding="utf-8") for name in (TEMPLATE, STYLE, SCRIPT))
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["explained"] = Explained()
    sha256 = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    texts = [text for table in page.tables for text in (table.caption, *table.notes, *table.cautions)]
    shown: dict[str, Any] = {
        "page": page,
        "summary": summary(page.topics),
        "conclusion": conclusion(page.topics, page.certificates, page.facts, page.made),
        "terms": used(page.topics, texts),
        "rulegraph": page.rulegraph and _svg_url(page.rulegraph),
        "style": style,
        "script": script,
        "policy": f"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{sha256}'",
    }
    return environment.from_string(template).render(shown)


def _svg_url(text: str) -> str:
    return f"data:{_TYPES['.svg']};base64,{base64.b64encode(text.encode()).decode()}"


def image_url(path: Path) -> str:
    """An image file as a data URL."""
    return f"data:{_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"
