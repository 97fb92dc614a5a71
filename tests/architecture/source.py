"""Our own source as the tests of its shape read it: parsed, never imported."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
NOT_OURS: Final = {".venv", ".git", "build", "dist"}
SINGLE_FILES: Final = ("cli", "settings", "worker")


@cache
def rooms() -> tuple[str, ...]:
    """The packages at the top of the tree, without tests and benchmarks, which nothing imports or installs."""
    return tuple(sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}))


@cache
def files() -> tuple[Path, ...]:
    """Every Python file of the service, tests not among them."""
    found = [path for room in rooms() for path in (ROOT / room).rglob("*.py")]
    return tuple(sorted(found + [ROOT / f"{name}.py" for name in SINGLE_FILES]))


@cache
def test_files() -> tuple[Path, ...]:
    """Every Python file below `tests`."""
    return tuple(sorted((ROOT / "tests").rglob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    """The file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name(path: Path) -> str:
    """The module's dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(path: Path) -> str:
    """The room a file is in; a single file is a room of its own."""
    return name(path).partition(".")[0]


@cache
def imported(path: Path) -> frozenset[str]:
    """Every dotted name that a file imports, wherever in it: `from a import b` counts as `a.b`."""
    return frozenset(_imported(tree(path)))


def _imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def imports(path: Path, dotted: str) -> bool:
    """Whether a file imports this module or anything of it."""
    return any(one == dotted or one.startswith(f"{dotted}.") for one in imported(path))


def names_used(module: ast.AST) -> Iterator[str]:
    """Every name and dotted attribute in the code, as `datetime.now` or `open`."""
    for node in ast.walk(module):
        if isinstance(node, ast.Name | ast.Attribute) and (dotted := _dotted(node)):
            yield dotted


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""
