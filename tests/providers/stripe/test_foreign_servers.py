"""Servers that are almost Stripe: older shapes, missing fields, malformed answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import ProviderUnavailable
from core.payments import InvoiceStatus, Outcome
from providers.stripe.gateway import StripeGateway
from tests.providers.stripe.builders import dispute_of, open_invoice, order_for
from tests.providers.stripe.canned_server import CannedServer

SOON = int(datetime.now(UTC).timestamp()) + 3600
"""Later than every order that these tests make."""
CARD = {"brand": "American Express", "fingerprint": "fp_1", "last4": "0005", "country": "GB", "funding": "credit"}
CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "amount": 2000,
    "created": SOON,
    "disputed": False,
    "failure_code": "card_declined",
    "outcome": {"type": "issuer_declined", "reason": "lost_card", "risk_level": "normal", "risk_score": 3},
    "source": CARD | {"object": "card", "id": "card_1"},
    "status": "failed",
}
INTENT = {"id": "pi_1", "object": "payment_intent", "status": "requires_payment_method", "latest_charge": "ch_1"}
PAY_REQUEST = "POST /v1/invoices/in_1/pay"


def legacy_invoice(**fields: Any) -> dict[str, Any]:
    """An open invoice of the older shape without `amount_remaining`, as a small fake may send it."""
    legacy_fields = {
        name: value for name, value in open_invoice().items() if name not in {"parent", "amount_remaining"}
    }
    return legacy_fields | {"subscription": "sub_1", "payment_intent": "pi_1", "charge": "ch_1"} | fields


def serve_documents(canned: CannedServer, **documents: dict[str, Any]) -> None:
    paths = {"invoice": "invoices/in_1", "intent": "payment_intents/pi_1", "charge": "charges/ch_1"}
    for name, document in documents.items():
        canned.set_answer(f"GET /v1/{paths[name]}", document)


async def test_the_older_shape_without_expansion(canned: CannedServer, foreign: StripeGateway) -> None:
    serve_documents(canned, invoice=legacy_invoice(), intent=INTENT, charge=CHARGE)
    facts = await foreign.read_failure("in_1", None)
    assert (facts.invoice.amount_due, facts.invoice.subscription_id) == (2000, "sub_1")
    assert (facts.invoice.latest_charge_id, facts.invoice.latest_charge_status) == ("ch_1", "failed")
    assert (facts.failure.code, facts.failure.network) == ("lost_card", "amex")
    assert (facts.card.network, facts.card.last4, facts.card.fingerprint) == ("amex", "0005", "fp_1")
    assert facts.missing == ("customer",)


async def test_an_older_invoice_with_a_bare_charge(canned: CannedServer, foreign: StripeGateway) -> None:
    serve_documents(canned, invoice=legacy_invoice(payment_intent=None), charge=CHARGE | {"status": "succeeded"})
    canned.set_answer("GET /v1/radar/early_fraud_warnings", {"data": [{"actionable": True}]})
    facts = await foreign.read_failure("in_1", None)
    assert (facts.invoice.latest_charge_status, facts.risk.early_warning) == ("succeeded", True)
    assert {"charge": ["ch_1"]} in [
        request.params for request in canned.requests if request.path.endswith("early_fraud_warnings")
    ]


async def test_payments_left_out_are_asked_for(canned: CannedServer, foreign: StripeGateway) -> None:
    payment = {"type": "payment_intent", "payment_intent": "pi_1"}
    serve_documents(canned, invoice=open_invoice(), intent=INTENT | {"latest_charge": CHARGE})
    canned.set_answer("GET /v1/invoice_payments", {"data": [{"status": "open", "invoice": "in_1", "payment": payment}]})
    assert (await foreign.read_invoice("in_1")).latest_charge_id == "ch_1"
    assert {"invoice": ["in_1"]} in [
        request.params for request in canned.requests if request.path == "/v1/invoice_payments"
    ]


async def test_an_invoice_alone_is_enough(canned: CannedServer, foreign: StripeGateway) -> None:
    serve_documents(canned, invoice=open_invoice())
    facts = await foreign.read_failure("in_1", None)
    assert facts.invoice.status is InvoiceStatus.OPEN
    assert facts.missing == ("payment", "customer", "early_warnings")
    assert (facts.risk.level, facts.risk.disputed, facts.risk.early_warning) == (None, None, None)


@pytest.mark.parametrize("status", ["processing", "pending"])
async def test_payment_under_way_is_recognised(canned: CannedServer, foreign: StripeGateway, status: str) -> None:
    intent = INTENT | ({"status": "processing"} if status == "processing" else {})
    serve_documents(canned, invoice=legacy_invoice(), intent=intent, charge=CHARGE | {"status": status})
    assert (await foreign.read_invoice("in_1")).processing
    result = await foreign.reconcile(order_for("in_1", requested_at=datetime.now(UTC) - timedelta(days=3)))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "processing")


@pytest.mark.parametrize(("deleted", "status"), [({"deleted": True}, 200), ({}, 404)])
async def test_deleted_invoice_is_missing(
    canned: CannedServer, foreign: StripeGateway, deleted: Any, status: int
) -> None:
    canned.set_answer("GET /v1/invoices/in_1", {"id": "in_1"} | deleted, status)
    assert (await foreign.read_invoice("in_1")).status is InvoiceStatus.MISSING


UNFIT_ANSWERS: dict[str, Any] = {
    "a list": [],
    "nothing": b"",
    "HTML": b"<html>",
    "bad UTF-8": b"\xff{}",
    "too deep": b"[" * 100_000,
    "no id": {"object": "invoice", "status": "open"},
    "another invoice": open_invoice(id="in_2"),
    "a new status": open_invoice(status="frozen"),
    "status as a number": open_invoice(status=3),
}


@pytest.mark.parametrize("body", UNFIT_ANSWERS.values(), ids=UNFIT_ANSWERS)
async def test_an_answer_that_does_not_fit(canned: CannedServer, foreign: StripeGateway, body: Any) -> None:
    canned.set_answer("GET /v1/invoices/in_1", body)
    canned.set_answer(PAY_REQUEST, body)
    with pytest.raises(ProviderUnavailable) as unavailable:
        await foreign.read_invoice("in_1")
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "unfit_answer")
    assert unavailable.value.__cause__ is None


async def test_an_amount_that_does_not_fit_is_no_invoice(canned: CannedServer, foreign: StripeGateway) -> None:
    serve_documents(canned, invoice=open_invoice(amount_remaining="many"))
    with pytest.raises(ProviderUnavailable, match="amount_remaining"):
        await foreign.read_invoice("in_1")


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (402, b"<html>", "unfit_answer"),
        (402, {"error": {}}, "unfit_answer"),
        (402, {"error": ["no"]}, "unfit_answer"),
        (500, {"error": [1]}, "unfit_answer"),
        (500, b"<html>Bad gateway</html>", "http_500"),
        (503, b"", "http_503"),
        (302, b"", "http_302"),
        (409, b"", "http_409"),
        (418, {"error": {"code": "teapot"}}, "http_418"),
    ],
)
async def test_malformed_answers_to_a_charge_are_unknown(
    canned: CannedServer, foreign: StripeGateway, status: int, body: Any, reason: str
) -> None:
    canned.set_answer(PAY_REQUEST, body, status)
    canned.set_answer("GET /v1/invoices/in_1", {}, 500)
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, reason)


async def test_a_decline_is_taken_also_where_its_details_do_not_fit(
    canned: CannedServer, foreign: StripeGateway
) -> None:
    error = {"code": "card_declined", "decline_code": "lost_card", "charge": 7, "advice_code": ["x"], "message": "M"}
    canned.set_answer(PAY_REQUEST, {"error": error}, 402)
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.failure.code, result.charge_id) == (Outcome.DECLINED, "lost_card", None)


@pytest.mark.parametrize(
    ("status", "code"), [(401, "authentication_error"), (403, "permission_error")], ids=["401", "403"]
)
async def test_a_key_that_may_not_charge(canned: CannedServer, foreign: StripeGateway, status: int, code: str) -> None:
    canned.set_answer(PAY_REQUEST, {"error": {"type": "invalid_request_error", "message": "No."}}, status)
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, code)


@pytest.mark.parametrize(
    ("status", "body", "wait"),
    [
        (429, {"error": {"code": "lock_timeout"}}, None),
        (429, {"error": {"code": "rate_limit"}}, timedelta(seconds=30)),
        (400, {"error": {"code": "rate_limit"}}, timedelta(seconds=30)),
    ],
)
async def test_limits_of_the_api(
    canned: CannedServer, foreign: StripeGateway, status: int, body: Any, wait: Any
) -> None:
    canned.set_answer(PAY_REQUEST, body, status, **({"Retry_After": "30"} if wait else {"Retry_After": "soon"}))
    with pytest.raises(ProviderUnavailable) as limited:
        await foreign.charge(order_for("in_1"))
    assert limited.value.retry_after == wait


async def test_a_success_is_one_even_where_its_charge_cannot_be_read(
    canned: CannedServer, foreign: StripeGateway
) -> None:
    canned.set_answer(PAY_REQUEST, legacy_invoice(status="paid", amount_due=0))
    canned.set_answer("GET /v1/payment_intents/pi_1", b"", 500)
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.charge_id) == (Outcome.SUCCEEDED, None)


@pytest.mark.parametrize(
    ("intent", "charge", "outcome", "detail"),
    [
        ({"status": "processing"}, {"status": "pending"}, Outcome.UNKNOWN, "processing"),
        ({"status": "requires_action"}, {"created": 1}, Outcome.DECLINED, "authentication_required"),
        ({}, {}, Outcome.DECLINED, "lost_card"),
        ({}, {"id": "ch_0"}, Outcome.UNKNOWN, "processing"),
    ],
    ids=["processing", "requires action", "failed", "only the charge from before"],
)
async def test_result_of_an_accepted_call_without_payment(
    canned: CannedServer, foreign: StripeGateway, intent: Any, charge: Any, outcome: Outcome, detail: str
) -> None:
    canned.set_answer(PAY_REQUEST, legacy_invoice())
    serve_documents(canned, intent=INTENT | {"latest_charge": CHARGE | charge} | intent)
    result = await foreign.charge(order_for("in_1", charge_before="ch_0"))
    assert result.outcome is outcome
    assert detail in {result.reason, result.failure.code}


async def test_a_refused_repeat_of_a_charge_that_went_through(canned: CannedServer, foreign: StripeGateway) -> None:
    """A server that forgets keys reports the invoice as paid: it was paid by our first charge."""
    canned.set_answer(PAY_REQUEST, {"error": {"message": "Invoice is already paid"}}, 400)
    serve_documents(
        canned, invoice=legacy_invoice(status="paid"), intent=INTENT, charge=CHARGE | {"status": "succeeded"}
    )
    result = await foreign.charge(order_for("in_1", charge_before="ch_0"))
    assert (result.outcome, result.charge_id) == (Outcome.SUCCEEDED, "ch_1")


async def test_partial_payment_from_elsewhere_decides_nothing(canned: CannedServer, foreign: StripeGateway) -> None:
    serve_documents(
        canned, invoice=legacy_invoice(), intent=INTENT, charge=CHARGE | {"status": "succeeded", "amount": 500}
    )
    result = await foreign.reconcile(order_for("in_1"))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "not_settled")


async def test_only_what_is_needed_is_sent(canned: CannedServer, foreign: StripeGateway) -> None:
    await foreign.charge(order_for("in_1", method_id="pm_1", idempotency_key="pri-key"))
    (pay, *_) = canned.requests
    assert pay.params == {"expand[0]": ["payments.data.payment.payment_intent"], "payment_method": ["pm_1"]}
    assert pay.headers["idempotency-key"] == "pri-key"
    assert pay.headers["stripe-version"] == "2026-10-28.endive"
    assert "x-stripe-client-telemetry" not in pay.headers


async def test_the_older_shape_names_the_invoice_of_a_payment(canned: CannedServer, foreign: StripeGateway) -> None:
    serve_documents(canned, charge=CHARGE | {"invoice": "in_1", "customer": "cus_1", "payment_intent": "pi_1"})
    event = await foreign.resolve_event(dispute_of("ch_1"))
    assert (event.invoice_id, event.customer_id) == ("in_1", "cus_1")
