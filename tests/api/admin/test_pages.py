"""Reviews, webhooks, cards, messages and audit: what the pages show and allow."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api.admin.reviews import _review_reason
from api.admin.sessions import Role
from core.contracts import RecoveryStatus
from core.errors import CommandRefused
from core.events import Event, EventType, SkipAction, State, format_timestamp
from core.events.data import EventData, UnreadableData
from core.events.decision_data import FraudAssessed, RetrySkipped
from core.ids import recovery_id
from sandbox.stripe.models import FailedInvoice
from sandbox.stripe.webhooks import failed_invoice_event
from tests.api.admin.console import AdminBrowser
from tests.api.harness import app_now
from tests.db.recovery_events import event_of
from tests.intake.fakes import failure_event, store_recovery, unique_id

ACCEPTED_STATUS = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)


async def open_recovery(console: AdminBrowser, *more: Event, amount: int = 500) -> str:
    """The invoice of a running recovery."""
    invoice = unique_id("in_page")
    recovery = await store_recovery(console.harness.db, failure_event(invoice, amount=amount), *more)
    console.recoveries.running.add(recovery.recovery_id)
    return invoice


def fraud_events() -> tuple[Event, ...]:
    """The events of a failure that needs a fraud review."""
    assessment = {
        "action": "review",
        "reason": "fraud",
        "why": "odd",
        "until": format_timestamp(app_now() + timedelta(days=3)),
    }
    return (
        event_of(EventType.FRAUD_ASSESSED, level="review", score=55, reasons=["declined_as_fraud"]),
        event_of(EventType.RETRY_SKIPPED, **assessment),
    )


async def ingest_failure(console: AdminBrowser, **spec: Any) -> tuple[str, str]:
    """Event id and invoice of a failed payment that was ingested from Stripe."""
    invoice = unique_id("in_hook")
    event = failed_invoice_event(FailedInvoice(invoice_id=invoice, **spec))
    assert (await console.harness.send_event(event)).status_code == 202
    await console.harness.wait_until_idle()
    return str(event["id"]), invoice


async def test_review_queue_shows_reasons_and_takes_a_decision(console: AdminBrowser) -> None:
    invoice = await open_recovery(console, *fraud_events(), amount=99_900)
    browser = console.sign_in_as(Role.OPERATOR, "olga")
    page = await browser.get_page("/reviews")
    for words in (invoice, "999.00 EUR", "Suspicion of fraud", "Risk score 55 of 100"):
        assert words in page.text
    console.recoveries.answer = ACCEPTED_STATUS
    after = await browser.submit_and_follow(f"/reviews/stripe/{invoice}/reject", reason="not them")
    assert after.flash_messages[0].startswith(f"{invoice}: Rejected")
    name, command = console.recoveries.submitted_commands[-1]
    assert (name, command.decision, command.actor) == (recovery_id("stripe", invoice), "reject", "olga")


DECISION = RetrySkipped(action=SkipAction.REVIEW, reason="fraud", why="odd")
ASSESSMENT = FraudAssessed(level="review", score=55, reasons=("declined as fraud",))
UNREADABLE = UnreadableData.model_validate({"reasons": 7, "reason": {}})


@pytest.mark.parametrize(
    ("decision", "assessment", "kind", "reasons", "score"),
    [
        (DECISION, ASSESSMENT, "Suspicion of fraud", ("Declined as fraud.",), 55),
        (DECISION, UNREADABLE, "Suspicion of fraud", ("Odd.",), None),
        (DECISION, None, "Suspicion of fraud", ("Odd.",), None),
        (UNREADABLE, ASSESSMENT, "Other", ("A person has to look at this.",), None),
        (RetrySkipped(action=SkipAction.REVIEW, reason="configuration"), None,
         "Configuration problem", ("A person has to look at this.",), None),
    ],
)  # fmt: skip
def test_review_reason_shows_only_readable_rows(
    decision: EventData, assessment: EventData | None, kind: str, reasons: tuple[str, ...], score: int | None
) -> None:
    found = _review_reason({"decision": decision, "assessment": assessment})
    assert (found.kind, found.reasons, found.score) == (kind, reasons, score)


async def test_review_decision_needs_a_reason_and_may_be_refused(console: AdminBrowser) -> None:
    invoice = await open_recovery(console, *fraud_events())
    browser = console.sign_in_as(Role.OPERATOR)
    assert (
        "give a reason"
        in (await browser.submit_and_follow(f"/reviews/stripe/{invoice}/approve", reason=" ")).flash_messages[0]
    )
    console.recoveries.answer = CommandRefused("not_in_review", "Somebody has decided it already.")
    after = await browser.submit_and_follow(f"/reviews/stripe/{invoice}/approve", reason="fine")
    assert "Somebody has decided it already." in after.flash_messages[0]


async def test_viewers_see_the_queue_without_its_buttons(console: AdminBrowser) -> None:
    await open_recovery(console, *fraud_events())
    page = await console.sign_in_as(Role.VIEWER).get_page("/reviews")
    assert "Approve" not in page.text


async def test_inbox_is_filtered_and_links_to_each_webhook(console: AdminBrowser) -> None:
    id, invoice = await ingest_failure(console)
    other, _ = await ingest_failure(console)
    browser = console.sign_in_as(Role.VIEWER)
    page = await browser.get_page("/webhooks", q=id, outcome="accepted")
    assert id in page.text
    assert other not in page.text
    detail_page = await browser.get_page(f"/webhooks/stripe/{id}")
    for words in ("invoice.payment_failed", "Accepted", invoice):
        assert words in detail_page.text
    assert "Deliver again" not in detail_page.text


async def test_webhook_bodies_are_shown_without_personal_data(console: AdminBrowser) -> None:
    id, _ = await ingest_failure(console, email="jenny.rosen@example.com", name="Jenny Rosen")
    page = await console.sign_in_as(Role.ADMIN).get_page(f"/webhooks/stripe/{id}")
    assert "••••" in page.text
    for secret in ("jenny.rosen", "Jenny", "Rosen"):
        assert secret not in page.text


async def test_webhook_replay_is_delivered_and_audited(console: AdminBrowser) -> None:
    id, _ = await ingest_failure(console)
    browser = console.sign_in_as(Role.OPERATOR, unique_id("otto"))
    after = await browser.submit_and_follow(f"/webhooks/stripe/{id}/replay", reason="to be sure")
    assert "Delivered again" in after.flash_messages[0]
    assert id in (await browser.get_page("/audit", action="webhook_replayed")).text


async def test_a_replay_needs_a_reason_and_something_to_replay(console: AdminBrowser) -> None:
    id, _ = await ingest_failure(console)
    browser = console.sign_in_as(Role.OPERATOR)
    assert (
        "give a reason"
        in (await browser.submit_and_follow(f"/webhooks/stripe/{id}/replay", reason="")).flash_messages[0]
    )
    assert (await browser.submit_form("/webhooks/stripe/evt_nothing/replay", reason="x")).status == 404
    assert (await browser.get_page("/webhooks/stripe/evt_nothing")).status == 404


async def test_a_card_shows_its_ledger_and_the_rules(console: AdminBrowser) -> None:
    card = {"fingerprint": unique_id("fp_"), "network": "visa"}
    invoice = await open_recovery(
        console, event_of(EventType.FAILURE_CLASSIFIED, card=card, failure={"code": "do_not_honor"})
    )
    browser = console.sign_in_as(Role.VIEWER)
    assert card["fingerprint"] in (await browser.get_page("/credentials", q=card["fingerprint"][:6])).text
    page = await browser.get_page(f"/credentials/stripe/{card['fingerprint']}")
    for words in (invoice, "Visa", "left"):
        assert words in page.text
    assert (await browser.get_page("/credentials/stripe/fp_unknown")).status == 404


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
async def test_messages_are_previewed(console: AdminBrowser, query: dict[str, str], words: str) -> None:
    page = await console.sign_in_as(Role.VIEWER).get_page("/messages", **query)
    assert page.status == 200
    assert words in page.text


async def test_message_preview_is_shown_in_a_sandboxed_frame(console: AdminBrowser) -> None:
    answer = (await console.sign_in_as(Role.VIEWER).get_page("/messages/letter", language="es")).response
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "Jenny Rosen" in answer.text


async def test_audit_page_names_actor_and_action(console: AdminBrowser) -> None:
    actor = unique_id("ann")
    entry = {"actor": actor, "reason": "the bank has trouble"}
    invoice = await open_recovery(console, event_of(EventType.PAUSED, **entry))
    page = await console.sign_in_as(Role.VIEWER).get_page("/audit", actor=actor)
    for words in (actor, invoice, "the bank has trouble"):
        assert words in page.text
    assert "the bank has trouble" not in (await console.sign_in_as().get_page("/audit", actor="nobody")).text


async def test_a_log_is_verified_by_its_invoice(console: AdminBrowser) -> None:
    await ingest_failure(console)
    invoice = await open_recovery(console)
    browser = console.sign_in_as(Role.OPERATOR)
    good = await browser.submit_form("/audit/verify", recovery=invoice)
    assert "intact" in good.text.lower()
    page = await browser.submit_form("/audit/verify", recovery="in_nobody_knows")
    assert "intact" not in page.text.lower()


async def test_changed_log_is_detected(console: AdminBrowser) -> None:
    invoice = await open_recovery(console)
    name = recovery_id("stripe", invoice)
    async with console.harness.db.begin() as session:
        changed = text("UPDATE recovery SET amount = amount + 1 WHERE recovery_id = :name")
        await session.execute(changed, {"name": name})
    page = await console.sign_in_as(Role.OPERATOR).submit_form("/audit/verify", recovery=name)
    assert "amount" in page.text
    assert json.dumps(name)[1:-1] in page.text
