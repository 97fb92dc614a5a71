"""Sandbox webhooks: signed as Stripe signs, sent as requested, repeated when refused."""

import time
from typing import Any

import pytest
import stripe

from sandbox.models import Delivery, Shape
from sandbox.stripe.client import StripeSandboxClient
from sandbox.stripe.webhooks import sign_stripe_payload
from tests.sandbox.harness import SECRET, Receiver

WAIT = Delivery(wait=True)


def is_verified(body: bytes, header: str, secret: str = SECRET, tolerance: int | None = 300) -> bool:
    return bool(stripe.WebhookSignature.verify_header(body.decode(), header, secret, tolerance))


async def test_the_official_library_accepts_the_signature(box: StripeSandboxClient, receiver: Receiver) -> None:
    failed_invoice = await box.create_failed_invoice(delivery=WAIT)
    assert [(d.status, d.tries) for d in failed_invoice.deliveries] == [(202, 1)]
    body, header = receiver.got[-1]
    assert is_verified(body, header)
    event = stripe.Webhook.construct_event(body, header, SECRET)
    assert (event.id, event.type) == (failed_invoice.event, "invoice.payment_failed")
    assert event.data.object["id"] == failed_invoice.invoice
    with pytest.raises(stripe.SignatureVerificationError):
        is_verified(body, header, "whsec_other")


def test_the_signing_function_fits_too() -> None:
    assert is_verified(b"{}", sign_stripe_payload(b"{}", "s", int(time.time())), "s")


async def test_a_failed_pay_call_is_echoed(
    box: StripeSandboxClient, api: stripe.StripeClient, receiver: Receiver
) -> None:
    failed_invoice = await box.create_failed_invoice(script=("decline:do_not_honor",))
    receiver.got.clear()
    with pytest.raises(stripe.CardError):
        await api.v1.invoices.pay_async(
            failed_invoice.invoice, options={"idempotency_key": f"key-{failed_invoice.invoice}"}
        )
    await box.wait_until_idle()
    assert {e["type"] for e in receiver.events} == {
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.payment_failed",
    }
    (event,) = receiver.events_about(failed_invoice.invoice)
    assert event["data"]["object"]["attempt_count"] == 1
    assert event["request"]["idempotency_key"] == f"key-{failed_invoice.invoice}"


async def test_a_paid_invoice_is_announced(
    box: StripeSandboxClient, api: stripe.StripeClient, receiver: Receiver
) -> None:
    failed_invoice = await box.create_failed_invoice()
    receiver.got.clear()
    await api.v1.invoices.pay_async(failed_invoice.invoice)
    await box.wait_until_idle()
    types = {event["type"] for event in receiver.events}
    expected = {"invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid", "payment_intent.succeeded"}
    assert expected <= types


async def test_echoes_can_be_off(box: StripeSandboxClient, api: stripe.StripeClient, receiver: Receiver) -> None:
    failed_invoice = await box.create_failed_invoice(echo=False)
    receiver.got.clear()
    await api.v1.invoices.pay_async(failed_invoice.invoice)
    await box.wait_until_idle()
    assert receiver.got == []


async def test_copies_are_one_event(box: StripeSandboxClient, receiver: Receiver) -> None:
    failed_invoice = await box.create_failed_invoice()
    receiver.got.clear()
    sent = await box.send_invoice_event(failed_invoice.invoice, delivery=Delivery(copies=7, concurrency=3, wait=True))
    assert len(sent.deliveries) == 7
    assert {event["id"] for event in receiver.events} == {failed_invoice.event}
    again = await box.send_invoice_event(failed_invoice.invoice, fresh=True, delivery=WAIT)
    assert again.events[0]["id"] != failed_invoice.event


async def test_either_shape_can_be_sent(box: StripeSandboxClient, receiver: Receiver) -> None:
    failed_invoice = await box.create_failed_invoice()
    for shape in Shape:
        await box.send_invoice_event(failed_invoice.invoice, delivery=Delivery(shape=shape, wait=True))
    old, new = (event for event in receiver.events[-2:])
    assert old["data"]["object"]["payment_intent"] == failed_invoice.payment_intent
    assert "payment_intent" not in new["data"]["object"]
    assert old["api_version"] < "2025-03-31" <= new["api_version"]


async def test_skew_and_a_wrong_secret_are_possible(box: StripeSandboxClient, receiver: Receiver) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.send_invoice_event(failed_invoice.invoice, delivery=Delivery(skew=-600, wait=True))
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        is_verified(*receiver.got[-1])
    await box.send_invoice_event(failed_invoice.invoice, delivery=Delivery(secret="whsec_wrong", wait=True))
    assert is_verified(*receiver.got[-1], secret="whsec_wrong")


async def test_order_can_be_reversed(box: StripeSandboxClient, receiver: Receiver) -> None:
    failed_invoice = await box.create_failed_invoice()
    receiver.got.clear()
    await box.add_card(failed_invoice.customer, delivery=Delivery(reverse=True, wait=True))
    assert [event["type"] for event in receiver.events] == ["customer.updated", "payment_method.attached"]


async def test_refused_delivery_is_retried_and_then_given_up(box: StripeSandboxClient, receiver: Receiver) -> None:
    failed_invoice = await box.create_failed_invoice()
    receiver.answers[:] = [503, 202]
    (accepted,) = (await box.send_invoice_event(failed_invoice.invoice, delivery=WAIT)).deliveries
    assert (accepted.status, accepted.tries) == (202, 2)
    receiver.answers[:] = [500] * 3
    (failed,) = (await box.send_invoice_event(failed_invoice.invoice, delivery=WAIT)).deliveries
    assert (failed.status, failed.tries) == (500, 3)
    receiver.answers[:] = [500]
    (once,) = (
        await box.send_invoice_event(failed_invoice.invoice, delivery=Delivery(retry=False, wait=True))
    ).deliveries
    assert (once.status, once.tries) == (500, 1)


async def test_unreachable_receiver_is_an_error_in_the_result(box: StripeSandboxClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    delivery = Delivery(url="http://127.0.0.1:9/", wait=True)
    (failed,) = (await box.send_invoice_event(failed_invoice.invoice, delivery=delivery)).deliveries
    assert failed.status is None
    assert failed.error is not None


async def test_anything_can_be_sent_raw(box: StripeSandboxClient, receiver: Receiver) -> None:
    await box.send_raw({"id": "evt_odd", "type": "unheard.of", "object": "event"}, delivery=WAIT)
    assert receiver.events[-1]["type"] == "unheard.of"
    await box.send_raw(payload="not json", delivery=WAIT)
    assert receiver.got.pop()[0] == b"not json"


ACTIONS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("pay_hosted", {}, ["invoice.paid", "invoice.payment_succeeded"]),
    ("void_invoice", {}, ["invoice.voided"]),
    ("mark_uncollectible", {}, ["invoice.marked_uncollectible"]),
    ("end_subscription", {}, ["customer.subscription.deleted"]),
    ("open_dispute", {}, ["charge.dispute.created"]),
    ("warn_of_fraud", {}, ["radar.early_fraud_warning.created"]),
    ("run_provider_retry", {"outcome": "decline:lost_card"}, ["invoice.payment_failed", "charge.failed"]),
    ("run_provider_retry", {"outcome": "succeed"}, ["invoice.paid"]),
]


@pytest.mark.parametrize(("action", "options", "types"), ACTIONS)
async def test_changes_outside_of_the_api_send_events(
    box: StripeSandboxClient, receiver: Receiver, action: str, options: dict[str, Any], types: list[str]
) -> None:
    failed_invoice = await box.create_failed_invoice()
    receiver.got.clear()
    result = await getattr(box, action)(failed_invoice.invoice, delivery=WAIT, **options)
    assert set(types) <= {event["type"] for event in result.events}
    assert {event["id"] for event in receiver.events} == {event["id"] for event in result.events}
    assert all(is_verified(body, header) for body, header in receiver.got)


async def test_a_card_update_changes_the_card(
    box: StripeSandboxClient, api: stripe.StripeClient, receiver: Receiver
) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.update_card(failed_invoice.payment_method, last4="9999", exp_year=2035, delivery=WAIT)
    assert receiver.events[-1]["type"] == "payment_method.automatically_updated"
    card = (await api.v1.payment_methods.retrieve_async(failed_invoice.payment_method)).card
    assert card is not None
    assert (card.last4, card.exp_year) == ("9999", 2035)


async def test_events_can_be_read_and_sent_again(
    box: StripeSandboxClient, api: stripe.StripeClient, receiver: Receiver
) -> None:
    failed_invoice = await box.create_failed_invoice()
    event = await api.v1.events.retrieve_async(failed_invoice.event)
    assert (event.type, event.data.object["id"]) == ("invoice.payment_failed", failed_invoice.invoice)
    events = await api.v1.events.list_async({"type": "invoice.payment_failed", "limit": 1})
    assert events.data[0].id == failed_invoice.event
    await box.send_event(failed_invoice.event, delivery=WAIT)
    assert receiver.events[-1]["id"] == failed_invoice.event


async def test_warnings_and_disputes_can_be_read(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.warn_of_fraud(failed_invoice.invoice)
    await box.open_dispute(failed_invoice.invoice)
    warnings = await api.v1.radar.early_fraud_warnings.list_async({"payment_intent": failed_invoice.payment_intent})
    assert [warning.charge for warning in warnings.data] == [failed_invoice.charge]
    (dispute,) = (await api.v1.disputes.list_async({"payment_intent": failed_invoice.payment_intent})).data
    assert (await api.v1.disputes.retrieve_async(dispute.id)).charge == failed_invoice.charge
    assert (await api.v1.charges.retrieve_async(failed_invoice.charge or "")).disputed


async def test_an_undelivered_event_can_be_swept_up(
    box: StripeSandboxClient, api: stripe.StripeClient, receiver: Receiver
) -> None:
    failed_invoice = await box.create_failed_invoice()
    receiver.answers[:] = [500]
    await box.send_invoice_event(failed_invoice.invoice, delivery=Delivery(retry=False, wait=True))
    undelivered = await api.v1.events.list_async({"delivery_success": False, "limit": 1})
    assert undelivered.data[0].id == failed_invoice.event
    await box.send_invoice_event(failed_invoice.invoice, delivery=WAIT)
    delivered = await api.v1.events.list_async({"delivery_success": True, "limit": 100})
    assert failed_invoice.event in [event.id for event in delivered.data]


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("charge.failed", "charge"),
        ("payment_intent.payment_failed", "payment_intent"),
        ("customer.subscription.updated", "subscription"),
        ("customer.updated", "customer"),
        ("payment_method.updated", "payment_method"),
        ("invoice_payment.paid", "invoice_payment"),
        ("invoice.overdue", "invoice"),
    ],
)
async def test_any_event_of_an_invoice_can_be_sent(
    box: StripeSandboxClient, receiver: Receiver, event_type: str, kind: str
) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.send_invoice_event(failed_invoice.invoice, event_type, delivery=WAIT)
    assert (receiver.events[-1]["type"], receiver.events[-1]["data"]["object"]["object"]) == (event_type, kind)
