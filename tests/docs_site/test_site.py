"""The site builds strictly, every link of it leads somewhere, and every page is in its navigation."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs_site.build import build_site
from tests.docs_site.pages import ROOT, ROOT_PAGES, site_text, source_files

CONFIG: Final = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
NAVIGATION: Final = re.findall(r"(?:: |- )([\w/.-]+\.md)$", CONFIG.partition("\nnav:\n")[2], re.MULTILINE)
LOADED: Final = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
"""What a browser fetches by itself."""


class Page(HTMLParser):
    """Links, anchors and prose of one page of the built site."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[tuple[str, str, str]] = []
        self.anchors: set[str] = set()
        self.prose: list[str] = []
        self._in_code = self._in_prose = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_code += tag == "code"
        self._in_prose += tag in {"p", "td"}
        self.anchors |= {value for name, value in attrs if name == "id" and value}
        self.links += [(tag, name, value) for name, value in attrs if name in {"href", "src"} and value]

    def handle_endtag(self, tag: str) -> None:
        self._in_code -= tag == "code"
        self._in_prose -= tag in {"p", "td"}

    def handle_data(self, data: str) -> None:
        if self._in_prose and not self._in_code:
            self.prose.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("site") / "docs")


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def dead_links(site: Path, pages: dict[str, Page]) -> Iterator[str]:
    """Links within the site that lead nowhere. Those of the page for wrong addresses begin at the site's root."""
    for name, page in pages.items():
        for _, _, link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or name == "404.html":
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = target / "index.html" if target.is_dir() else target
            found = target.resolve().relative_to(site.resolve()).as_posix()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in pages[found].anchors):
                yield f"{name}: {link}"


def test_no_link_of_the_site_is_dead(site: Path, pages: dict[str, Page]) -> None:
    assert list(dead_links(site, pages)) == []
    assert sum(len(page.links) for page in pages.values()) > 1_000


def test_nothing_is_loaded_from_another_host(pages: dict[str, Page]) -> None:
    loaded = {link for page in pages.values() for tag, name, link in page.links if (tag, name) in LOADED}
    assert loaded
    assert not [link for link in loaded if urlsplit(link).netloc]


def test_no_markdown_is_left_in_the_text(pages: dict[str, Page]) -> None:
    left = re.compile(r"^\s*(?:[-*]|\d+\.) \S|\*\*|\]\(|```|^\|", re.MULTILINE)
    texts = ((name, text) for name, page in pages.items() for text in page.prose)
    assert [(name, text) for name, text in texts if left.search(text)] == []


def test_every_page_is_in_the_navigation(pages: dict[str, Page]) -> None:
    assert sorted(NAVIGATION) == sorted(name for name in source_files() if name.endswith(".md"))
    assert {name.removesuffix(".md") + ".html" for name in NAVIGATION} - {"adr/README.html"} <= set(pages)


def test_pages_outside_docs_are_on_the_site(pages: dict[str, Page]) -> None:
    for name in ROOT_PAGES.values():
        assert pages[name.replace(".md", ".html")].prose


def test_commands_that_no_test_runs_say_so(site: Path) -> None:
    assert "Not run by a test: needs Docker" in (site / "operations.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("link", ["[x](nowhere.md)", "[x](glossary.md#nowhere)"])
def test_a_dead_link_fails_the_build(link: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"):
        (root / name).write_text("# A page\n")
    (root / "docs" / "glossary.md").write_text(f"# Glossary\n\n{link}\n")
    (root / "mkdocs.yml").write_text(CONFIG.partition("\nnav:\n")[0])
    with pytest.raises(RuntimeError, match="does not exist"):
        build_site(tmp_path / "site", root)


def test_links_to_pages_outside_docs_are_rewritten(tmp_path: Path) -> None:
    (tmp_path / "docs" / "adr").mkdir(parents=True)
    (tmp_path / "README.md").write_text("[a](docs/adr/x.md#y) [b](LICENSE) ![c](docs/images/c.png) `[d](docs/x.md)`\n")
    (tmp_path / "docs" / "adr" / "x.md").write_text(
        "[a](../../SECURITY.md) [b](#y) [c](https://example.com/x.md)\n- d\n"
    )
    assert site_text(tmp_path / "README.md", str, tmp_path).startswith(
        "[a](adr/x.md#y) [b](LICENSE.txt) ![c](images/c.png)"
    )
    expected = "[a](../security.md) [b](#y) [c](https://example.com/x.md)\n\n- d\n"
    assert site_text(tmp_path / "docs" / "adr" / "x.md", str, tmp_path) == expected
    (tmp_path / "README.md").write_text("[a](Makefile)\n")
    with pytest.raises(ValueError, match=r"README\.md links to Makefile"):
        site_text(tmp_path / "README.md", str, tmp_path)
