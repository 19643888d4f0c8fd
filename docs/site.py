"""Hooks of mkdocs (mkdocs.yml): pages that lie outside docs/, links to what is no page, anchors as GitHub makes them.

The documents are written for a reader of the repository, where links lead from file to file. On the site, a link to a
page leads to that page; of a link to another file of the repository, its words and the file's path stay. A link to a
file that does not exist is left as it is, so that a strict build refuses it.
"""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "index.md": "README.md",
    "config.md": "config/README.md",
    "benchmarks.md": "benchmarks/README.md",
    "changelog.md": "CHANGELOG.md",
}
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?://|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^(```.*?^```)", re.M | re.S)


def on_config(config: Any) -> Any:
    config.mdx_configs["toc"] = {"slugify": github_anchor}
    return config


def github_anchor(heading: str, separator: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def on_files(files: Files, config: Any) -> Files:
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    name = page.file.src_uri
    folder = (ROOT / ELSEWHERE.get(name, f"docs/{name}")).parent
    parts = _FENCE.split(markdown)  # code blocks are every second part
    return "".join(
        part if i % 2 else _LINK.sub(lambda link: site_link(link, folder), part) for i, part in enumerate(parts)
    )


def site_link(link: re.Match[str], folder: Path) -> str:
    """A link of a document in a folder of the repository, as it is on the site."""
    words, target, anchor = link[1], link[2], link[3] or ""
    path = os.path.relpath(os.path.normpath(folder / target), ROOT)
    pages = {source: page for page, source in ELSEWHERE.items()}
    if path in pages or re.fullmatch(r"docs/\w+\.md", path):
        return f"[{words}]({pages.get(path, Path(path).name)}{anchor})"
    if not (ROOT / path).exists():
        return link[0]
    return words if path in words else f"{words} (`{path}`)"
