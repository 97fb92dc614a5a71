"""What the documents name exists: links, files, commands, variables, routes, events, metrics."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi import APIRouter

from cli import app
from core.classification.taxonomy import Category, Cause
from core.events import EventType, State
from observability.metrics import create_metrics
from sandbox.config import SandboxSecrets
from settings import Settings
from tests.architecture import source
from tests.architecture.source import ROOT
from workflows.options import SEARCH_ATTRIBUTES

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in DOCUMENTS}
NOT_VARIABLES = {*Category, *Cause, "CUSTOMER_ID", "RECOVERY_ID", "SKIP_LOCKED"}
ROUTERS = (
    "api.webhooks",
    "api.recoveries",
    "api.events",
    "api.operations",
    "api.credentials",
    "api.payload_decoding",
    "api.summary",
    "api.simulations",
    "api.health",
    "api.unsubscribe",
)
READ_BY_SANDBOX = set(SandboxSecrets.variable_names())
READ_BY_TEMPORAL = {"TEMPORAL_API_KEY", "TEMPORAL_", "TEMPORAL_CODEC_ENDPOINT"}
"""By its own clients and its web UI."""
NOT_IN_GIT = {"providers/NAME/", ".pri/dev.json", "build/docs/html", "mine.toml", "simulation/report.html"}
"""What a reader of the docs makes."""
MEDIA_TYPES = ("application/", "text/")
ADR_SECTIONS = ["## Status", "## Context", "## Decision", "## Consequences"]


def all_text() -> str:
    return "\n".join(TEXTS.values())


def code_in(text: str) -> str:
    """The text between backticks, in blocks and inline."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))])


def anchors_in(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TEXTS)
def test_links_in_documents_resolve(name: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", TEXTS[name])
    for target, _, anchor in (link.partition("#") for link in links if "://" not in link):
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), target
        assert not anchor or anchor in anchors_in(path.read_text(encoding="utf-8"))


def test_named_files_exist() -> None:
    named = set(re.findall(r"`(\.?[\w][\w./-]*/[\w./-]*|[\w-]+\.(?:py|toml|yml|md|lock))`", all_text()))
    missing = {name for name in named if not (ROOT / name).exists() and not (ROOT / "docs" / name).exists()}
    assert not {name for name in missing if not name.startswith(MEDIA_TYPES)} - NOT_IN_GIT


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^(?:#\s*)?make ([a-z]+)", code_in(all_text()), re.MULTILINE)) <= targets


def command_tree(group: typer.Typer) -> dict[str, Any]:
    """The names of commands, and of groups with their commands."""
    single: dict[str, Any] = {
        str(command.name or getattr(command.callback, "__name__", "")): None for command in group.registered_commands
    }
    nested = {
        str(command_group.name): command_tree(command_group.typer_instance)
        for command_group in group.registered_groups
        if command_group.typer_instance
    }
    return single | nested


def test_pri_commands_exist() -> None:
    commands = command_tree(app)
    mentions = set(re.findall(r"\bpri ([a-z]+)(?: ([a-z]+))?", code_in(all_text())))
    assert mentions
    assert not {mention for mention in mentions if mention[0] not in commands}
    assert not {mention for mention in mentions if commands.get(mention[0]) and mention[1] not in commands[mention[0]]}


def test_variables_exist() -> None:
    variables = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]*)`", all_text()))
    assert (
        variables - NOT_VARIABLES
        <= {name.upper() for name in Settings.model_fields} | READ_BY_TEMPORAL | READ_BY_SANDBOX
    )


def service_routes() -> set[tuple[str, str]]:
    routers: list[APIRouter] = [importlib.import_module(name).router for name in ROUTERS]
    routes = [route for router in routers for route in router.routes]
    return {(method, getattr(route, "path", "")) for route in routes for method in getattr(route, "methods", ())}


def test_routes_exist() -> None:
    mentions = set(re.findall(r"\b(GET|POST) (/[\w/{}]*)", all_text()))
    assert mentions
    assert mentions <= service_routes()


def test_every_type_of_event_is_explained() -> None:
    table = TEXTS["docs/events.md"]
    rows = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", table))
    assert {kind.value for kind in EventType} == rows


def test_the_fields_of_events_are_written_somewhere() -> None:
    """Each name is a string literal in the packages that make events."""
    rows = re.findall(r"^\| `.+ \| .+ \| (.+) \|$", TEXTS["docs/events.md"].partition("## Types")[2], re.MULTILINE)
    documented_fields = {field for cells in rows for field in re.findall(r"`(\w+)`", cells)}
    paths = [path for path in source.source_files() if source.package_of(path) in {"core", "activities", "intake"}]
    literals = {
        node.value
        for path in paths
        for node in ast.walk(source.parse_file(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    fields = {name for path in paths for node in ast.walk(source.parse_file(path)) for name in _field_names(node)}
    assert documented_fields
    assert documented_fields <= literals | fields


def _field_names(node: ast.AST) -> tuple[str, ...]:
    """The fields of a model that may be dumped into a row."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return (node.target.id,)
    return ()


def test_every_state_is_in_the_diagram() -> None:
    diagram = TEXTS["docs/architecture.md"].partition("stateDiagram-v2")[2].partition("```")[0]
    assert not [state for state in State if state.value not in diagram and state is not State.PAUSED]


def test_the_search_attributes_are_those_of_the_service() -> None:
    types = {key.name: key.indexed_value_type.name.capitalize() for key in SEARCH_ATTRIBUTES}
    text = TEXTS["docs/operations.md"]
    assert dict(re.findall(r"create --name (\w+) --type (\w+)", text)) == types
    assert dict(re.findall(r'--search-attribute "(\w+)=(\w+)"', text)) == types


def test_the_metrics_exist() -> None:
    metrics = create_metrics()
    metrics.webhooks.labels("stripe", "accepted").inc()
    documented_metrics = set(re.findall(r"`(pri_[a-z_]+)`", TEXTS["docs/operations.md"])) - {"pri_owner", "pri_writer"}
    assert documented_metrics
    assert not [name for name in documented_metrics if name not in metrics.render_text().decode()]


def test_every_package_is_described() -> None:
    for name in ("README.md", "docs/architecture.md"):
        assert not [package for package in source.top_packages() if f"`{package}/`" not in TEXTS[name]]


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "adr").glob("0*.md")), ids=lambda path: path.stem)
def test_a_decision_fits_on_a_page_of_one_shape(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^## .+$", text, re.MULTILINE) == ADR_SECTIONS
    assert text.startswith(f"# {int(path.stem[:4])}. ")
    assert len(text.splitlines()) <= 45
    assert path.name in TEXTS["docs/adr/README.md"]


def test_every_numbered_source_is_explained() -> None:
    tables = [*ROOT.glob("core/**/*.csv"), *ROOT.glob("providers/**/*.csv"), *ROOT.glob("simulator/**/*.toml")]
    named = {number for path in tables for number in re.findall(r"\bS\d+\b", path.read_text(encoding="utf-8"))}
    explained = re.findall(r"^\| (S\d+(?:, S\d+)*) \|", TEXTS["docs/sources.md"], re.MULTILINE)
    assert named == {number for cell in explained for number in cell.split(", ")}


def test_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "APPENDIX: How to apply the Apache License" in text
