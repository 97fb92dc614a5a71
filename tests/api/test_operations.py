"""Operator commands over HTTP, with every possible answer."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api import operator_commands
from core.contracts import RecoveryStatus
from core.errors import CommandRefused
from core.events import Event, EventType, State
from core.ids import recovery_id
from core.operators import Action, Command
from core.redaction.text import REDACTED
from db.repositories import event_log, operator_signals
from tests.api.harness import ALL_SCOPES, ApiHarness, app_now, failed_event
from tests.intake.fakes import TEMPORAL_AWAY, canceled_event, failure_event, store_recovery, unique_id

ACCEPTED_STATUS = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
ACTIONS = ("retry", "cancel", "pause", "resume", "review")


def command_body(action: str, **more: Any) -> dict[str, Any]:
    """A valid body for this action."""
    return {"reason": "asked by the customer"} | ({"decision": "approve"} if action == "review" else {}) | more


async def start_recovery(harness: ApiHarness) -> str:
    """The invoice of a running recovery."""
    invoice = unique_id("in")
    harness.recoveries.running.add((await store_recovery(harness.db, failure_event(invoice))).recovery_id)
    return invoice


async def submit_command(harness: ApiHarness, invoice: str, action: str, body: Any = None, headers: Any = None) -> Any:
    """The response to the command."""
    path = f"/v1/recoveries/stripe/{invoice}/{action}"
    return await harness.client.post(
        path, json=command_body(action) if body is None else body, headers=headers or ALL_SCOPES
    )


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_command_reaches_its_recovery_with_actor_and_reason(action: str, harness: ApiHarness) -> None:
    harness.recoveries.answer = ACCEPTED_STATUS
    invoice = await start_recovery(harness)
    key = await harness.create_key("recoveries:read", "recoveries:write", name="ann@example.com")
    answer = await submit_command(harness, invoice, action, headers=key)
    assert (answer.status_code, answer.json()["invoice_id"]) == (200, invoice)
    ((name, command),) = harness.recoveries.submitted_commands
    assert name == recovery_id("stripe", invoice)
    assert (command.action, command.actor, command.reason) == (
        Action(action),
        "ann@example.com",
        "asked by the customer",
    )
    assert command.decision == ("approve" if action == "review" else None)
    assert command.request_id
    assert harness.recoveries.patience == timedelta(seconds=5)


async def test_without_a_worker_the_command_is_stored(harness: ApiHarness) -> None:
    answer = await submit_command(harness, await start_recovery(harness), "pause")
    assert answer.status_code == 202
    assert answer.json()["state"] == "received"


@pytest.mark.parametrize("code", ["closed", "in_flight", "paused", "fraud_hold", "network_limit", "hard_decline"])
async def test_a_refusal_is_a_conflict_with_its_code(code: str, harness: ApiHarness) -> None:
    harness.recoveries.answer = CommandRefused(code, "Not now.")
    answer = await submit_command(harness, await start_recovery(harness), "retry")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["detail"]) == (code, "Not now.")


async def test_other_refusals_are_422(harness: ApiHarness) -> None:
    harness.recoveries.answer = CommandRefused("not_in_review", "There is nothing to review here.")
    answer = await submit_command(harness, await start_recovery(harness), "review")
    assert (answer.status_code, answer.json()["code"]) == (422, "not_in_review")


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_closed_recovery_refuses(action: str, harness: ApiHarness) -> None:
    invoice = unique_id("in")
    await store_recovery(harness.db, failure_event(invoice), canceled_event())
    answer = await submit_command(harness, invoice, action)
    assert (answer.status_code, answer.json()["code"]) == (409, "closed")
    assert "canceled: operator" in answer.json()["detail"]


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_unknown_recovery_is_404(action: str, harness: ApiHarness) -> None:
    answer = await submit_command(harness, unique_id("in"), action)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_lost_run_is_restarted_and_gets_the_command(harness: ApiHarness) -> None:
    harness.recoveries.answer = ACCEPTED_STATUS
    invoice = unique_id("in")
    name = (await store_recovery(harness.db, failure_event(invoice))).recovery_id
    assert (await submit_command(harness, invoice, "cancel")).status_code == 200
    assert harness.recoveries.ensured_runs == [name]
    assert len(harness.recoveries.submitted_commands) == 1


async def test_recovery_in_the_inbox_is_started_and_gets_the_command(harness: ApiHarness) -> None:
    harness.recoveries.error = TEMPORAL_AWAY
    invoice = unique_id("in")
    await harness.send_event(failed_event(invoice))
    harness.recoveries.error, harness.recoveries.answer = None, ACCEPTED_STATUS
    assert (await submit_command(harness, invoice, "pause")).status_code == 200
    assert [event.invoice_id for event in harness.recoveries.started_events] == [invoice]


async def test_a_completed_run_with_an_open_log_is_closed_to_commands(harness: ApiHarness) -> None:
    invoice = unique_id("in")
    harness.recoveries.completed.add((await store_recovery(harness.db, failure_event(invoice))).recovery_id)
    answer = await submit_command(harness, invoice, "cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "closed")


async def test_temporal_away_is_503(harness: ApiHarness) -> None:
    invoice = await start_recovery(harness)
    harness.recoveries.error = TEMPORAL_AWAY
    answer = await submit_command(harness, invoice, "cancel")
    assert (answer.status_code, answer.json()["code"]) == (503, "temporal_unavailable")
    assert answer.headers["retry-after"]


UNFIT: list[tuple[str, Any]] = [
    ("retry", {}),
    ("retry", {"reason": ""}),
    ("retry", {"reason": "   "}),
    ("retry", {"reason": 7}),
    ("retry", {"reason": None}),
    ("retry", {"reason": "x" * 501}),
    ("retry", {"reason": "x", "amount": 100}),
    ("retry", []),
    ("retry", "now"),
    ("review", {"reason": "x"}),
    ("review", {"decision": "maybe", "reason": "x"}),
    ("cancel", {"reason": "x", "decision": "approve"}),
]


@pytest.mark.parametrize(("action", "body"), UNFIT)
async def test_a_body_that_does_not_fit_is_explained(action: str, body: Any, harness: ApiHarness) -> None:
    answer = await submit_command(harness, await start_recovery(harness), action, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"]
    assert not harness.recoveries.submitted_commands


@pytest.mark.parametrize("raw", [b"", b"{", b'{"reason": "\xff"}', b"[" * 50_000, b'{"reason": "\\ud800"}', b"\x00"])
async def test_a_body_that_is_no_json_is_explained(raw: bytes, harness: ApiHarness) -> None:
    path = f"/v1/recoveries/stripe/{await start_recovery(harness)}/cancel"
    answer = await harness.client.post(path, content=raw, headers=ALL_SCOPES | {"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not harness.recoveries.submitted_commands


async def test_repeated_command_has_the_same_request_id(harness: ApiHarness) -> None:
    harness.recoveries.answer = ACCEPTED_STATUS
    invoice = await start_recovery(harness)
    other = await harness.create_key("recoveries:read", "recoveries:write", name="bob")
    for headers in (ALL_SCOPES, ALL_SCOPES, other):
        await submit_command(harness, invoice, "cancel", headers=headers | {"Idempotency-Key": "one"})
    first, second, third = (command.request_id for _, command in harness.recoveries.submitted_commands)
    assert first == second != third


def granted_retry(actor: str, request: int) -> Event:
    """A retry event that was granted."""
    data = Command(action=Action.RETRY, actor=actor, reason=f"r{request}").model_dump(include={"actor", "reason"})
    return Event(type=EventType.RETRY_REQUESTED, occurred_at=app_now(), data=data)


async def test_retry_commands_per_key_are_limited_by_the_log(strict: ApiHarness) -> None:
    harness = strict
    harness.recoveries.answer = ACCEPTED_STATUS
    invoice = await start_recovery(harness)
    async with harness.db.begin() as session:
        before = await event_log.load_recovery(session, recovery_id("stripe", invoice))
        assert before
        await event_log.append_to_log(session, before, [granted_retry("carl", n) for n in range(3)], app_now())
    carl = await harness.create_key("recoveries:read", "recoveries:write", name="carl")
    dora = await harness.create_key("recoveries:read", "recoveries:write", name="dora")
    refused = await submit_command(harness, invoice, "retry", headers=carl)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert (await submit_command(harness, invoice, "cancel", headers=carl)).status_code == 200
    assert (await submit_command(harness, invoice, "retry", headers=dora)).status_code == 200
    assert (await submit_command(harness, invoice, "retry")).status_code == 200


async def test_hanging_temporal_times_out(harness: ApiHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(operator_commands, "ANSWER_TIMEOUT", timedelta(0))
    monkeypatch.setattr(operator_commands, "LEAVE_SIGNAL_WITHIN", timedelta(seconds=0.1))
    invoice = await start_recovery(harness)
    monkeypatch.setattr(harness.recoveries, "submit_command", hang)
    answer = await submit_command(harness, invoice, "cancel")
    assert (answer.status_code, answer.json()["code"]) == (503, "temporal_unavailable")


SECRETS = "card 4242-4242-4242-4242 of ann%40example.com, password=hunter2"
REDACTED_SECRETS = f"card {REDACTED} of {REDACTED}, password={REDACTED}"


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_reason_is_redacted_before_it_is_submitted_or_stored(action: str, harness: ApiHarness) -> None:
    harness.recoveries.answer = None if action == "pause" else ACCEPTED_STATUS
    invoice = await start_recovery(harness)
    answer = await submit_command(harness, invoice, action, command_body(action, reason=SECRETS))
    assert answer.status_code == (202 if action == "pause" else 200)
    ((name, command),) = harness.recoveries.submitted_commands
    assert command.reason == REDACTED_SECRETS
    async with harness.db.begin() as session:
        stored = await operator_signals.load_undelivered(session, name)
    assert [one.reason for one in stored] == ([REDACTED_SECRETS] if action == "pause" else [])
