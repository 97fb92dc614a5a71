"""`pri erase` covers every table with personal data, and every column is declared."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import ARRAY, Column, LargeBinary, MetaData, Table, Text, insert, select
from sqlalchemy.dialects.postgresql import JSONB

from core.messages.recipients import Contact
from db import access_models, models
from db.erasure import erase_customer
from db.personal_data import PERSONAL_DATA, Content, columns_with
from db.repositories import contacts, customer_identities, event_log
from db.repositories.new_webhooks import NewWebhook, insert_webhooks
from db.session import Database
from tests.db.recovery_events import NOW, blank_recovery, failed_event

MARKER: Final = "Jenny Rosen jenny.rosen@example.com +49 171 1234567"
TEXT_TYPES: Final = (Text, JSONB, LargeBinary, ARRAY)
EARLIER: Final = NOW - timedelta(days=4)
assert access_models.approval.metadata is models.METADATA, "both files are walked"


def find_undeclared(tables: MetaData) -> set[str]:
    """Columns that can hold text and are not declared exactly once, and declared ones that don't exist."""
    held = {
        f"{table.name}.{column.name}"
        for table in tables.tables.values()
        for column in table.columns
        if isinstance(column.type, TEXT_TYPES)
    }
    declared = list(_declared_columns())
    return held ^ set(declared) | {name for name in declared if declared.count(name) > 1}


def _declared_columns() -> Iterator[str]:
    for table, contents in PERSONAL_DATA.items():
        yield from (f"{table}.{column}" for columns in contents.values() for column in columns.split())


def test_every_column_is_declared() -> None:
    assert find_undeclared(models.METADATA) == set()


def test_new_column_that_nobody_declares_is_found() -> None:
    with_nickname = MetaData()
    for table in models.METADATA.tables.values():
        table.to_metadata(with_nickname)
    Table("contact", with_nickname, Column("nickname", Text), extend_existing=True)
    Table("survey", with_nickname, Column("answers", JSONB))
    assert find_undeclared(with_nickname) == {"contact.nickname", "survey.answers"}


def _planted_rows(customer: str, recovery: str) -> dict[str, dict[str, Any]]:
    """One row of each table with personal data, the marker in each column that is declared as erased."""
    event = {"provider": "adyen", "recovery_id": recovery}
    return {
        "contact": {"provider": "adyen", "customer_id": customer, "read_at": NOW},
        "customer_identity": {"customer_id": customer, "seen_at": NOW},
        "webhook_inbox": event
        | {"event_id": f"e-{customer}", "event_type": "t", "received_at": NOW, "next_try_at": NOW, "delivered_at": NOW},
        "operator_signal": event
        | {"request_id": "1", "invoice_id": "i", "stored_at": NOW, "next_try_at": NOW, "delivered_at": NOW},
        "notice": {"id": uuid.uuid4(), "audience": "webhook", "topic": "t", "recovery_id": recovery}
        | {"occurred_at": EARLIER, "handed_at": EARLIER, "outcome": "begun"},
        "approval": {"id": uuid.uuid4(), "recovery_id": recovery, "action": "retry", "asked_by": "ann"}
        | {"asked_at": NOW, "expires_at": NOW, "ended_at": NOW, "outcome": "expired"},
    }


def _planted_value(column: Column[Any]) -> Any:
    if isinstance(column.type, JSONB):
        return {"reason": MARKER}
    return MARKER.encode() if isinstance(column.type, LargeBinary) else MARKER


async def plant_customer(database: Database, customer: str) -> None:
    """A recovery of this customer, and rows about it with personal data."""
    recovery = blank_recovery(f"inv-{customer}", "adyen")
    rows, planted = _planted_rows(customer, recovery.recovery_id), columns_with(Content.ERASED)
    assert rows.keys() == planted.keys(), "plant a row of each table with personal data"
    async with database.begin() as session:
        await event_log.append_to_log(session, recovery, [failed_event(customer_id=customer)], NOW)
        for name, row in rows.items():
            table = models.METADATA.tables[name]
            texts = {column: _planted_value(table.c[column]) for column in planted[name]}
            await session.execute(insert(table).values(row | texts))


async def tables_with(database: Database, text: str, customer: str) -> set[str]:
    """The tables with this text in a row about this customer."""
    found = set()
    async with database.begin() as session:
        for table in models.METADATA.tables.values():
            rows = (await session.execute(select(table))).mappings()
            shown = [" ".join(_decode(value) for value in row.values()) for row in rows]
            found |= {table.name for row in shown if text in row and customer in row}
    return found


def _decode(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize("text", MARKER.split())
async def test_what_is_declared_as_erased_is_gone_afterwards(database: Database, text: str) -> None:
    customer = f"shopper-{uuid.uuid4().hex}"
    async with database.begin() as session:
        await session.exec_driver_sql("UPDATE customer_identity SET original = NULL")
    await plant_customer(database, customer)
    assert await tables_with(database, text, customer) == columns_with(Content.ERASED).keys()
    async with database.begin() as session:
        await erase_customer(session, customer, (), NOW)
    assert await tables_with(database, text, customer) == set()


async def test_others_keep_their_data(database: Database) -> None:
    async with database.begin() as session:
        await session.exec_driver_sql("UPDATE customer_identity SET original = NULL")
    await plant_customer(database, "shopper-stays")
    async with database.begin() as session:
        await erase_customer(session, "shopper-goes", (), NOW)
    assert await tables_with(database, "Jenny", "shopper-stays") == columns_with(Content.ERASED).keys()


async def test_address_as_id_is_erased_by_itself_and_by_what_stands_for_it(database: Database) -> None:
    for given in ("ann@example.com", "bob@example.com"):
        async with database.begin() as session:
            known = await customer_identities.hide_customer_id(session, "adyen", given, (), NOW)
            await contacts.save_contact(session, "adyen", known, "inv_1", Contact(email=given), NOW)
            await insert_webhooks(session, [NewWebhook("adyen", given, "t", NOW, given.encode())])
            await session.exec_driver_sql(
                "UPDATE webhook_inbox SET customer_id = %s WHERE event_id = %s",
                (known, given),
            )
        async with database.begin() as session:
            erased = await erase_customer(session, known if given[0] == "b" else given, (), NOW)
        assert erased.customer_id == known, "what the audit log may hold"
        assert erased.webhooks == 1
        async with database.begin() as session:
            assert await customer_identities.find_original_id(session, known) is None
            assert await contacts.load_contact(session, "adyen", known, "inv_1") is None
            assert await customer_identities.hide_customer_id(session, "adyen", given, (), NOW) == known
            assert await customer_identities.find_original_id(session, known) is None, "it isn't stored again"
