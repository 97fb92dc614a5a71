"""The committed OpenAPI document equals the service's own and has closed enums."""

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from api.app import openapi_description

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
CLOSED_ENUMS = {
    ("RecoveryView", "state"), ("RecoveryView", "category"), ("RecoveryView", "cause"), ("EventView", "type"),
    ("EventView", "from_state"), ("EventView", "to_state"), ("AttemptView", "outcome"), ("AttemptView", "trigger"),
    ("Problem", "code"), ("WebhookReceipt", "status"), ("SimulationView", "state"), ("SimulationView", "source"),
    ("ReviewRequest", "decision"),
}  # fmt: skip


def test_committed_openapi_document_is_current() -> None:
    assert json.loads(COMMITTED.read_text()) == openapi_description(), "make reference writes it anew"


def test_document_is_valid_openapi() -> None:
    validate(openapi_description())


@pytest.mark.parametrize(("schema", "field"), sorted(CLOSED_ENUMS))
def test_closed_enums_are_enums_in_openapi(schema: str, field: str) -> None:
    schemas = openapi_description()["components"]["schemas"]
    assert len(_enum_values(schemas, schemas[schema]["properties"][field])) > 1


def _enum_values(schemas: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """The enum values of a field, found through references and alternatives."""
    if "$ref" in schema:
        return _enum_values(schemas, schemas[schema["$ref"].rpartition("/")[2]])
    parts = [value for option in schema.get("anyOf", ()) for value in _enum_values(schemas, option)]
    return [*schema.get("enum", ()), *parts]
