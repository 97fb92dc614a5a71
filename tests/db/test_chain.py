"""The canonical form of hashed data: equal before and after storage; what cannot be hashed is refused."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings

from core.errors import InvalidInput
from db import chain
from tests.db.conftest import Addresses
from tests.db.recovery_events import JSON, NOW


def chain_row(sequence: int = 1, previous: bytes = chain.GENESIS, **changes: Any) -> dict[str, Any]:
    """A row as it would be stored."""
    fields: dict[str, Any] = {
        "recovery_id": "recovery-stripe-in_1", "sequence": sequence, "event_id": UUID(int=sequence),
        "type": "payment.failed", "occurred_at": NOW, "recorded_at": NOW, "provider": "stripe", "invoice_id": "in_1",
        "customer_id": None, "attempt": None, "from_state": None, "to_state": "received", "data": {"n": sequence},
        "opened_on": date(2026, 9, 1),
    }  # fmt: skip
    fields |= changes
    return fields | {"previous_hash": previous, "hash": chain.link_hash(previous, fields)}


def chain_of(length: int) -> list[dict[str, Any]]:
    """A chain of so many rows."""
    rows = [chain_row()]
    for sequence in range(2, length + 1):
        rows.append(chain_row(sequence, rows[-1]["hash"]))
    return rows


@given(JSON)
@settings(deadline=None, max_examples=300)
def test_hashable_data_round_trips_through_jsonb(stored: "psycopg.Connection[Any]", value: Any) -> None:
    value = chain.to_json_value(value)
    answer = stored.execute("SELECT %s::jsonb", [psycopg.types.json.Jsonb(value)]).fetchone()
    assert answer is not None
    assert answer[0] == value
    assert chain.link_hash(chain.GENESIS, chain_row(data=answer[0])) == chain.link_hash(
        chain.GENESIS, chain_row(data=value)
    )


@pytest.fixture(scope="module")
def stored(addresses: Addresses) -> Any:
    """A plain connection in autocommit, to see what jsonb stores."""
    with psycopg.connect(addresses.writer.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    "bad", [1.0, {"a": [1, 0.5]}, float("nan"), object(), {1: "a"}, 10**1000, {"a": datetime.now(UTC)}]
)
def test_unhashable_data_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidInput):
        chain.to_json_value(bad)


def test_endless_depth_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(InvalidInput):
        chain.to_json_value(deep)


def test_characters_that_cannot_be_stored_are_replaced() -> None:
    assert chain.to_json_value({"a\x00": "b\ud800c", "t": ("x",)}) == {"a\ufffd": "b\ufffdc", "t": ["x"]}


def test_time_has_one_canonical_form() -> None:
    in_india = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert chain.canonical_bytes(chain_row(occurred_at=in_india)) == chain.canonical_bytes(chain_row())


def test_canonical_form_is_what_the_docstring_says() -> None:
    text = chain.canonical_bytes(chain_row(data={"b": 1, "a": "ü"}, occurred_at=NOW.replace(microsecond=0))).decode()
    assert '"data":{"a":"ü","b":1},"event_id"' in text
    assert '"occurred_at":"2026-09-01T12:00:00.000000Z"' in text


def test_an_untouched_chain_has_no_problem() -> None:
    assert chain.verify_chain(chain_of(5)) == []
    assert chain.verify_chain([]) == []


@pytest.mark.parametrize("column", chain.HASHED_COLUMNS)
def test_change_of_any_column_is_detected(column: str) -> None:
    rows = chain_of(3)
    changed = {"data": {"n": 9}, "sequence": 7, "opened_on": date(2020, 1, 1), "event_id": UUID(int=99)}
    rows[1][column] = changed.get(column, NOW + timedelta(days=1) if column.endswith("_at") else "forged")
    assert 2 in {problem.sequence for problem in chain.verify_chain(rows)} or column == "sequence"
    assert chain.verify_chain(rows)


def test_one_forged_row_is_one_problem_and_a_missing_one_too() -> None:
    forged, gap = chain_of(5), chain_of(5)
    forged[2]["data"] = {"n": 0}
    del gap[2]
    assert [(p.sequence, p.what) for p in chain.verify_chain(forged)] == [(3, "its content is not what was hashed")]
    assert [(p.sequence, p.what) for p in chain.verify_chain(gap)] == [(4, "row 3 is missing")]


def test_a_row_hashed_anew_no_longer_fits_its_neighbour() -> None:
    rows = chain_of(4)
    rows[1] = chain_row(2, rows[0]["hash"], data={"n": "forged"})
    assert [(p.sequence, p.what) for p in chain.verify_chain(rows)] == [(3, "does not follow from the row before it")]
