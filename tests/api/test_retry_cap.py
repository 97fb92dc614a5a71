"""The hourly cap on retries holds for a person, however they come and however many they ask for at once."""

import asyncio
from typing import Any

import pytest

from core.contracts import RecoveryStatus
from core.errors import CommandRefused, EngineUnavailable
from core.events import Event, EventType, State
from core.ids import recovery_id
from db.repositories import event_log, operator_actions
from db.repositories.operator_actions import AuditAction, StoredAuditEntry
from tests.api.harness import ALL_SCOPES, ApiHarness, app_now, build_app, open_harness
from tests.intake.fakes import failure_event, store_recovery, unique_id

ACCEPTED_STATUS = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
WRITE = ("recoveries:read", "recoveries:write")
CAP = 3
"""Retries an hour under the policy of `strict`."""


@pytest.fixture
def capped(strict: ApiHarness) -> ApiHarness:
    """A harness whose recoveries accept commands, with 3 retries an hour."""
    strict.recoveries.answer = ACCEPTED_STATUS
    return strict


async def start_recovery(harness: ApiHarness) -> str:
    """The invoice of a running recovery."""
    invoice = unique_id("in")
    harness.recoveries.running.add((await store_recovery(harness.db, failure_event(invoice))).recovery_id)
    return invoice


async def retry(harness: ApiHarness, key: dict[str, str], invoice: str = "", **headers: str) -> Any:
    """The response to a retry, of a new recovery unless one is given."""
    path = f"/v1/recoveries/stripe/{invoice or await start_recovery(harness)}/retry"
    return await harness.client.post(path, json={"reason": "asked"}, headers=key | headers)


async def retry_statuses(harness: ApiHarness, key: dict[str, str], count: int) -> list[int]:
    """The statuses of so many retries, one after another, sorted."""
    return sorted([(await retry(harness, key)).status_code for _ in range(count)])


async def reservations(harness: ApiHarness, actor: str) -> list[StoredAuditEntry]:
    """The person's entries about places under the cap, newest first."""
    async with harness.db.begin() as session:
        kinds = (AuditAction.RETRY_RESERVED, AuditAction.RETRY_RELEASED)
        pages = [await operator_actions.load_entries(session, actor=actor, action=kind) for kind in kinds]
    return [entry for page in pages for entry in page.items]


async def test_parallel_retries_never_pass_the_cap(capped: ApiHarness) -> None:
    key = await capped.create_key(*WRITE, name=unique_id("ann"))
    invoices = [await start_recovery(capped) for _ in range(14)]
    answers = await asyncio.gather(*(retry(capped, key, invoice) for invoice in invoices))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * CAP + [429] * (14 - CAP)
    assert len(capped.recoveries.submitted_commands) == CAP
    assert all(0 < int(one.headers["retry-after"]) <= 3600 for one in answers if one.status_code == 429)


async def test_parallel_retries_over_two_processes_share_the_cap(capped: ApiHarness) -> None:
    name = unique_id("ann")
    settings = capped.app.state.parts.settings
    other_app = build_app(capped.db, capped.recoveries, policy_file=settings.policy_file)
    async with open_harness(other_app, capped.db, capped.recoveries) as other:
        key = await capped.create_key(*WRITE, name=name)
        both = [(capped, other)[number % 2] for number in range(14)]
        answers = await asyncio.gather(*(retry(harness, key) for harness in both))
    assert sorted(answer.status_code for answer in answers) == [200] * CAP + [429] * (14 - CAP)


async def test_spellings_and_keys_of_one_person_share_the_cap(capped: ApiHarness) -> None:
    name = unique_id("ann")
    spellings = [name, name.upper(), f" {name}", f"{name}\u200b", name.title()]
    keys = [await capped.create_key(*WRITE, name=spelling) for spelling in spellings]
    statuses = [(await retry(capped, key)).status_code for key in keys]
    assert statuses == [200] * CAP + [429] * (len(keys) - CAP)


async def test_another_person_has_a_cap_of_their_own(capped: ApiHarness) -> None:
    ann, bob = [await capped.create_key(*WRITE, name=unique_id(name)) for name in ("ann", "bob")]
    assert await retry_statuses(capped, ann, CAP + 1) == [200] * CAP + [429]
    assert await retry_statuses(capped, bob, CAP) == [200] * CAP


@pytest.mark.parametrize("code", ["in_flight", "network_limit", "not_in_review"])
async def test_refused_retry_gives_its_place_back(code: str, capped: ApiHarness) -> None:
    key = await capped.create_key(*WRITE, name=unique_id("ann"))
    capped.recoveries.answer = CommandRefused(code, "Not now.")
    assert 429 not in await retry_statuses(capped, key, CAP + 2)
    capped.recoveries.answer = ACCEPTED_STATUS
    assert await retry_statuses(capped, key, CAP + 1) == [200] * CAP + [429]


async def test_retry_of_nothing_gives_its_place_back(capped: ApiHarness) -> None:
    key = await capped.create_key(*WRITE, name=unique_id("ann"))
    for _ in range(CAP + 1):
        assert (await retry(capped, key, "in_nothing")).status_code == 404


async def test_retry_that_nobody_answered_keeps_its_place(capped: ApiHarness) -> None:
    """Temporal may have taken it."""
    key = await capped.create_key(*WRITE, name=unique_id("ann"))
    capped.recoveries.answer = EngineUnavailable("Away.")
    assert await retry_statuses(capped, key, CAP + 1) == [429] + [503] * CAP


async def test_same_request_sent_again_takes_one_place(capped: ApiHarness) -> None:
    key = await capped.create_key(*WRITE, name=unique_id("ann"))
    invoice = await start_recovery(capped)
    for _ in range(CAP + 2):
        assert (await retry(capped, key, invoice, **{"Idempotency-Key": "one"})).status_code == 200
    assert await retry_statuses(capped, key, CAP) == [200] * (CAP - 1) + [429]


async def test_one_request_id_for_many_recoveries_takes_a_place_for_each(capped: ApiHarness) -> None:
    """As one form of many recoveries has, or a client with one Idempotency-Key for everything."""
    key = await capped.create_key(*WRITE, name=unique_id("ann")) | {"Idempotency-Key": "one"}
    answers = await asyncio.gather(*(retry(capped, key) for _ in range(14)))
    assert sorted(answer.status_code for answer in answers) == [200] * CAP + [429] * (14 - CAP)


async def test_retry_counts_once_when_it_is_in_the_log_too(capped: ApiHarness) -> None:
    name = unique_id("ann")
    key, invoice = await capped.create_key(*WRITE, name=name), await start_recovery(capped)
    assert (await retry(capped, key, invoice)).status_code == 200
    ((_, command),) = capped.recoveries.submitted_commands
    data = {"actor": name, "reason": "asked", "request_id": command.request_id}
    async with capped.db.begin() as session:
        before = await event_log.load_recovery(session, recovery_id("stripe", invoice))
        assert before
        recorded = Event(type=EventType.RETRY_REQUESTED, occurred_at=app_now(), data=data)
        await event_log.append_to_log(session, before, [recorded], app_now())
    assert await retry_statuses(capped, key, CAP) == [200] * (CAP - 1) + [429]


async def test_first_person_of_two_takes_no_place(capped: ApiHarness) -> None:
    key = await capped.create_key(*WRITE, name=unique_id("ann"))
    invoice = unique_id("in")
    capped.recoveries.running.add((await store_recovery(capped.db, failure_event(invoice, amount=1001))).recovery_id)
    for _ in range(CAP + 1):
        assert (await retry(capped, key, invoice)).status_code == 403


async def test_bootstrap_key_has_no_cap(capped: ApiHarness) -> None:
    assert await retry_statuses(capped, ALL_SCOPES, CAP + 2) == [200] * (CAP + 2)
    assert await reservations(capped, "bootstrap") == []


async def test_places_are_no_news_on_the_audit_page(capped: ApiHarness) -> None:
    name = unique_id("ann")
    await retry(capped, await capped.create_key(*WRITE, name=name))
    assert [entry.action for entry in await reservations(capped, name)] == [AuditAction.RETRY_RESERVED]
    async with capped.db.begin() as session:
        assert (await operator_actions.load_entries(session, actor=name)).items == ()
