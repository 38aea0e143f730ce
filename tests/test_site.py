"""The documentation as a site: built strictly, so that no link between its pages leads nowhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import sdc

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


class Page(HTMLParser):
    """Ids of a page, and what it refers to."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found.get("id") or "", found.get("name") or ""}
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        if source := found.get("src") or (tag == "link" and found.get("href")):
            self.loaded.append(str(source))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as ``make site`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    stage = [sys.executable, str(ROOT / "docs" / "site" / "stage.py"), str(folder / "source")]
    subprocess.run(stage, check=True, capture_output=True)
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(folder / "source" / "mkdocs.yml")]
    done = subprocess.run(
        build, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


def test_every_link_leads_somewhere(site: Path) -> None:
    """Also those that mkdocs does not look at: of docstrings, and of the theme."""
    pages = {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > 30
    wrong = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        for link in {*page.links, *page.loaded}:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            lost = parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids
            if not target.exists() or lost:
                wrong.append(f"{path.relative_to(site)}: {link}")
    assert wrong == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = {link for path in site.rglob("*.html") for link in Page(path.read_text("utf-8")).loaded}
    assert [link for link in loaded if urlsplit(link).netloc] == []


def test_the_reference_has_every_public_name(site: Path) -> None:
    ids = set().union(*(Page(p.read_text("utf-8")).ids for p in (site / "reference").rglob("*.html")))
    assert [name for name in sdc.__all__ if f"sdc.{name}" not in ids] == []
    text = (site / "reference" / "opening-and-reading" / "index.html").read_text("utf-8")
    assert not re.search(r":(?:func|class|meth|data|attr|mod):", text)
    assert "what the caller agrees to hold in memory" in text


def test_the_viewer_and_every_page_are_in_it(site: Path) -> None:
    assert (site / "viewer" / "decoder" / "core.wasm").exists() and (
        site / "spec" / "sdc" / "index.html"
    ).exists()
    for path in (ROOT / "docs").glob("*.md"):
        assert (site / "docs" / path.stem / "index.html").exists(), path.name


def test_a_link_that_leads_nowhere_stops_the_build(tmp_path: Path) -> None:
    """The strictness is real."""
    (tmp_path / "source" / "pages").mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "site" / "roles.py", tmp_path / "source")
    config = tmp_path / "source" / "mkdocs.yml"
    config.write_text(f"INHERIT: {ROOT / 'docs' / 'site' / 'mkdocs.yml'}\n")
    page = tmp_path / "source" / "pages" / "index.md"
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config)]
    for links, right in (("[here](#here)", True), ("[nowhere](none.md)", False), ("[lost](#none)", False)):
        page.write_text(f"# Here\n\n{links}\n", "utf-8")
        done = subprocess.run(words, capture_output=True, text=True)
        assert (done.returncode == 0) == right, done.stderr
        assert right or "none" in done.stderr
