"""Builds the site with Zensical, strictly: a warning fails."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import mermaidx

from tests.docs_site.pages import ROOT, site_text, source_files

CSS: Final = """
.md-typeset img[src*="diagrams/"] { background: white; border-radius: 0.2rem; padding: 0.4rem; }
.md-typeset table:not([class]) td code { word-break: normal; }
.md-typeset table:not([class]) td:first-child code { white-space: nowrap; }
"""


def build_site(folder: Path, root: Path = ROOT) -> Path:
    """Builds the site anew in `folder`, and returns the folder with its pages.

    Raises RuntimeError with Zensical's words if it warns, and ValueError for a link to a file that the site lacks.
    """
    shutil.rmtree(folder, ignore_errors=True)
    _write_sources(folder / "docs", root)
    shutil.copy(root / "mkdocs.yml", folder)
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--clean", "--strict"]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = process.stdout + process.stderr
    if process.returncode or re.search(r"\b(warning|error)\b", said, re.IGNORECASE):
        raise RuntimeError(said)
    return folder / "html"


def _write_sources(folder: Path, root: Path) -> None:
    """The pages as the site needs them, and everything else as it is."""
    for name, path in source_files(root).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".md"):
            diagrams = Diagrams(folder, name.count("/"))
            (folder / name).write_text(site_text(path, diagrams.draw, root), encoding="utf-8")
        else:
            shutil.copy(path, folder / name)
    (folder / "site.css").write_text(CSS, encoding="utf-8")


class Diagrams:
    """Draws Mermaid diagrams while the site is built: the theme would load a script of another host to do so."""

    def __init__(self, folder: Path, depth: int) -> None:
        self._folder, self._up = folder, "../" * depth

    def draw(self, text: str) -> str:
        """The Markdown of a diagram, which is stored as an SVG picture."""
        name = f"diagrams/{hashlib.sha256(text.encode()).hexdigest()[:12]}.svg"
        (self._folder / "diagrams").mkdir(exist_ok=True)
        (self._folder / name).write_text(mermaidx.render(text).svg(), encoding="utf-8")
        return f"![{text.splitlines()[0]}]({self._up}{name})"
