"""The documents as a site: every link and anchor leads somewhere, and no page loads anything from the network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="pip install latentdyn[docs]")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a strict build, which a link or an anchor without an end makes fail."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_document_is_a_page(site):
    documents = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"index", "config"}
    assert documents <= {path.stem for path in site.glob("*.html")}


def test_pages_load_nothing_from_the_network_and_link_to_pages(site):
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"([^\"]+)\"", text)
        assert loaded and not [url for url in loaded if re.match(r"(https?:)?//", url)], page.name
        own = [url for url in re.findall(r"<a[^>]*href=\"([^\"]+)\"", text) if not re.match("https?:|mailto:", url)]
        if page.name != "404.html":  # a server shows that one, whose links begin at its root
            assert all((site / url.partition("#")[0]).exists() for url in own if not url.startswith("#")), page.name
    assert not re.search(r"url\(['\"]?(https?:)?//", "".join(path.read_text() for path in site.rglob("*.css")))


def test_links_to_pages_are_kept_and_of_other_files_the_path_stays(site):
    text = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="config.html"' in text and 'href="data.html"' in text and "docs/data.md" in text
    assert "profiles/slurm/config.yaml" in (site / "cluster.html").read_text(encoding="utf-8")
