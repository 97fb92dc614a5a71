"""The site's pages: docs/ and the pages at the repository's root, with links and fences as the site needs them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.docs_site.fences import FENCE, Fence

ROOT: Final = Path(__file__).parents[2]
ROOT_PAGES: Final = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages outside docs/, and what they are called on the site."""
OTHER_FILES: Final = {"LICENSE": "LICENSE.txt"}
"""Files outside docs/ that pages link to."""
LINK: Final = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[#)])")
"""The path of a link to another file of the repository."""
ITEM: Final = re.compile(r"^( *)([-*]|\d+\.) ")

Draw = Callable[[str], str]
"""Writes a diagram, given as Mermaid's text, and returns the Markdown that shows it."""


def site_name(path: Path, root: Path = ROOT) -> str | None:
    """What a file of the repository is called on the site, relative to its top; None if it isn't there."""
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
    return ROOT_PAGES.get(name) or OTHER_FILES.get(name) or (name.removeprefix("docs/") if "docs/" in name else None)


def source_files(root: Path = ROOT) -> dict[str, Path]:
    """Every file of the site, by its name there."""
    outside = {new: root / old for old, new in (ROOT_PAGES | OTHER_FILES).items()}
    inside = (path for path in sorted((root / "docs").rglob("*")) if path.is_file())
    return outside | {path.relative_to(root / "docs").as_posix(): path for path in inside}


def site_text(path: Path, draw: Draw, root: Path = ROOT) -> str:
    """The Markdown of a page for the site. Raises ValueError for a link to a file that the site doesn't have."""
    text = path.read_text(encoding="utf-8")
    parts: list[str] = []
    end = 0
    # Code is not prose: neither its links nor its lists are touched.
    for match in FENCE.finditer(text):
        parts += [_site_prose(text[end : match.start()], path, root), _site_fence(Fence.of(match), draw)]
        end = match.end()
    return "".join([*parts, _site_prose(text[end:], path, root)])


def _site_prose(text: str, path: Path, root: Path) -> str:
    return _space_lists(LINK.sub(lambda match: _site_link(match[1], path, root), text))


def _site_link(target: str, path: Path, root: Path) -> str:
    name, here = site_name((path.parent / target).resolve(), root), site_name(path, root)
    if name is None or here is None:
        raise ValueError(f"{path.name} links to {target}, which is not on the site")
    return "../" * here.count("/") + name


def _site_fence(fence: Fence, draw: Draw) -> str:
    if fence.language == "mermaid":
        return draw(fence.code) + "\n"
    rest = f'title="Not run by a test: {fence.not_run}"' if fence.not_run else "" if fence.run_by else fence.rest
    return f"{fence.indent}```{f'{fence.language} {rest}'.strip()}\n{fence.body}{fence.indent}```\n"


def _space_lists(text: str) -> str:
    """The text as Python-Markdown reads it: it needs an empty line before a list."""
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        before = lines[-1] if lines else "\n"
        if ITEM.match(line) and before.strip() and not ITEM.match(before) and not before.startswith("  "):
            lines.append("\n")
        lines.append(line)
    return "".join(lines)
