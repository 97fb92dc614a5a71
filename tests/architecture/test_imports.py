"""Import rules beyond import-linter: single files, parts of a package, and that every package has a rule."""

import tomllib
from pathlib import Path

import pytest

from tests.architecture import source
from tests.architecture.source import ROOT

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "catalog": {"core"},
    "observability": {"core"},
    "providers": {"core"},
    "db": {"core"},
    "notifications": {"core"},
    "simulator": {"core", "db", "catalog"},
    "sandbox": set(),
    "intake": {"core", "db", "providers"},
    "lookups": {"core", "db", "catalog"},
    "activities": {"core", "db", "providers", "intake", "catalog", "lookups", "notifications", "simulator"},
    "workflows": {"core", "activities"},
    "api": {"core", "catalog", "db", "intake", "notifications", "providers", "workflows", "observability", "settings"},
    "devstack": {"core", "settings"},
    "settings": {"core", "providers"},
}
"""docs/architecture.md, as a table. `worker`, `cli` and `commands` compose: they may import everything."""
ROOTS = {"worker", "cli", "commands"}


def our_imports(path: Path) -> set[str]:
    packages = {*source.top_packages(), *source.SINGLE_FILES}
    return {name.partition(".")[0] for name in source.imported_names(path)} & packages - {source.package_of(path)}


def test_packages_import_only_what_they_may() -> None:
    paths = [path for path in source.source_files() if source.package_of(path) not in ROOTS]
    forbidden = {source.module_name(path): our_imports(path) - MAY_IMPORT[source.package_of(path)] for path in paths}
    assert not {name: more for name, more in forbidden.items() if more}


def test_only_the_command_line_composes_the_worker() -> None:
    users = {source.module_name(path) for path in source.source_files() if {"cli", "worker"} & our_imports(path)}
    assert users <= {"cli", "commands"}


def test_every_package_has_a_rule_in_both_places() -> None:
    linted = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
    assert linted == set(source.top_packages())
    assert set(source.top_packages()) <= MAY_IMPORT.keys() | ROOTS


def test_every_package_is_installed() -> None:
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {f"{package}*" for package in source.top_packages()} <= set(included)


@pytest.mark.parametrize(
    ("module", "package"), [("temporalio.workflow", "workflows"), ("temporalio.activity", "activities")]
)
def test_workflow_and_activity_apis_stay_in_their_packages(module: str, package: str) -> None:
    assert {source.package_of(path) for path in source.source_files() if source.does_import(path, module)} == {package}


@pytest.mark.parametrize(
    ("library", "package"),
    [("stripe", "providers/stripe"), ("Adyen", "providers/adyen"), ("braintree", "providers/braintree")],
)
def test_a_providers_library_stays_with_it(library: str, package: str) -> None:
    users = {str(path.relative_to(ROOT).parent) for path in source.source_files() if source.does_import(path, library)}
    assert users == {package}


def test_only_settings_reads_the_environment() -> None:
    reads = {"os.environ", "os.getenv", "os.environb", "environ", "getenv"}
    readers = {
        source.module_name(path)
        for path in source.source_files()
        if reads & set(source.iter_names_used(source.parse_file(path)))
    }
    assert readers == {"settings"}


def test_imports_are_absolute() -> None:
    assert not [
        source.module_name(path)
        for path in source.source_files()
        if any(name[0] == "." for name in source.imported_names(path))
    ]
