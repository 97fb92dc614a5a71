"""The core and the code inside workflows are pure: no clock, randomness, environment or I/O."""

import ast
import sys
from pathlib import Path

import pytest

from tests.architecture import source

IMPURE_MODULES = {
    "asyncio", "ctypes", "glob", "importlib", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil",
    "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib.request",
}  # fmt: skip
IMPURE_NAMES = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now", "datetime.date.today",
    "uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4", "open", "io.open", "print", "input", "exec", "eval", "__import__",
    "globals",
}  # fmt: skip


def core_files() -> list[Path]:
    return [path for path in source.source_files() if source.package_of(path) == "core"]


def find_impurities(module: ast.AST, names: set[str] = IMPURE_NAMES) -> set[str]:
    return names & set(source.iter_names_used(module))


def find_offenders(paths: list[Path], modules: set[str], names: set[str]) -> dict[str, set[str]]:
    """The forbidden imports and names of each file, by module."""
    imports = {path: {module for module in modules if source.does_import(path, module)} for path in paths}
    imports = {path: imports | find_impurities(source.parse_file(path), names) for path, imports in imports.items()}
    return {source.module_name(path): imports for path, imports in imports.items() if imports}


def workflow_files() -> list[Path]:
    """The workflow files and all modules of `workflows` that they import."""
    by_name = {
        source.module_name(path): path for path in source.source_files() if source.package_of(path) == "workflows"
    }
    defined = [path for path in by_name.values() if "workflow.defn" in source.iter_names_used(source.parse_file(path))]
    files, todo = set(), defined
    while todo:
        path = todo.pop()
        if path not in files:
            files.add(path)
            todo += [by_name[name] for name in by_name.keys() - {"workflows"} if source.does_import(path, name)]
    return sorted(files)


def test_the_core_needs_only_the_standard_library_and_pydantic() -> None:
    roots = {name.partition(".")[0] for path in core_files() for name in source.imported_names(path)}
    assert roots <= sys.stdlib_module_names | {"pydantic", "core"}


def test_the_core_is_pure() -> None:
    assert not find_offenders(core_files(), IMPURE_MODULES, IMPURE_NAMES)


def test_the_core_keeps_no_state() -> None:
    nodes = [(source.module_name(path), node) for path in core_files() for node in ast.walk(source.parse_file(path))]
    assert not [name for name, node in nodes if isinstance(node, ast.Global | ast.Nonlocal)]


def test_workflow_files_are_deterministic() -> None:
    """Temporal makes asyncio deterministic, but for real time."""
    names = IMPURE_NAMES | {"asyncio.sleep", "asyncio.wait_for", "asyncio.timeout", "asyncio.to_thread"}
    assert not find_offenders(workflow_files(), IMPURE_MODULES - {"asyncio"}, names)


def test_the_files_inside_workflows_are_found() -> None:
    names = {source.module_name(path) for path in workflow_files()}
    assert {"workflows.recovery", "workflows.simulation", "workflows.activity_calls", "workflows.options"} <= names
    assert not {"workflows.client", "workflows.handles"} & names


def test_the_workflow_takes_no_decision() -> None:
    """Classifier, segmentation, fraud rules and planner are reached through activities alone."""
    deciding = (
        "core.classification.classify",
        "core.planning.planner",
        "core.planning.decision",
        "core.fraud",
        "catalog",
    )
    names = [name for path in workflow_files() for name in deciding if source.does_import(path, name)]
    assert not names


@pytest.mark.parametrize(
    "source_line",
    ["from datetime import datetime\nx = datetime.now()", "import uuid\nx = uuid.uuid4()", "x = open('a')"],
)
def test_impure_line_is_detected(source_line: str) -> None:
    assert find_impurities(ast.parse(source_line))
