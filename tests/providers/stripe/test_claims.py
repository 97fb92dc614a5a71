"""Terms, methods and pending payments of an invoice, as read before each charge."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.collection_terms import CollectionMethod, SubscriptionStatus
from core.errors import NotAllowed
from core.payments import MethodKind
from providers.stripe.gateway import StripeGateway
from sandbox.stripe.client import StripeSandboxClient
from tests.providers.stripe.builders import dispute_of, open_invoice
from tests.providers.stripe.canned_server import CannedServer
from tests.providers.stripe.conftest import gateway_at

CARD = {"id": "pm_1", "object": "payment_method", "type": "card", "card": {"brand": "visa", "fingerprint": "fp_1"}}
METHOD_PLACES = ["invoice method", "invoice source", "subscription method", "subscription source", "customer"]


async def test_collection_terms_are_the_subscriptions_current_ones(
    box: StripeSandboxClient, gateway: StripeGateway
) -> None:
    failed_invoice = await box.create_failed_invoice(invoice_fields={"application": "ca_other"}, created=1_790_000_000)
    before = (await gateway.read_invoice(failed_invoice.invoice)).terms
    assert (before.collection_method, before.collection_paused, before.ends_at_period_end) == (
        CollectionMethod.AUTOMATIC,
        False,
        False,
    )
    assert (before.application, before.billing_reason) == ("ca_other", "subscription_cycle")
    assert (before.created_at, before.customer_deleted) == (datetime.fromtimestamp(1_790_000_000, UTC), False)
    changes: dict[str, Any] = {"collection_method": "send_invoice", "pause_collection": {"behavior": "void"}}
    await box.change_object(
        "subscriptions", failed_invoice.subscription or "", **changes, cancel_at_period_end=True, status="unpaid"
    )
    after = (await gateway.read_invoice(failed_invoice.invoice)).terms
    assert (after.collection_method, after.collection_paused, after.ends_at_period_end, after.subscription_status) == (
        CollectionMethod.SENT,
        True,
        True,
        SubscriptionStatus.UNPAID,
    )


async def test_the_end_of_a_subscription_and_of_a_customer(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.delete_customer(failed_invoice.customer)
    view = await gateway.read_invoice(failed_invoice.invoice)
    assert (view.terms.subscription_status, view.terms.customer_deleted) == (SubscriptionStatus.CANCELED, True)
    assert (view.methods_known, view.method, view.default_methods) == (True, None, ())
    assert (await gateway.read_failure(failed_invoice.invoice, None)).customer is None
    contact = await gateway.read_contact(failed_invoice.invoice, failed_invoice.customer)
    assert contact.invoice.terms.customer_deleted


async def attach_method(box: StripeSandboxClient, customer: str) -> str:
    events = (await box.add_card(customer, set_default=False)).events
    return str((await box.read_event(events[0]["id"]))["data"]["object"]["id"])


@pytest.mark.parametrize("owner", METHOD_PLACES)
async def test_the_order_of_the_defaults(box: StripeSandboxClient, gateway: StripeGateway, owner: str) -> None:
    """Our default method is the one that the provider charges when none is named."""
    failed_invoice = await box.create_failed_invoice()
    methods = {
        method_place: await attach_method(box, failed_invoice.customer)
        for method_place in METHOD_PLACES[METHOD_PLACES.index(owner) :]
    }
    for method_place, name in methods.items():
        field = "default_source" if method_place.endswith("source") else "default_payment_method"
        if method_place == "customer":
            await box.change_object("customers", failed_invoice.customer, invoice_settings={field: name})
        else:
            kind = "invoices" if method_place.startswith("invoice") else "subscriptions"
            owned: dict[str, Any] = {field: name}
            await box.change_object(
                kind, (failed_invoice.invoice if kind == "invoices" else failed_invoice.subscription) or "", **owned
            )
    view = await gateway.read_invoice(failed_invoice.invoice)
    assert view.method is not None
    assert view.method.method_id == methods[owner]
    assert view.default_methods == tuple(methods.values())
    await box.pay_hosted(failed_invoice.invoice)
    assert [line.payment_method for line in await box.read_ledger(failed_invoice.invoice)] == [methods[owner]]


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("card", MethodKind.CARD),
        ("us_bank_account", MethodKind.DIRECT_DEBIT),
        ("sepa_debit", MethodKind.DIRECT_DEBIT),
        ("customer_balance", MethodKind.BANK_TRANSFER),
        ("link", MethodKind.WALLET),
        ("paypal", MethodKind.WALLET),
        ("klarna", MethodKind.OTHER),
        ("a_type_of_tomorrow", MethodKind.OTHER),
    ],
)
async def test_types_of_the_tried_and_the_next_method(
    box: StripeSandboxClient, gateway: StripeGateway, type_: str, kind: MethodKind
) -> None:
    failed_invoice = await box.create_failed_invoice(method_type=type_)
    facts = await gateway.read_failure(failed_invoice.invoice, None)
    assert facts.card.kind is kind
    assert facts.invoice.method is not None
    assert facts.invoice.method.card.kind is kind
    for named in (failed_invoice.payment_method, None):
        card = await gateway.read_card(failed_invoice.invoice, named)
        assert card is not None
        assert card.kind is kind


@pytest.mark.parametrize(
    ("type_", "action", "code", "kind"),
    [
        ("card", "use_stripe_sdk", "authentication_required", None),
        ("card", "redirect_to_url", "authentication_required", None),
        ("ideal", "redirect_to_url", None, MethodKind.BANK_TRANSFER),
        ("paypal", "redirect_to_url", None, MethodKind.WALLET),
        ("customer_balance", "display_bank_transfer_instructions", None, MethodKind.BANK_TRANSFER),
        ("us_bank_account", "verify_with_microdeposits", None, MethodKind.DIRECT_DEBIT),
        ("oxxo", "oxxo_display_details", None, MethodKind.BANK_TRANSFER),
        ("cashapp", "cashapp_handle_redirect_or_display_qr_code", None, MethodKind.WALLET),
        ("card", "an_action_of_tomorrow", None, MethodKind.OTHER),
    ],
)
async def test_next_action_of_a_payment(
    box: StripeSandboxClient, gateway: StripeGateway, type_: str, action: str, code: str | None, kind: MethodKind | None
) -> None:
    failed_invoice = await box.create_failed_invoice(requires_action=True, method_type=type_, next_action=action)
    facts = await gateway.read_failure(failed_invoice.invoice, None)
    assert (facts.failure.code, facts.failure.method_id, facts.card.kind) == (code, failed_invoice.payment_method, kind)


@pytest.mark.parametrize("status", ["processing", "requires_capture"])
async def test_any_payment_of_the_invoice_may_be_pending(
    box: StripeSandboxClient, gateway: StripeGateway, status: str
) -> None:
    failed_invoice = await box.create_failed_invoice()
    assert not (await gateway.read_invoice(failed_invoice.invoice)).processing
    await box.add_partial_payment(failed_invoice.invoice, 500, "requires_payment_method")
    assert not (await gateway.read_invoice(failed_invoice.invoice)).processing
    await box.add_partial_payment(failed_invoice.invoice, 500, status)
    view = await gateway.read_invoice(failed_invoice.invoice)
    assert (view.processing, view.latest_charge_id) == (True, failed_invoice.charge)
    assert (await gateway.read_failure(failed_invoice.invoice, None)).invoice.processing
    assert (await gateway.read_contact(failed_invoice.invoice, failed_invoice.customer)).invoice.processing


def payment_numbered(number: int) -> dict[str, Any]:
    made_with = {"type": "payment_intent", "payment_intent": f"pi_{number}"}
    return {"id": f"inpay_{number}", "status": "open", "is_default": number == 0, "payment": made_with}


async def test_a_payment_on_a_further_page_is_seen(canned: CannedServer, foreign: StripeGateway) -> None:
    canned.set_answer("GET /v1/invoices/in_1", open_invoice(payments={"data": [payment_numbered(0)], "has_more": True}))
    canned.set_answer("GET /v1/invoice_payments", {"data": [payment_numbered(1)], "has_more": False})
    canned.set_answer("GET /v1/payment_intents/pi_0", {"id": "pi_0", "status": "requires_payment_method"})
    canned.set_answer("GET /v1/payment_intents/pi_1", {"id": "pi_1", "status": "processing"})
    assert (await foreign.read_invoice("in_1")).processing
    request = next(request for request in canned.requests if request.path == "/v1/invoice_payments")
    assert request.params == {"invoice": ["in_1"], "starting_after": ["inpay_0"], "limit": ["100"]}


async def test_charge_announced_by_the_bank_is_pending(canned: CannedServer, foreign: StripeGateway) -> None:
    """India's e-mandates: no action is needed, and Stripe charges by itself."""
    action = {"type": "card_await_notification", "card_await_notification": {"customer_approval_required": False}}
    canned.set_answer("GET /v1/invoices/in_1", open_invoice(payments={"data": [payment_numbered(0)]}))
    canned.set_answer(
        "GET /v1/payment_intents/pi_0", {"id": "pi_0", "status": "requires_action", "next_action": action}
    )
    assert (await foreign.read_invoice("in_1")).processing
    assert (await foreign.read_failure("in_1", None)).failure.code is None


async def test_partial_payments_and_credits_reduce_the_open_amount(
    box: StripeSandboxClient, gateway: StripeGateway
) -> None:
    failed_invoice = await box.create_failed_invoice(amount=4200)
    await box.add_partial_payment(failed_invoice.invoice, 3000)
    view = await gateway.read_invoice(failed_invoice.invoice)
    assert (view.amount_due, view.amount_paid, view.processing) == (1200, 3000, False)
    await box.credit_invoice(failed_invoice.invoice, 200)
    assert (await gateway.read_invoice(failed_invoice.invoice)).amount_due == 1000


async def test_an_inquiry_is_no_dispute(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.pay_hosted(failed_invoice.invoice)
    await box.open_dispute(failed_invoice.invoice, status="warning_needs_response")
    assert not (await gateway.read_invoice(failed_invoice.invoice)).disputed
    assert (await gateway.read_failure(failed_invoice.invoice, None)).risk.disputed is False
    await box.open_dispute(failed_invoice.invoice)
    assert (await gateway.read_invoice(failed_invoice.invoice)).disputed


async def test_a_test_clock_ahead_of_us(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    now = datetime.now(UTC)
    ahead = int((now + timedelta(days=120)).timestamp())
    failed_invoice = await box.create_failed_invoice(
        test_clock=await box.create_test_clock(ahead),
        next_payment_attempt=ahead + 86_400,
        customer_created=ahead - 864_000,
    )
    facts = await gateway.read_failure(failed_invoice.invoice, None)
    minute = timedelta(minutes=1)
    assert facts.invoice.terms.created_at is not None
    assert facts.invoice.next_provider_attempt is not None
    assert facts.customer is not None
    assert facts.customer.created_at is not None
    assert abs(facts.invoice.terms.created_at - now) < minute
    assert abs(facts.invoice.next_provider_attempt - now - timedelta(days=1)) < minute
    assert abs(facts.customer.created_at - now + timedelta(days=10)) < minute


async def test_unreadable_test_clock_stands_at_the_invoices_creation(
    canned: CannedServer, foreign: StripeGateway
) -> None:
    now = datetime.now(UTC)
    ahead = int((now + timedelta(days=120)).timestamp())
    canned.set_answer(
        "GET /v1/invoices/in_1", open_invoice(test_clock="clock_1", created=ahead, next_payment_attempt=ahead + 60)
    )
    view = await foreign.read_invoice("in_1")
    assert view.next_provider_attempt is not None
    assert view.next_provider_attempt - now < timedelta(minutes=5)


@pytest.mark.parametrize("permission", ["invoice_read", "payment_intent_read"])
async def test_a_missing_permission_is_named(box: StripeSandboxClient, sandbox_address: str, permission: str) -> None:
    failed_invoice, key = await box.create_failed_invoice(), f"rk_test_{permission}"
    await box.set_key_rights(key, lacks=(permission,))
    restricted = gateway_at(sandbox_address, key=key)
    with pytest.raises(NotAllowed, match=permission) as refused:
        await restricted.read_invoice(failed_invoice.invoice)
    assert "acct_" not in str(refused.value)
    assert "rk_test" not in str(refused.value)
    await restricted.close()


async def test_revoked_key_is_not_allowed(box: StripeSandboxClient, sandbox_address: str) -> None:
    failed_invoice, key = await box.create_failed_invoice(), "sk_test_revoked"
    await box.set_key_rights(key, revoked=True)
    revoked = gateway_at(sandbox_address, key=key)
    for read in (revoked.read_invoice(failed_invoice.invoice), revoked.read_failure(failed_invoice.invoice, None)):
        with pytest.raises(NotAllowed, match="API key"):
            await read
    await revoked.close()


@pytest.mark.parametrize("permission", ["customer_read", "subscription_read", "payment_method_read"])
async def test_missing_permission_that_a_charge_does_not_need(
    box: StripeSandboxClient, sandbox_address: str, permission: str
) -> None:
    """Unreadable facts are reported as unknown and not guessed."""
    failed_invoice, key = await box.create_failed_invoice(), f"rk_test_{permission}"
    await box.set_key_rights(key, lacks=(permission,))
    restricted = gateway_at(sandbox_address, key=key)
    view = await restricted.read_invoice(failed_invoice.invoice)
    await restricted.close()
    assert view.amount_due == 2000
    assert view.methods_known is (permission == "payment_method_read")
    assert (view.terms.customer_deleted is None) is (permission == "customer_read")
    assert (view.terms.subscription_status is None) is (permission == "subscription_read")


async def test_the_older_shape_is_read_in_more_calls(canned: CannedServer, foreign: StripeGateway) -> None:
    older = {name: value for name, value in open_invoice().items() if name != "parent"}
    canned.set_answer("GET /v1/invoices/in_1", older | {"subscription": "sub_1", "payment_intent": "pi_1"})
    canned.set_answer("GET /v1/payment_intents/pi_1", {"id": "pi_1", "status": "requires_payment_method"})
    canned.set_answer(
        "GET /v1/subscriptions/sub_1", {"id": "sub_1", "status": "past_due", "default_payment_method": "pm_1"}
    )
    canned.set_answer("GET /v1/customers/cus_1", {"id": "cus_1", "default_source": "card_1"})
    canned.set_answer("GET /v1/payment_methods/pm_1", CARD)
    view = await foreign.read_invoice("in_1")
    assert view.terms.subscription_status is SubscriptionStatus.PAST_DUE
    assert view.method is not None
    assert (view.method.method_id, view.method.card.fingerprint) == ("pm_1", "fp_1")
    assert view.default_methods == ("pm_1", "card_1")


async def test_a_server_that_cannot_expand_is_asked_plainly(canned: CannedServer, foreign: StripeGateway) -> None:
    answer = canned.answer_request

    def refuse_expansion(request: Any) -> Any:
        refused = b'{"error": {"type": "invalid_request_error", "param": "expand"}}'
        return (400, refused, {}) if "expand[1]" in request.params else answer(request)

    canned.answer_request = refuse_expansion  # type: ignore[method-assign]
    canned.set_answer("GET /v1/invoices/in_1", open_invoice())
    assert (await foreign.read_invoice("in_1")).amount_due == 2000


@pytest.mark.parametrize("permission", ["charge_read", "invoice_read"])
async def test_unreadable_owner_is_an_error_and_not_unknown(
    box: StripeSandboxClient, sandbox_address: str, permission: str
) -> None:
    """Otherwise a refund or dispute would be lost as one of another merchant."""
    failed_invoice, key = await box.create_failed_invoice(), f"rk_test_no_{permission}"
    await box.set_key_rights(key, lacks=(permission,))
    restricted = gateway_at(sandbox_address, key=key)
    with pytest.raises(NotAllowed, match=permission):
        await restricted.resolve_event(dispute_of(failed_invoice.charge))
    await restricted.close()


async def test_an_invoice_that_was_sent_stays_so(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(invoice_fields={"collection_method": "send_invoice"})
    assert (await gateway.read_invoice(failed_invoice.invoice)).terms.collection_method is CollectionMethod.SENT
