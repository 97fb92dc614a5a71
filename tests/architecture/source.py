"""Our own source for the architecture tests: parsed, never imported."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FOREIGN_FOLDERS: Final = {".venv", ".git", "build", "dist"}
SINGLE_FILES: Final = ("cli", "settings", "worker")


@cache
def top_packages() -> tuple[str, ...]:
    """The packages at the top of the tree, without tests and benchmarks, which nothing imports or installs."""
    return tuple(sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}))


@cache
def source_files() -> tuple[Path, ...]:
    """Every Python file of the service, tests not among them."""
    paths = [path for package in top_packages() for path in (ROOT / package).rglob("*.py")]
    return tuple(sorted(paths + [ROOT / f"{name}.py" for name in SINGLE_FILES]))


@cache
def list_test_files() -> tuple[Path, ...]:
    """Every Python file below `tests`."""
    return tuple(sorted((ROOT / "tests").rglob("*.py")))


@cache
def parse_file(path: Path) -> ast.Module:
    """The file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_name(path: Path) -> str:
    """The module's dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path: Path) -> str:
    """The package of a file; a single file is a package of its own."""
    return module_name(path).partition(".")[0]


@cache
def imported_names(path: Path) -> frozenset[str]:
    """Every dotted name that a file imports, wherever in it: `from a import b` counts as `a.b`."""
    return frozenset(_iter_imports(parse_file(path)))


def _iter_imports(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def does_import(path: Path, dotted: str) -> bool:
    """Whether a file imports this module or anything of it."""
    return any(name == dotted or name.startswith(f"{dotted}.") for name in imported_names(path))


def iter_names_used(module: ast.AST) -> Iterator[str]:
    """Every name and dotted attribute in the code, as `datetime.now` or `open`."""
    for node in ast.walk(module):
        if isinstance(node, ast.Name | ast.Attribute) and (dotted := _dotted_name(node)):
            yield dotted


def _dotted_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted_name(node.value)):
        return f"{before}.{node.attr}"
    return ""
