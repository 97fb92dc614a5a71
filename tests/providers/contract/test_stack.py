"""kill -9 during a charge: a worker dies between the success and the row that would record it."""

import asyncio

import pytest

from core.classification.taxonomy import Cause
from tests.providers.contract.subject import ProviderControl, Subject
from tests.providers.contract.subjects import SUBJECTS
from tests.support.service import Recovery, RunningService


async def start_charge(service: RunningService, subject: Subject, books: ProviderControl, script: str) -> Recovery:
    """A recovery whose pay call is in progress; nothing else is due for a (compressed) day."""
    failed = await books.fail_payment(script, cause=Cause.VELOCITY, deliver=True)
    recovery = service.recovery_of(failed.invoice_id, subject.name)
    await recovery.wait_for_event("retry.planned")
    request = asyncio.create_task(recovery.submit_command("retry"))
    await recovery.wait_for_pay_calls()
    assert (await request).status_code in (200, 202)
    return recovery


async def assert_one_attempt(recovery: Recovery, *, keys: bool) -> None:
    """Asserts one requested attempt: sent under its one key, or, without keys, sent once."""
    requested = await recovery.fetch_only_event("charge.requested")
    sent_keys = [call.idempotency_key for call in await recovery.fetch_pay_calls()]
    assert set(sent_keys) == ({requested["data"]["idempotency_key"]} if keys else {None}), sent_keys
    assert keys or len(sent_keys) == 1


async def start_scripted_charges(service: RunningService, subject: Subject) -> list[Recovery]:
    """Three charges in progress: one that has moved the money, one that will, one that is declined."""
    scripts = ("succeed_then_hang:6", "hang:5", f"hang:5:decline:{subject.causes[Cause.VELOCITY]}")
    async with subject.open_control(service.endpoints.sandbox) as books:
        return await asyncio.gather(*(start_charge(service, subject, books, script) for script in scripts))


@pytest.fixture(scope="module")
async def interrupted_charges(service: RunningService) -> dict[str, list[Recovery]]:
    """The charges that were in progress when the worker was killed, by provider; it runs again."""
    charges = await asyncio.gather(*(start_scripted_charges(service, subject) for subject in SUBJECTS))
    for paid, pending, declined in charges:
        assert len(await paid.fetch_charges()) == 1
        for recovery in (paid, pending, declined):
            assert (await recovery.fetch_event_types())[-1] == "charge.requested"
    service.stack.kill("worker")
    service.stack.wait_ready()
    return {subject.name: recoveries for subject, recoveries in zip(SUBJECTS, charges, strict=True)}


async def test_kill_9_in_mid_charge_charges_once(
    subject: Subject, interrupted_charges: dict[str, list[Recovery]]
) -> None:
    gateway = subject.gateway("http://127.0.0.1:9", 5)
    keys = gateway.idempotency is not None
    await gateway.close()
    paid, pending, declined = interrupted_charges[subject.name]
    for recovery in (paid, pending):
        await recovery.wait_for_one_payment(timeout_seconds=90)
        await assert_one_attempt(recovery, keys=keys)
    await declined.wait_for_event("retry.planned", 2, timeout_seconds=90)
    await assert_one_attempt(declined, keys=keys)
    assert (await declined.submit_command("cancel")).status_code == 200
    await declined.wait_for_unpaid_end("canceled")
