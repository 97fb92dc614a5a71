"""Servers that implement little of Stripe: missing fields are unknown, and none of them is required."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import NotAllowed, ProviderUnavailable
from core.payments import NO_METHOD, EventKind, Failure, MethodKind, Outcome, ProviderEvent
from providers.stripe.gateway import StripeGateway
from tests.providers.stripe.builders import open_invoice, order_for
from tests.providers.stripe.canned_server import CannedServer
from tests.providers.stripe.test_foreign_servers import CHARGE, INTENT, PAY_REQUEST, legacy_invoice, serve_documents

LINKED_INVOICE = {"default_payment_method": None, "default_source": None}
OWNED_CUSTOMER = {"id": "cus_1", "default_source": None, "invoice_settings": {"default_payment_method": None}}


def serve_small_account(canned: CannedServer, missing: str, customer: dict[str, Any] | None) -> None:
    """Serves an invoice, its subscription and customer with null defaults, except for the `missing` fields."""
    invoice = open_invoice(**LINKED_INVOICE, payment_intent="pi_1")
    canned.set_answer("GET /v1/invoices/in_1", {name: value for name, value in invoice.items() if name != missing})
    canned.set_answer("GET /v1/payment_intents/pi_1", {"id": "pi_1", "status": "requires_payment_method"})
    canned.set_answer("GET /v1/subscriptions/sub_1", {"id": "sub_1", "status": "past_due"} | LINKED_INVOICE)
    if customer is not None:
        canned.set_answer("GET /v1/customers/cus_1", customer)


@pytest.mark.parametrize(
    ("missing", "customer", "is_known"),
    [
        ("nothing", OWNED_CUSTOMER, True),
        ("parent", OWNED_CUSTOMER, False),
        ("customer", OWNED_CUSTOMER, False),
        ("default_payment_method", OWNED_CUSTOMER, False),
        ("nothing", {"id": "cus_1", "email": "ann@example.com"}, False),
        ("nothing", {"id": "cus_1", "invoice_settings": {}, "default_source": None}, False),
        ("nothing", None, False),
    ],
)
async def test_missing_default_field_does_not_mean_no_default(
    canned: CannedServer, foreign: StripeGateway, missing: str, customer: dict[str, Any] | None, is_known: bool
) -> None:
    """Otherwise nothing would be charged at a server that leaves these fields out."""
    serve_small_account(canned, missing, customer)
    view = await foreign.read_invoice("in_1")
    assert (view.methods_known, view.method) == (is_known, None)


@pytest.mark.parametrize(
    ("method", "is_known"),
    [
        ({"id": "pm_1", "customer": "cus_1"}, False),
        ({"id": "pm_1"}, False),
        (None, False),
        ({"id": "pm_1", "customer": None}, True),
        ({"id": "pm_1", "customer": "cus_2"}, True),
    ],
)
async def test_a_stored_method_without_a_default_leaves_it_to_the_pay_call(
    canned: CannedServer, foreign: StripeGateway, method: dict[str, Any] | None, is_known: bool
) -> None:
    serve_small_account(canned, "nothing", OWNED_CUSTOMER)
    error = {"type": "card_error", "decline_code": "insufficient_funds", "payment_method": {"id": "pm_1"}}
    intent = {"id": "pi_1", "status": "requires_payment_method", "last_payment_error": error}
    canned.set_answer("GET /v1/payment_intents/pi_1", intent)
    if method:
        canned.set_answer("GET /v1/payment_methods/pm_1", method)
    assert (await foreign.read_invoice("in_1")).methods_known is is_known
    assert (await foreign.read_failure("in_1", None)).invoice.methods_known is is_known


async def test_a_server_that_expands_nothing_is_asked_for_the_plain_object(
    canned: CannedServer, foreign: StripeGateway
) -> None:
    answer = canned.answer_request

    def refuse_expansion(request: Any) -> Any:
        refused = b'{"error": {"type": "invalid_request_error", "param": "expand"}}'
        return (400, refused, {}) if any(name.startswith("expand") for name in request.params) else answer(request)

    canned.answer_request = refuse_expansion  # type: ignore[method-assign]
    canned.set_answer("GET /v1/invoices/in_1", open_invoice(payment_intent="pi_1"))
    error = {"type": "card_error", "decline_code": "insufficient_funds"}
    canned.set_answer("GET /v1/payment_intents/pi_1", {"id": "pi_1", "last_payment_error": error})
    facts = await foreign.read_failure("in_1", None)
    assert (facts.invoice.amount_due, facts.failure.code) == (2000, "insufficient_funds")


TRACES = {"last_payment_error": None, "latest_charge": None}


@pytest.mark.parametrize(
    ("intent", "customer", "is_known"),
    [
        (TRACES, {"id": "cus_1"}, True),
        ({}, {"id": "cus_1", "invoice_settings": {"default_payment_method": None}}, True),
        ({}, {"id": "cus_1"}, False),
        ({**TRACES, "payment_method": "pm_1"}, {"id": "cus_1"}, False),
        ({**TRACES, "status": "processing"}, {"id": "cus_1"}, False),
        ({**TRACES, "last_payment_error": {"code": "card_declined"}}, {"id": "cus_1"}, False),
    ],
)
async def test_untried_payment_means_no_method(
    canned: CannedServer, foreign: StripeGateway, intent: dict[str, Any], customer: dict[str, Any], is_known: bool
) -> None:
    """There is neither charge nor error: waiting a day for a refused charge would be useless."""
    serve_small_account(canned, "default_payment_method", customer)
    canned.set_answer("GET /v1/payment_intents/pi_1", {"id": "pi_1", "status": "requires_payment_method"} | intent)
    invoice = (await foreign.read_failure("in_1", None)).invoice
    assert (invoice.methods_known, invoice.method) == (is_known, None)


FAILED_EVENT = ProviderEvent(
    provider="stripe",
    event_id="evt_1",
    event_type="invoice.payment_failed",
    kind=EventKind.PAYMENT_FAILED,
    occurred_at=datetime(2026, 11, 27, tzinfo=UTC),
    invoice_id="in_1",
)


async def test_failure_in_the_event_counts_as_an_attempt(canned: CannedServer, foreign: StripeGateway) -> None:
    serve_small_account(canned, "default_payment_method", {"id": "cus_1"})
    canned.set_answer("GET /v1/payment_intents/pi_1", {"id": "pi_1", "status": "requires_payment_method"} | TRACES)
    event = FAILED_EVENT.model_copy(update={"failure": Failure(code="insufficient_funds")})
    assert not (await foreign.read_failure("in_1", event)).invoice.methods_known


async def test_a_customer_without_an_active_card_is_no_decline(canned: CannedServer, foreign: StripeGateway) -> None:
    canned.set_answer("GET /v1/invoices/in_1", open_invoice())
    error = {"type": "card_error", "code": "missing", "param": "card"}
    canned.set_answer(PAY_REQUEST, {"error": error}, status=402)
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, NO_METHOD)


DECLINED_ERROR = {"type": "invalid_request_error", "code": "insufficient_funds"}


@pytest.mark.parametrize(
    "intent",
    [
        {"last_payment_error": DECLINED_ERROR, "payment_method_types": ["us_bank_account"]},
        {"last_payment_error": DECLINED_ERROR | {"payment_method": "pm_1"}},
    ],
)
async def test_type_of_a_method_known_only_by_id(
    canned: CannedServer, foreign: StripeGateway, intent: dict[str, Any]
) -> None:
    """A bank account that is taken for a card would be debited again."""
    serve_small_account(canned, "default_payment_method", {"id": "cus_1"})
    canned.set_answer("GET /v1/payment_intents/pi_1", {"id": "pi_1", "status": "requires_payment_method"} | intent)
    bank = {"id": "pm_1", "type": "us_bank_account", "us_bank_account": {"last4": "6789"}}
    canned.set_answer("GET /v1/payment_methods/pm_1", bank)
    assert (await foreign.read_failure("in_1", None)).card.kind is MethodKind.DIRECT_DEBIT


async def test_customer_with_transfer_instructions_is_not_charged_by_card(
    canned: CannedServer, foreign: StripeGateway
) -> None:
    serve_small_account(canned, "nothing", OWNED_CUSTOMER | {"default_source": "card_1"})
    action = {"next_action": {"type": "display_bank_transfer_instructions"}}
    canned.set_answer("GET /v1/payment_intents/pi_1", {"id": "pi_1", "status": "requires_action"} | action)
    facts = await foreign.read_failure("in_1", None)
    assert (facts.card.kind, facts.invoice.methods_known) == (MethodKind.BANK_TRANSFER, False)
    assert facts.invoice.default_methods == ("card_1",)


@pytest.mark.parametrize("owner", ["in_1", "in_2"])
async def test_second_payment_is_found_beside_the_older_shape(
    canned: CannedServer, foreign: StripeGateway, owner: str
) -> None:
    """Also where the list has no status; not where it lists payments of other invoices."""
    serve_documents(canned, invoice=legacy_invoice(), intent=INTENT, charge=CHARGE)
    second = {"invoice": owner, "payment": {"type": "payment_intent", "payment_intent": "pi_2"}}
    canned.set_answer("GET /v1/invoice_payments", {"data": [second]})
    canned.set_answer("GET /v1/payment_intents/pi_2", {"id": "pi_2", "status": "processing"})
    view = await foreign.read_invoice("in_1")
    assert (view.processing, view.latest_charge_id) == (owner == "in_1", "ch_1")


@pytest.mark.parametrize("status", [404, 405, 500, 501])
async def test_the_older_shape_needs_no_list_of_payments(
    canned: CannedServer, foreign: StripeGateway, status: int
) -> None:
    serve_documents(canned, invoice=legacy_invoice(), intent=INTENT, charge=CHARGE)
    canned.set_answer("GET /v1/invoice_payments", {"detail": "Not Found"}, status)
    assert (await foreign.read_invoice("in_1")).latest_charge_id == "ch_1"


@pytest.mark.parametrize(("status", "lasts"), [(400, True), (402, True), (410, True), (408, False), (409, False)])
async def test_permanently_unreadable_invoice_is_for_operators(
    canned: CannedServer, foreign: StripeGateway, status: int, lasts: bool
) -> None:
    """Another read would give the same answer, so operators are told."""
    canned.set_answer("GET /v1/invoices/in_1", {"error": {"type": "invalid_request_error"}}, status)
    with pytest.raises(ProviderUnavailable, match=f"HTTP {status}") as refused:
        await foreign.read_invoice("in_1")
    assert isinstance(refused.value, NotAllowed) is lasts
