"""Which settings each process reads, derived from the source: its imports and the names in them."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from settings import Settings
from tests.architecture.source import (
    ROOT,
    does_import,
    imported_names,
    iter_names_used,
    module_name,
    parse_file,
    source_files,
)

ROOTS: Final = {"api": "api.main", "worker": "worker"}
FIELDS: Final = frozenset(Settings.model_fields)
PLUGINS: Final[dict[str, dict[str, str]]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "entry-points"
]


UNUSED: Final = {"api": frozenset({"SMTP_URL"})}
"""In files that the process shares, and not for it: a preview composes e-mails and sends none."""


@cache
def settings_read_by(process: str) -> frozenset[str]:
    """The environment variables of ours that the process reads, as a field of the settings or by their name."""
    names = frozenset(name for path in _reachable_files(ROOTS[process]) for name in _settings_named_in(path))
    return names - UNUSED.get(process, frozenset())


@cache
def _module_paths() -> dict[str, Path]:
    return {module_name(path): path for path in source_files()}


def _reachable_files(root: str) -> set[Path]:
    """The source files that the process may run, loaded plug-ins included; without settings, which name all."""
    found = _import_closure({root})
    while plugins := _loaded_plugins(found) - {module_name(path) for path in found}:
        found = _import_closure({module_name(path) for path in found} | plugins)
    return found


def _import_closure(roots: set[str]) -> set[Path]:
    waiting, reachable = list(roots), set[Path]()
    while waiting:
        path = _module_paths()[waiting.pop()]
        if path not in reachable and path != ROOT / "settings.py":
            reachable.add(path)
            waiting += (module for dotted in imported_names(path) for module in _modules_in(dotted))
    return reachable


def _modules_in(dotted: str) -> Iterator[str]:
    parts = dotted.split(".")
    yield from (module for end in range(1, len(parts) + 1) if (module := ".".join(parts[:end])) in _module_paths())


def _loaded_plugins(reachable: set[Path]) -> set[str]:
    """The modules of each group whose loader is called from another file than its own."""
    loaders = ((group, path, function) for path in reachable for group, function in _plugin_loaders(path))
    called = {
        group
        for group, path, function in loaders
        if any(_calls_function(is_called, path, function) for is_called in reachable)
    }
    return {target.partition(":")[0] for group in called for target in PLUGINS[group].values()}


def _plugin_loaders(path: Path) -> Iterator[tuple[str, str]]:
    for function in ast.walk(parse_file(path)):
        if isinstance(function, ast.FunctionDef):
            texts = {node.value for node in ast.walk(function) if isinstance(node, ast.Constant)}
            yield from ((group, function.name) for group in PLUGINS if group in texts)


def _calls_function(path: Path, importing_module: Path, function: str) -> bool:
    module = module_name(importing_module)
    by_module = does_import(path, module) and f"{module.rpartition('.')[2]}.{function}" in iter_names_used(
        parse_file(path)
    )
    return by_module or f"{module}.{function}" in imported_names(path)


def _settings_named_in(path: Path) -> Iterator[str]:
    yield from (
        field_name.upper()
        for attribute in iter_names_used(parse_file(path))
        if (field_name := attribute.rpartition(".")[2]) in FIELDS
    )
    yield from (text for text in _string_literals(path) if text.lower() in FIELDS and text.isupper())


@cache
def _string_literals(path: Path) -> frozenset[str]:
    constants = (node.value for node in ast.walk(parse_file(path)) if isinstance(node, ast.Constant))
    return frozenset(value for value in constants if isinstance(value, str))
