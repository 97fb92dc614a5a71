"""The page of one recovery."""

import re
from datetime import timedelta

import pytest

from api.admin.sessions import Role
from core.events import Event, EventType, format_timestamp
from core.ids import recovery_id
from tests.api.admin.console import AdminBrowser
from tests.api.harness import app_now, failed_event
from tests.intake.fakes import canceled_event, failure_event, store_recovery, unique_id

SINCE_OPENING = timedelta(hours=1)


def event_now(type_: EventType, /, **data: object) -> Event:
    """An event of this type that occurs now."""
    return Event(type=type_, occurred_at=app_now(), data=data)


def decision_events(fingerprint: str = "fp_story", **plan: object) -> tuple[Event, ...]:
    """The events of a decision: insufficient funds, a retry in three hours."""
    at = app_now() + timedelta(hours=3)
    return (
        event_now(
            EventType.FAILURE_CLASSIFIED,
            category="SOFT_DECLINE",
            cause="INSUFFICIENT_FUNDS",
            decided_by="stripe decline_code=insufficient_funds",
            failure={"code": "insufficient_funds", "network_code": "51"},
            card={"fingerprint": fingerprint, "network": "visa", "last4": "4242"},
        ),
        event_now(
            EventType.CUSTOMER_SEGMENTED,
            segment="standard",
            why="no other rule fits",
            attempts_allowed=4,
            window_ends_at=format_timestamp(at + timedelta(days=20)),
        ),
        event_now(EventType.FRAUD_ASSESSED, level="clear", score=0, reasons=[]),
        event_now(
            EventType.RETRY_PLANNED,
            **{
                "at": format_timestamp(at),
                "delay_seconds": 10800,
                "strategy": "fixed_ladder",
                "policy_version": "abc123",
                "why": "rung 1 of 4: 3 hours after the last failure",
                "rejected": ["adaptive: too few examples"],
                "attempts_allowed": 4,
                "retry": 1,
                "experiment": "paydays",
                "arm": "control",
            }
            | plan,
        ),
    )


async def open_recovery(
    console: AdminBrowser, *more: Event, invoice: str = "", customer: str | None = "cus_story"
) -> str:
    """The page of a new recovery with these rows."""
    invoice = invoice or unique_id("in_story")
    event = failure_event(invoice, customer_id=customer, amount=4900, occurred_at=app_now() - SINCE_OPENING)
    console.recoveries.running.add((await store_recovery(console.harness.db, event, *more)).recovery_id)
    return f"/recoveries/stripe/{invoice}"


async def test_timeline_shows_events_reasons_and_rejected_alternatives(console: AdminBrowser) -> None:
    page = await console.sign_in_as(Role.VIEWER).get_page(await open_recovery(console, *decision_events()))
    assert page.status == 200
    for words in (
        "49.00 EUR", "Waiting to retry", "Why it failed: not enough money in the account",
        "Retry 1 of 4 is planned", "Step 1 of 4: 3 hours after the last failure.", "adaptive: too few examples",
        "Customer group: standard", "Fraud check: nothing suspicious", "abc123", "Paydays", "Control",
        "insufficient_funds", "51", "Retry 1 of 4", "0 of 4",
    ):  # fmt: skip
        assert words in page.text, words
    assert re.search(r"UTC in (3 h|2 h 59 min)\b", page.text)


async def test_next_steps_come_before_the_newest_entry(console: AdminBrowser) -> None:
    text = (await console.sign_in_as().get_page(await open_recovery(console, *decision_events()))).text
    order = ["What comes next", "The provider is asked to charge", "so does the recovery", "What happened",
             "Retry 1 of 4 is planned", "The payment failed"]  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)


async def test_each_attempt_shows_codes_and_its_key(console: AdminBrowser) -> None:
    requested = event_now(
        EventType.CHARGE_REQUESTED, trigger="scheduled", idempotency_key="pri-key-1", amount=4900, currency="EUR"
    ).model_copy(update={"attempt": 1})
    no = event_now(
        EventType.CHARGE_DECLINED, charge_id="ch_1",
        failure={"code": "generic_decline", "network_code": "05", "network_advice": "02", "advice": "try_again_later"},
    ).model_copy(update={"attempt": 1})  # fmt: skip
    text = (await console.sign_in_as().get_page(await open_recovery(console, *decision_events(), requested, no))).text
    for words in ("Attempt 1 was declined", "pri-key-1", "generic_decline", "05", "02", "try_again_later", "ch_1"):
        assert words in text, words


async def test_remaining_network_tries_are_shown(console: AdminBrowser) -> None:
    text = (await console.sign_in_as().get_page(await open_recovery(console, *decision_events("fp_fresh")))).text
    assert "fp_fresh" in text
    assert "19 of 20 tries left" in text


async def test_recovery_without_a_log_is_shown_as_received(console: AdminBrowser) -> None:
    invoice = unique_id("in_new")
    console.recoveries.log = None  # no worker took it yet
    assert (await console.harness.send_event(failed_event(invoice))).status_code == 202
    page = await console.sign_in_as().get_page(f"/recoveries/stripe/{invoice}")
    assert (page.status, "Just received" in page.text) == (200, True)
    assert f"/admin/recoveries/stripe/{invoice}/live?after=0" in page.html


async def test_events_after_the_end_are_shown(console: AdminBrowser) -> None:
    late = event_now(EventType.EVENT_LATE, event_id="evt_late", event_type="charge.refunded", kind="other", detail="x")
    path = await open_recovery(console, canceled_event(), late)
    page = await console.sign_in_as().get_page(path)
    assert "Came after the end" in page.text
    assert "Nothing: it is over." in page.text
    assert "/live" not in page.html
    assert page.buttons == []


async def test_partial_and_late_payments_are_shown(console: AdminBrowser) -> None:
    part = event_now(EventType.PAID_ELSEWHERE, amount=1_100, remaining=3_800, currency="EUR")
    back = event_now(EventType.PAYMENT_REVERSED, amount=777, currency="EUR", kind="chargeback")
    path = await open_recovery(console, part, event_now(EventType.PAID_ELSEWHERE), back)
    text = (await console.sign_in_as().get_page(path)).text
    for words in ("Paid in parts 11.00 EUR", "Went back after the end 7.77 EUR"):
        assert words in text
    assert "Paid after the end" not in text


async def test_unknown_recovery_is_404(console: AdminBrowser) -> None:
    for path in ("/recoveries/stripe/in_none", "/recoveries/nobody/in_1", "/recoveries/stripe/%00"):
        assert (await console.sign_in_as().get_page(path)).status == 404


ODD = ("a/b", "a%2Fb", "ä ö", "a?b#c", "a+b", "'; DROP TABLE", "<script>alert(1)</script>", '"><img src=x onerror=y>')


@pytest.mark.parametrize("invoice_id", ODD)
async def test_ids_may_hold_anything(invoice_id: str, console: AdminBrowser) -> None:
    invoice = unique_id("in") + invoice_id
    await open_recovery(console, invoice=invoice)
    browser = console.sign_in_as()
    row = (await browser.get_page("/recoveries", q=invoice)).links
    page = await browser.get_page(row[" ".join(invoice.split())])
    assert (page.status, " ".join(invoice.split()) in page.text) == (200, True)
    assert (await browser.submit_and_follow(page.form_to("/pause").action, reason="x")).status == 200


@pytest.mark.parametrize(
    ("role", "buttons"),
    [
        (Role.VIEWER, set()),
        (Role.OPERATOR, {"Retry now", "Pause it", "Cancel the recovery"}),
        (Role.ADMIN, {"Retry now", "Pause it", "Cancel the recovery"}),
    ],
)
async def test_buttons_depend_on_the_role(role: Role, buttons: set[str], console: AdminBrowser) -> None:
    page = await console.sign_in_as(role).get_page(await open_recovery(console, *decision_events()))
    assert set(page.buttons) == buttons


async def test_buttons_depend_on_the_state(console: AdminBrowser) -> None:
    browser = console.sign_in_as()
    paused = await open_recovery(
        console, *decision_events(), event_now(EventType.PAUSED, actor="bob", reason="holiday")
    )
    assert set((await browser.get_page(paused)).buttons) == {"Resume it", "Cancel the recovery"}
    review = event_now(
        EventType.RETRY_SKIPPED,
        action="review",
        reason="fraud",
        why="odd",
        until=format_timestamp(app_now() + SINCE_OPENING),
    )
    held_recovery = await open_recovery(console, *decision_events()[:3], review)
    assert set((await browser.get_page(held_recovery)).buttons) == {
        "Approve",
        "Reject it",
        "Pause it",
        "Cancel the recovery",
    }


async def test_the_id_of_a_recovery_is_its_own(console: AdminBrowser) -> None:
    path = await open_recovery(console)
    text = (await console.sign_in_as().get_page(path)).text
    assert recovery_id("stripe", path.rpartition("/")[2]) in text
