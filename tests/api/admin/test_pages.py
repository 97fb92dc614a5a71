"""Reviews, webhooks, cards, messages and audit: what they say, and what can be done there."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api.admin.people import Role
from core.contracts import RecoveryStatus
from core.errors import Refused
from core.events import Event, EventType, State, stamp
from core.ids import recovery_id
from sandbox.models import FailedInvoice
from sandbox.samples import failed_invoice_event
from tests.api.admin.desk import Desk
from tests.api.house import now
from tests.db.stories import event
from tests.intake.fakes import failure, stored, unique

DONE = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)


async def known(desk: Desk, *more: Event, amount: int = 500) -> str:
    """The invoice of a recovery that runs."""
    invoice = unique("in_page")
    recovery = await stored(desk.house.db, failure(invoice, amount=amount), *more)
    desk.recoveries.running.add(recovery.recovery_id)
    return invoice


def suspected() -> tuple[Event, ...]:
    """Fraud is suspected, and a person has to look."""
    held = {"action": "review", "reason": "fraud", "why": "odd", "until": stamp(now() + timedelta(days=3))}
    return (
        event(EventType.FRAUD_ASSESSED, level="review", score=55, reasons=["declined_as_fraud"]),
        event(EventType.RETRY_SKIPPED, **held),
    )


async def webhook(desk: Desk, **spec: Any) -> tuple[str, str]:
    """Event id and invoice of a failed payment that Stripe told us of."""
    invoice = unique("in_hook")
    sent = failed_invoice_event(FailedInvoice(invoice_id=invoice, **spec))
    assert (await desk.house.send(sent)).status_code == 202
    await desk.house.settled()
    return str(sent["id"]), invoice


async def test_the_queue_says_why_and_takes_the_verdict(desk: Desk) -> None:
    invoice = await known(desk, *suspected(), amount=99_900)
    here = desk.signed_in(Role.OPERATOR, "olga")
    page = await here.get("/reviews")
    for words in (invoice, "€999.00", "Suspicion of fraud", "Risk score 55 of 100"):
        assert words in page.text
    desk.recoveries.answer = DONE
    after = await here.done(f"/reviews/stripe/{invoice}/reject", reason="not them")
    assert after.sayings[0].startswith(f"{invoice}: Rejected")
    name, asked = desk.recoveries.asked[-1]
    assert (name, asked.decision, asked.actor) == (recovery_id("stripe", invoice), "reject", "olga")


async def test_a_verdict_needs_a_reason_and_may_be_refused(desk: Desk) -> None:
    invoice = await known(desk, *suspected())
    here = desk.signed_in(Role.OPERATOR)
    assert "give a reason" in (await here.done(f"/reviews/stripe/{invoice}/approve", reason=" ")).sayings[0]
    desk.recoveries.answer = Refused("not_in_review", "Somebody has decided it already.")
    after = await here.done(f"/reviews/stripe/{invoice}/approve", reason="fine")
    assert "Somebody has decided it already." in after.sayings[0]


async def test_viewers_see_the_queue_without_its_buttons(desk: Desk) -> None:
    await known(desk, *suspected())
    page = await desk.signed_in(Role.VIEWER).get("/reviews")
    assert "Approve" not in page.text


async def test_the_inbox_is_narrowed_and_leads_to_one(desk: Desk) -> None:
    id, invoice = await webhook(desk)
    other, _ = await webhook(desk)
    here = desk.signed_in(Role.VIEWER)
    page = await here.get("/webhooks", q=id, outcome="accepted")
    assert id in page.text
    assert other not in page.text
    one = await here.get(f"/webhooks/stripe/{id}")
    for words in ("invoice.payment_failed", "Accepted", invoice):
        assert words in one.text
    assert "Deliver again" not in one.text


async def test_bodies_are_shown_without_persons(desk: Desk) -> None:
    id, _ = await webhook(desk, email="jenny.rosen@example.com", name="Jenny Rosen")
    page = await desk.signed_in(Role.ADMIN).get(f"/webhooks/stripe/{id}")
    assert "••••" in page.text
    for secret in ("jenny.rosen", "Jenny", "Rosen"):
        assert secret not in page.text


async def test_one_is_delivered_again_and_the_deed_is_kept(desk: Desk) -> None:
    id, _ = await webhook(desk)
    here = desk.signed_in(Role.OPERATOR, unique("otto"))
    after = await here.done(f"/webhooks/stripe/{id}/replay", reason="to be sure")
    assert "Delivered again" in after.sayings[0]
    assert id in (await here.get("/audit", action="webhook_replayed")).text


async def test_a_replay_needs_a_reason_and_something_to_replay(desk: Desk) -> None:
    id, _ = await webhook(desk)
    here = desk.signed_in(Role.OPERATOR)
    assert "give a reason" in (await here.done(f"/webhooks/stripe/{id}/replay", reason="")).sayings[0]
    assert (await here.send("/webhooks/stripe/evt_nothing/replay", reason="x")).status == 404
    assert (await here.get("/webhooks/stripe/evt_nothing")).status == 404


async def test_a_card_shows_its_ledger_and_the_rules(desk: Desk) -> None:
    card = {"fingerprint": unique("fp_"), "network": "visa"}
    invoice = await known(desk, event(EventType.FAILURE_CLASSIFIED, card=card, failure={"code": "do_not_honor"}))
    here = desk.signed_in(Role.VIEWER)
    assert card["fingerprint"] in (await here.get("/credentials", q=card["fingerprint"][:6])).text
    page = await here.get(f"/credentials/stripe/{card['fingerprint']}")
    for words in (invoice, "Visa", "left"):
        assert words in page.text
    assert (await here.get("/credentials/stripe/fp_unknown")).status == 404


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "Hello Jenny Rosen"),
        ({"kind": "recovered", "language": "fr"}, "Jenny Rosen"),
        ({"language": "de", "no_name": "1"}, "Guten Tag,"),
        ({"amount": "1", "currency": "JPY"}, "¥1"),
        ({"amount": "lots"}, "whole number of minor units"),
    ],
)
async def test_letters_are_previewed(desk: Desk, query: dict[str, str], words: str) -> None:
    page = await desk.signed_in(Role.VIEWER).get("/messages", **query)
    assert page.status == 200
    assert words in page.text


async def test_a_letter_stands_in_a_frame_that_may_do_nothing(desk: Desk) -> None:
    answer = (await desk.signed_in(Role.VIEWER).get("/messages/letter", language="es")).response
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "Jenny Rosen" in answer.text


async def test_the_audit_says_who_did_what(desk: Desk) -> None:
    actor = unique("ann")
    asked = {"actor": actor, "reason": "the bank has trouble"}
    invoice = await known(desk, event(EventType.PAUSED, **asked))
    page = await desk.signed_in(Role.VIEWER).get("/audit", actor=actor)
    for words in (actor, invoice, "the bank has trouble"):
        assert words in page.text
    assert "the bank has trouble" not in (await desk.signed_in().get("/audit", actor="nobody")).text


async def test_a_log_is_verified_by_its_invoice(desk: Desk) -> None:
    await webhook(desk)
    invoice = await known(desk)
    here = desk.signed_in(Role.OPERATOR)
    good = await here.send("/audit/verify", recovery=invoice)
    assert "intact" in good.text.lower()
    nothing = await here.send("/audit/verify", recovery="in_nobody_knows")
    assert "intact" not in nothing.text.lower()


async def test_a_log_that_was_touched_is_found_out(desk: Desk) -> None:
    invoice = await known(desk)
    name = recovery_id("stripe", invoice)
    async with desk.house.db.begin() as session:
        changed = text("UPDATE recovery SET amount = amount + 1 WHERE recovery_id = :name")
        await session.execute(changed, {"name": name})
    page = await desk.signed_in(Role.OPERATOR).send("/audit/verify", recovery=name)
    assert "amount" in page.text
    assert json.dumps(name)[1:-1] in page.text
