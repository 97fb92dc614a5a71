"""What operators ask over HTTP, and every answer they can get."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api import acting
from core.contracts import Action, Command, RecoveryStatus
from core.errors import Refused
from core.events import Event, EventType, State
from core.ids import recovery_id
from db.repositories import event_log
from tests.api.house import ALL, House, failed, now
from tests.intake.fakes import AWAY, canceled, failure, stored, unique

DONE = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
ACTIONS = ("retry", "cancel", "pause", "resume", "review")


def body(action: str, **more: Any) -> dict[str, Any]:
    """What fits the action."""
    return {"reason": "asked by the customer"} | ({"decision": "approve"} if action == "review" else {}) | more


async def running(house: House) -> str:
    """The invoice of a recovery that runs."""
    invoice = unique("in")
    house.recoveries.running.add((await stored(house.db, failure(invoice))).recovery_id)
    return invoice


async def ask(house: House, invoice: str, action: str, sent: Any = None, headers: Any = None) -> Any:
    """The response."""
    path = f"/v1/recoveries/stripe/{invoice}/{action}"
    return await house.client.post(path, json=body(action) if sent is None else sent, headers=headers or ALL)


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_wish_reaches_its_recovery_with_actor_and_reason(action: str, house: House) -> None:
    house.recoveries.answer = DONE
    invoice = await running(house)
    key = await house.key("recoveries:read", "recoveries:write", name="ann@desk")
    answer = await ask(house, invoice, action, headers=key)
    assert (answer.status_code, answer.json()["invoice_id"]) == (200, invoice)
    ((name, wish),) = house.recoveries.asked
    assert name == recovery_id("stripe", invoice)
    assert (wish.action, wish.actor, wish.reason) == (Action(action), "ann@desk", "asked by the customer")
    assert wish.decision == ("approve" if action == "review" else None)
    assert wish.request_id
    assert house.recoveries.patience == timedelta(seconds=5)


async def test_without_a_worker_the_wish_is_stored(house: House) -> None:
    answer = await ask(house, await running(house), "pause")
    assert answer.status_code == 202
    assert answer.json()["state"] == "received"


@pytest.mark.parametrize("code", ["closed", "in_flight", "paused", "fraud_hold", "network_limit", "hard_decline"])
async def test_a_refusal_is_a_conflict_with_its_code(code: str, house: House) -> None:
    house.recoveries.answer = Refused(code, "Not now.")
    answer = await ask(house, await running(house), "retry")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["detail"]) == (code, "Not now.")


async def test_any_other_refusal_makes_no_sense_as_a_request(house: House) -> None:
    house.recoveries.answer = Refused("not_in_review", "There is nothing to review here.")
    answer = await ask(house, await running(house), "review")
    assert (answer.status_code, answer.json()["code"]) == (422, "not_in_review")


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_closed_recovery_refuses(action: str, house: House) -> None:
    invoice = unique("in")
    await stored(house.db, failure(invoice), canceled())
    answer = await ask(house, invoice, action)
    assert (answer.status_code, answer.json()["code"]) == (409, "closed")
    assert "canceled: operator" in answer.json()["detail"]


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_unknown_recovery_is_404(action: str, house: House) -> None:
    answer = await ask(house, unique("in"), action)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_lost_run_is_resumed_and_asked(house: House) -> None:
    house.recoveries.answer = DONE
    invoice = unique("in")
    name = (await stored(house.db, failure(invoice))).recovery_id
    assert (await ask(house, invoice, "cancel")).status_code == 200
    assert house.recoveries.resumed == [name]
    assert len(house.recoveries.asked) == 1


async def test_a_recovery_that_waits_in_the_inbox_is_started_and_asked(house: House) -> None:
    house.recoveries.failing = AWAY
    invoice = unique("in")
    await house.send(failed(invoice))
    house.recoveries.failing, house.recoveries.answer = None, DONE
    assert (await ask(house, invoice, "pause")).status_code == 200
    assert [event.invoice_id for event in house.recoveries.begun] == [invoice]


async def test_a_completed_run_with_an_open_log_is_closed_to_wishes(house: House) -> None:
    invoice = unique("in")
    house.recoveries.completed.add((await stored(house.db, failure(invoice))).recovery_id)
    answer = await ask(house, invoice, "cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "closed")


async def test_temporal_away_is_503(house: House) -> None:
    invoice = await running(house)
    house.recoveries.failing = AWAY
    answer = await ask(house, invoice, "cancel")
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


@pytest.mark.parametrize(("action", "sent"), UNFIT)
async def test_a_body_that_does_not_fit_is_explained(action: str, sent: Any, house: House) -> None:
    answer = await ask(house, await running(house), action, sent)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"]
    assert not house.recoveries.asked


@pytest.mark.parametrize("raw", [b"", b"{", b'{"reason": "\xff"}', b"[" * 50_000, b'{"reason": "\\ud800"}', b"\x00"])
async def test_a_body_that_is_no_json_is_explained(raw: bytes, house: House) -> None:
    path = f"/v1/recoveries/stripe/{await running(house)}/cancel"
    answer = await house.client.post(path, content=raw, headers=ALL | {"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not house.recoveries.asked


async def test_the_same_wish_sent_twice_has_the_same_name(house: House) -> None:
    house.recoveries.answer = DONE
    invoice = await running(house)
    other = await house.key("recoveries:read", "recoveries:write", name="bob")
    for headers in (ALL, ALL, other):
        await ask(house, invoice, "cancel", headers=headers | {"Idempotency-Key": "one"})
    first, second, third = (wish.request_id for _, wish in house.recoveries.asked)
    assert first == second != third


def asked_by(actor: str, request: int) -> Event:
    """A retry that was granted."""
    data = Command(action=Action.RETRY, actor=actor, reason=f"r{request}").model_dump(include={"actor", "reason"})
    return Event(type=EventType.RETRY_REQUESTED, occurred_at=now(), data=data)


async def test_retries_of_one_key_are_capped_by_the_log(strict: House) -> None:
    house = strict
    house.recoveries.answer = DONE
    invoice = await running(house)
    async with house.db.begin() as session:
        before = await event_log.recovery(session, recovery_id("stripe", invoice))
        assert before
        await event_log.append(session, before, [asked_by("carl", n) for n in range(3)], now())
    carl = await house.key("recoveries:read", "recoveries:write", name="carl")
    dora = await house.key("recoveries:read", "recoveries:write", name="dora")
    refused = await ask(house, invoice, "retry", headers=carl)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert (await ask(house, invoice, "cancel", headers=carl)).status_code == 200
    assert (await ask(house, invoice, "retry", headers=dora)).status_code == 200
    assert (await ask(house, invoice, "retry")).status_code == 200


async def test_a_temporal_that_hangs_is_not_waited_for_ever(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hanging(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(acting, "PATIENCE", timedelta(0))
    monkeypatch.setattr(acting, "LEAVE_SIGNAL_WITHIN", timedelta(seconds=0.1))
    invoice = await running(house)
    monkeypatch.setattr(house.recoveries, "ask", hanging)
    answer = await ask(house, invoice, "cancel")
    assert (answer.status_code, answer.json()["code"]) == (503, "temporal_unavailable")
