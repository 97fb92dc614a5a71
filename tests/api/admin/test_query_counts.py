"""How many SQL statements each page and each list of the API takes: with thirty of everything as many as with three.

A number below may fall; one that rises makes every page slower, and one that grows with the rows makes large ones slow.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event

from api.admin.sessions import Role
from api.auth import Scope
from core.events import Event, EventType, format_timestamp
from core.operators import Action, Command
from db.repositories import approvals, messages, operator_actions
from db.repositories.messages import MessageName
from db.repositories.operator_actions import AuditAction, AuditEntry
from db.session import Database
from tests.api.admin.console import AdminBrowser
from tests.api.harness import ApiHarness, app_now
from tests.db.recovery_events import event_of
from tests.intake.fakes import failure_event, store_in_inbox, store_recovery

FEW, MANY = 3, 30
CURRENCIES = ("EUR", "USD", "GBP")
FIRST = "/stripe/in_counted_0"
API_LISTS = {
    "/v1/recoveries": 3,
    "/v1/recoveries?q=in_counted": 4,
    "/v1/recoveries?q=nowhere": 5,
    f"/v1/recoveries{FIRST}": 2,
    f"/v1/recoveries{FIRST}/events": 3,
    "/v1/summary": 3,
    "/v1/simulations": 2,
    "/v1/credentials/fp_counted_0": 6,
    "/v1/events/schema": 1,
}
"""Statements of each route; one of them looks the key up."""
PAGES = {
    "/": 7,
    "/recoveries": 5,
    "/recoveries?q=in_counted": 7,
    "/recoveries?q=nowhere": 9,
    f"/recoveries{FIRST}": 9,
    "/reviews": 6,
    "/webhooks": 4,
    "/credentials": 2,
    "/credentials/stripe/fp_counted_0": 5,
    "/messages": 2,
    "/audit": 3,
    "/policies": 4,
    "/simulations": 2,
    "/sessions": 2,
}
"""Statements of each page; one of them reads the person's session."""


async def fill_database(db: Database, numbers: range) -> None:
    """Recoveries with declined charges, and others in review, with everything that pages show beside them."""
    for number in numbers:
        await _store_charged(db, number)
        await _store_reviewed(db, number)
        async with db.begin() as session:
            done = AuditEntry(actor="ann", role="admin", action=AuditAction.EXPORTED, subject="recoveries")
            await operator_actions.record_entry(session, done, app_now())
            name = MessageName(recovery_id=f"recovery-stripe-in_counted_{number}", step="first", channel="email")
            await messages.claim_message(session, name, "payment_failed", app_now())


async def _store_charged(db: Database, number: int) -> None:
    now, card = app_now(), {"brand": "visa", "fingerprint": f"fp_counted_{number}"}
    failure = failure_event(
        f"in_counted_{number}",
        currency=CURRENCIES[number % 3],
        customer_id=f"cus_{number}",
        event_type=f"kind.{number}",
    )
    await store_in_inbox(db, failure, at=now)
    await store_recovery(
        db, failure,
        event_of(EventType.FAILURE_CLASSIFIED, card=card),
        event_of(EventType.CUSTOMER_SEGMENTED),
        event_of(EventType.FRAUD_ASSESSED),
        event_of(EventType.RETRY_PLANNED),
        event_of(EventType.CHARGE_REQUESTED, fingerprint=card["fingerprint"], idempotency_key=f"k{number}"),
        event_of(EventType.CHARGE_DECLINED),
        event_of(EventType.PAUSED),
        at=now,
    )  # fmt: skip


async def _store_reviewed(db: Database, number: int) -> None:
    until = format_timestamp(app_now() + timedelta(days=1))
    skipped: Event = event_of(EventType.RETRY_SKIPPED, action="review", reason="fraud", until=until)
    before = [event_of(kind) for kind in (EventType.FAILURE_CLASSIFIED, EventType.CUSTOMER_SEGMENTED)]
    opened = failure_event(f"in_reviewed_{number}", currency=CURRENCIES[number % 3])
    recovery = await store_recovery(db, opened, *before, event_of(EventType.FRAUD_ASSESSED), skipped, at=app_now())
    command = Command(action=Action.RETRY, actor="ann", reason="asked", request_id=f"r{number}")
    async with db.begin() as session:
        await approvals.judge_command(session, recovery.recovery_id, command, app_now())


@contextmanager
def counted_statements(db: Database) -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    found: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        found.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(db.engine.sync_engine, "before_cursor_execute", note)


async def count_all(harness: ApiHarness, console: AdminBrowser) -> tuple[dict[str, int], dict[str, int]]:
    """The statements of each of API_LISTS and PAGES."""
    headers = await harness.create_key(*Scope)
    await harness.client.get("/v1/recoveries", headers=headers)  # notes that the key is used, once a minute
    lists, pages = {}, {}
    for path in API_LISTS:
        with counted_statements(harness.db) as found:
            answer = await harness.client.get(path, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        lists[path] = len(found)
    admin = console.sign_in_as(Role.ADMIN)
    await admin.get_page("/sessions")  # signs in
    for path in PAGES:
        with counted_statements(harness.db) as found:
            page = await admin.get_page(path)
        assert page.status == 200, (path, page.text)
        pages[path] = len(found)
    return lists, pages


@pytest.mark.timeout(180)
async def test_statements_per_page_depend_neither_on_rows_nor_exceed_what_is_known(
    harness: ApiHarness, console: AdminBrowser
) -> None:
    await fill_database(harness.db, range(FEW))
    few = await count_all(harness, console)
    await fill_database(harness.db, range(FEW, MANY))
    assert await count_all(harness, console) == few
    assert few == (API_LISTS, PAGES)
