"""Files in the repository: only listed ones at its root, and no binaries anywhere."""

import subprocess
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.source import ROOT, SINGLE_FILES, top_packages

ROOT_FILES: Final = {
    ".dockerignore", ".env.example", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile", "LICENSE",
    "Makefile", "README.md", "SECURITY.md", "docker-compose.yml", "mkdocs.yml", "pyproject.toml",
    "requirements-dev.lock", "requirements.lock",
} | {f"{name}.py" for name in SINGLE_FILES}  # fmt: skip
ROOT_FOLDERS: Final = {".ci", "benchmarks", "deploy", "docs", "tests"} | set(top_packages())
PICTURES: Final = "docs/images/"
"""The only files that are no text."""


def find_strays(names: Iterable[str]) -> list[str]:
    """Files and folders at the root that are not listed."""
    top_names = {name.partition("/") for name in names}
    return sorted({first for first, slash, _ in top_names if first not in (ROOT_FOLDERS if slash else ROOT_FILES)})


def find_binaries(names: Iterable[str], root: Path = ROOT) -> list[str]:
    """Files that are not text, except pictures of the docs."""
    candidates = (name for name in names if not (name.startswith(PICTURES) and name.endswith(".png")))
    return sorted(name for name in candidates if b"\0" in (root / name).read_bytes())


@pytest.fixture(scope="module")
def names() -> list[str]:
    """Every file in git; in a copy without git, every file that git would not ignore."""
    return [name for name in _files_in_git() or _files_on_disk() if (ROOT / name).exists()]


def _files_in_git() -> list[str]:
    if not (ROOT / ".git").exists():
        return []
    process = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in process.stdout.split("\0") if name]


def _files_on_disk() -> list[str]:
    patterns = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return [
        str(path) for path in paths if not any(fnmatch(part, pattern) for part in path.parts for pattern in patterns)
    ]


def test_copy_without_git_is_checked_too() -> None:
    assert "core/__init__.py" in _files_on_disk()
    assert not [name for name in _files_on_disk() if ".venv" in name]


def test_root_holds_only_listed_files(names: list[str]) -> None:
    assert find_strays(names) == []
    assert {name for name in names if "/" not in name} == ROOT_FILES


def test_no_binaries_in_the_repository(names: list[str]) -> None:
    assert find_binaries(names) == []


def test_strays_and_binaries_are_detected(tmp_path: Path) -> None:
    strays = ["py_spy-0.4.3-py2.py3-none-any.whl", "notes.txt", "scratch/x.py", "core/__init__.py", "README.md"]
    assert find_strays(strays) == ["notes.txt", "py_spy-0.4.3-py2.py3-none-any.whl", "scratch"]
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "tool").write_bytes(b"\x7fELF\0\0")
    (tmp_path / "core" / "late").write_bytes(b"text\n" * 10_000 + b"\0")
    (tmp_path / "core" / "text.py").write_bytes(b"x = 1\n")
    assert find_binaries(["core/tool", "core/late", "core/text.py"], tmp_path) == ["core/late", "core/tool"]
    (tmp_path / "docs" / "images").mkdir(parents=True)
    for name in ("docs/images/page.png", "docs/images/tool", "docs/page.png"):
        (tmp_path / name).write_bytes(b"\x89PNG\0")
    pictures = ["docs/images/page.png", "docs/images/tool", "docs/page.png"]
    assert find_binaries(pictures, tmp_path) == ["docs/images/tool", "docs/page.png"]
