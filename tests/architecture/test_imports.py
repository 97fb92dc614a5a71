"""Import rules that import-linter can't hold: single files, parts of a package, and that no room is forgotten."""

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
    "activities": {"core", "db", "providers", "intake", "catalog", "notifications", "simulator"},
    "workflows": {"core", "activities"},
    "api": {"core", "catalog", "db", "intake", "notifications", "providers", "workflows", "observability", "settings"},
    "devstack": {"core", "settings"},
    "settings": {"core", "providers"},
}
"""docs/architecture.md, as a table. `worker`, `cli` and `commands` compose: they may import everything."""
ROOTS = {"worker", "cli", "commands"}


def of_ours(path: Path) -> set[str]:
    known = {*source.rooms(), *source.SINGLE_FILES}
    return {one.partition(".")[0] for one in source.imported(path)} & known - {source.room(path)}


def test_rooms_import_only_what_they_may() -> None:
    ruled = [path for path in source.files() if source.room(path) not in ROOTS]
    found = {source.name(path): of_ours(path) - MAY_IMPORT[source.room(path)] for path in ruled}
    assert not {name: more for name, more in found.items() if more}


def test_only_the_command_line_composes_the_worker() -> None:
    users = {source.name(path) for path in source.files() if {"cli", "worker"} & of_ours(path)}
    assert users <= {"cli", "commands"}


def test_every_room_has_a_rule_in_both_places() -> None:
    linted = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
    assert linted == set(source.rooms())
    assert set(source.rooms()) <= MAY_IMPORT.keys() | ROOTS


def test_every_room_is_installed() -> None:
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {f"{room}*" for room in source.rooms()} <= set(included)


@pytest.mark.parametrize(
    ("module", "room"), [("temporalio.workflow", "workflows"), ("temporalio.activity", "activities")]
)
def test_temporals_two_sides_stay_in_their_rooms(module: str, room: str) -> None:
    assert {source.room(path) for path in source.files() if source.imports(path, module)} == {room}


@pytest.mark.parametrize(
    ("library", "room"),
    [("stripe", "providers/stripe"), ("Adyen", "providers/adyen"), ("braintree", "providers/braintree")],
)
def test_a_providers_library_stays_with_it(library: str, room: str) -> None:
    users = {str(path.relative_to(ROOT).parent) for path in source.files() if source.imports(path, library)}
    assert users == {room}


def test_only_settings_reads_the_environment() -> None:
    reads = {"os.environ", "os.getenv", "os.environb", "environ", "getenv"}
    readers = {source.name(path) for path in source.files() if reads & set(source.names_used(source.tree(path)))}
    assert readers == {"settings"}


def test_imports_are_absolute() -> None:
    assert not [source.name(path) for path in source.files() if any(one[0] == "." for one in source.imported(path))]
