"""Limits on the length of files and functions, and docstrings on public names."""

import ast
from pathlib import Path

from tests.architecture import source
from tests.architecture.source import ROOT

SOFT_LIMIT, HARD_LIMIT = 300, 400
"""Lines of a file of the service, and of any file whatever: tests and those below."""
LONG_FILES = {"workflows/recovery.py"}
"""Over the soft limit on purpose: a workflow is read as a whole in one file."""
LONGEST_FUNCTION = 50
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def line_limit(path: Path) -> int:
    name = str(path.relative_to(ROOT))
    return HARD_LIMIT if name in LONG_FILES or name.startswith("tests/") else SOFT_LIMIT


def test_files_stay_short() -> None:
    lengths = {path: line_count(path) for path in (*source.source_files(), *source.list_test_files())}
    assert not {source.module_name(path): length for path, length in lengths.items() if length > line_limit(path)}


def test_functions_stay_short() -> None:
    nodes = [(path, node) for path in source.source_files() for node in ast.walk(source.parse_file(path))]
    functions = [(path, node) for path, node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [
        f"{source.module_name(path)}.{node.name}"
        for path, node in functions
        if (node.end_lineno or 0) - node.body[0].lineno >= LONGEST_FUNCTION
    ]
    assert not long


def test_public_names_have_a_docstring() -> None:
    public = [
        (path, node)
        for path in source.source_files()
        for node in source.parse_file(path).body
        if isinstance(node, DEFINITIONS) and not node.name.startswith("_")
    ]
    assert not [f"{source.module_name(path)}.{node.name}" for path, node in public if not ast.get_docstring(node)]


def test_modules_have_a_docstring() -> None:
    modules = [path for path in source.source_files() if source.parse_file(path).body]
    assert not [source.module_name(path) for path in modules if not ast.get_docstring(source.parse_file(path))]
