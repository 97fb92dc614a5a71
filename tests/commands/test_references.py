"""The tables that docs/configuration.md and docs/api.md get from the code."""

import re

from api.app import openapi_description
from commands.api_reference import api_reference
from commands.settings_reference import GROUPS, settings_tables
from settings import Settings


def settings_rows() -> dict[str, list[str]]:
    """The cells of each variable's row."""
    rows = (line.strip("| ").split(" | ") for line in settings_tables().splitlines() if line.startswith("| `"))
    return {cells[0].strip("`"): cells[1:] for cells in rows}


def test_every_setting_has_a_row_with_its_description() -> None:
    rows = settings_rows()
    assert list(rows) == [name.upper() for name in Settings.model_fields]
    assert all(cells[-1] == Settings.model_fields[name.lower()].description for name, cells in rows.items())


def test_rows_tell_type_range_and_default() -> None:
    rows = settings_rows()
    assert rows["SESSION_HOURS"][:2] == ["whole number, 1 to 168", "`8`"]
    assert rows["RATE_LIMIT_PER_KEY"][:2] == ["whole number, 0 or more", "`6000`"]
    assert rows["STRIPE_WEBHOOK_SECRETS"][:2] == ["list of secrets", ""]
    assert rows["DATABASE_URL"][:2] == ["secret", ""]
    assert rows["TRUSTED_PROXIES"][:2] == ["list of networks", ""]
    assert rows["POLICY_FILE"][:2] == ["path", "the shipped policy"]
    assert rows["LOG_LEVEL"][:2] == ["text", "`INFO`"]


def test_every_group_begins_with_a_setting() -> None:
    assert set(GROUPS) <= set(Settings.model_fields)
    assert next(iter(GROUPS)) == next(iter(Settings.model_fields))


def test_every_route_webhook_and_schema_is_on_the_page() -> None:
    description = openapi_description()
    page = api_reference(description)
    routes = {(method.upper(), path) for path, methods in description["paths"].items() for method in methods}
    assert set(re.findall(r"^`([A-Z]+) (/\S+)` ·", page, re.MULTILINE)) == routes
    headings = re.findall(r"^### (.+)$", page, re.MULTILINE)
    assert set(description["webhooks"]) | set(description["components"]["schemas"]) <= set(headings)
    assert len(headings) == len(set(headings)), "a link to a heading must be of one meaning"


def test_schemas_are_linked_and_texts_fit_into_a_table() -> None:
    schema = {"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/State"}}, {"type": "null"}]}
    fields = {"a": schema | {"description": "one | two"}, "b": {"type": "string", "format": "date-time"}}
    item = {"Thing": {"type": "object", "properties": fields, "required": ["b"], "description": "A\nthing."}}
    page = api_reference({"paths": {}, "webhooks": {}, "components": {"schemas": item}})
    assert "### Thing\n\nA thing.\n" in page
    assert "| `a` (optional) | list of [State](#state) or null | one \\| two |" in page
    assert "| `b` | time |  |" in page
