"""The JSON Schemas of the event log: one valid schema per type."""

import pytest
from jsonschema import Draft202012Validator

from core.events import EventType
from core.events.schema import event_schemas, event_table


@pytest.mark.parametrize("kind", EventType)
def test_every_type_has_a_valid_schema(kind: EventType) -> None:
    Draft202012Validator.check_schema(event_schemas()[kind])


def test_schema_rejects_what_is_no_row() -> None:
    requested = Draft202012Validator(event_schemas()["charge.requested"])
    row = {"idempotency_key": "k", "trigger": "scheduled", "amount": 4900, "currency": "EUR"}
    assert requested.is_valid(row)
    assert not requested.is_valid(row | {"trigger": "whim"})
    assert not requested.is_valid({"amount": 4900})


def test_the_table_names_every_type_once() -> None:
    assert [event_table().count(f"| `{kind}` |") for kind in EventType] == [1] * len(EventType)
