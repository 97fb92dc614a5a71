"""The result of each answer to a pay call, against the sandbox over real HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from core.errors import ProviderUnavailable
from core.payments import NO_METHOD, UNFIT_METHOD, Failure, MethodKind, Outcome
from providers.stripe.api import StripeApi, api_path
from providers.stripe.config import StripeConfig
from providers.stripe.gateway import StripeGateway
from sandbox.stripe.client import StripeSandboxClient
from tests.providers.stripe.builders import open_invoice, order_for
from tests.providers.stripe.canned_server import CannedServer
from tests.providers.stripe.conftest import KEY, gateway_at


async def test_a_success_names_its_charge_and_moves_money_once(
    box: StripeSandboxClient, gateway: StripeGateway
) -> None:
    failed_invoice = await box.create_failed_invoice(script=("succeed",))
    order = order_for(failed_invoice.invoice, charge_before=failed_invoice.charge)
    first, again = await gateway.charge(order), await gateway.charge(order)
    (line,) = await box.read_ledger(failed_invoice.invoice)
    assert first.outcome is Outcome.SUCCEEDED
    assert first.charge_id == line.charge
    assert again == first
    calls = await box.pay_calls(failed_invoice.invoice)
    assert [(call.idempotency_key, call.stripe_version, call.replayed) for call in calls] == [
        (order.idempotency_key, "2026-10-28.endive", False),
        (order.idempotency_key, "2026-10-28.endive", True),
    ]


async def test_a_decline_is_a_result_with_all_its_codes(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    script = "decline:insufficient_funds;advice=try_again_later;network=51;mac=24"
    failed_invoice = await box.create_failed_invoice(script=(script,), card={"brand": "mastercard", "country": "DE"})
    result = await gateway.charge(order_for(failed_invoice.invoice))
    assert result.outcome is Outcome.DECLINED
    assert result.failure == Failure(
        code="insufficient_funds",
        advice="try_again_later",
        network="mastercard",
        network_code="51",
        network_advice="24",
        method_id=failed_invoice.payment_method,
        charge_id=result.charge_id,
    )
    assert (result.card.network, result.card.country, result.card.last4) == ("mastercard", "DE", "4242")
    assert result.card.fingerprint
    assert "insufficient funds" not in result.model_dump_json()


async def test_block_by_stripes_fraud_rules_differs_from_a_generic_decline(
    box: StripeSandboxClient, gateway: StripeGateway
) -> None:
    script = "decline:generic_decline;type=blocked;reason=highest_risk_level;status=not_sent_to_network"
    failed_invoice = await box.create_failed_invoice(script=(script,))
    failure = (await gateway.charge(order_for(failed_invoice.invoice))).failure
    assert (failure.code, failure.outcome, failure.outcome_reason) == (
        "generic_decline",
        "blocked",
        "highest_risk_level",
    )


async def test_a_payment_that_needs_the_customer_is_a_decline(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(script=("requires_action",))
    result = await gateway.charge(order_for(failed_invoice.invoice))
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, "authentication_required")


async def test_the_ordered_method_is_the_one_that_is_charged(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(script=("succeed",))
    await box.add_card(failed_invoice.customer)
    await gateway.charge(order_for(failed_invoice.invoice, method_id=failed_invoice.payment_method))
    (line,) = await box.read_ledger(failed_invoice.invoice)
    assert line.payment_method == failed_invoice.payment_method


@pytest.mark.parametrize(
    ("script", "reason", "money"),
    [
        ("error:500", "http_500", 0),
        ("error:502", "http_502", 0),
        ("succeed_then_error:500", "http_500", 1),
        ("error:409", "in_progress", 0),
        ("malformed", "unfit_answer", 1),
        ("drop", "connection_lost", 0),
        ("succeed_then_drop", "connection_lost", 1),
    ],
)
async def test_answers_without_a_result_are_unknown(
    box: StripeSandboxClient, gateway: StripeGateway, script: str, reason: str, money: int
) -> None:
    failed_invoice = await box.create_failed_invoice(script=(script,))
    result = await gateway.charge(order_for(failed_invoice.invoice))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, reason)
    assert len(await box.read_ledger(failed_invoice.invoice)) == money


async def test_hanging_call_is_unknown_and_its_repeat_finds_the_key_in_use(
    box: StripeSandboxClient, impatient_gateway: StripeGateway
) -> None:
    failed_invoice = await box.create_failed_invoice(script=("hang:3",))
    order = order_for(failed_invoice.invoice)
    first, repeat = await impatient_gateway.charge(order), await impatient_gateway.charge(order)
    assert (first.outcome, first.reason) == (Outcome.UNKNOWN, "timeout")
    assert (repeat.outcome, repeat.reason) == (Outcome.UNKNOWN, "in_progress")


async def test_other_parameters_under_the_same_key_are_unknown(
    box: StripeSandboxClient, gateway: StripeGateway
) -> None:
    failed_invoice = await box.create_failed_invoice(script=("decline:do_not_honor",))
    order = order_for(failed_invoice.invoice)
    await gateway.charge(order)
    result = await gateway.charge(order.model_copy(update={"method_id": failed_invoice.payment_method}))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "idempotency_mismatch")


async def test_a_charge_of_an_earlier_release_is_repeated_as_it_was_sent(
    sandbox_address: str, box: StripeSandboxClient, gateway: StripeGateway
) -> None:
    failed_invoice = await box.create_failed_invoice(script=("succeed",))
    order = order_for(failed_invoice.invoice, charge_before=failed_invoice.charge)
    earlier = StripeApi(StripeConfig(api_key=KEY, api_base=sandbox_address))
    await earlier.post(api_path("invoices", order.invoice_id, "pay"), order.idempotency_key, expand=["payments"])
    await earlier.close()
    repeated = await gateway.charge(order)
    (line,) = await box.read_ledger(failed_invoice.invoice)
    assert (repeated.outcome, repeated.charge_id) == (Outcome.SUCCEEDED, line.charge)


async def test_a_success_takes_one_call(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(script=("succeed",))
    before = len(await box.read_log())
    await gateway.charge(order_for(failed_invoice.invoice))
    assert len(await box.read_log()) == before + 1


async def test_api_rate_limit_is_unavailable_with_its_delay(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(script=("error:429:7",))
    with pytest.raises(ProviderUnavailable) as limited:
        await gateway.charge(order_for(failed_invoice.invoice))
    assert limited.value.retry_after == timedelta(seconds=7)
    assert await box.read_ledger(failed_invoice.invoice) == []


async def test_a_paid_invoice_is_not_charged(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.pay_hosted(failed_invoice.invoice)
    late = order_for(failed_invoice.invoice)
    late = late.model_copy(update={"requested_at": late.requested_at + timedelta(minutes=1)})
    result = await gateway.charge(late)
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, "invoice_paid")
    assert len(await box.read_ledger(failed_invoice.invoice)) == 1


@pytest.mark.parametrize("action", ["void_invoice", "mark_uncollectible"])
async def test_a_closed_invoice(box: StripeSandboxClient, gateway: StripeGateway, action: str) -> None:
    failed_invoice = await box.create_failed_invoice(script=("decline:do_not_honor",))
    await getattr(box, action)(failed_invoice.invoice)
    result = await gateway.charge(order_for(failed_invoice.invoice, charge_before=failed_invoice.charge))
    expected = Outcome.NOT_CHARGED if action == "void_invoice" else Outcome.DECLINED
    assert result.outcome is expected
    assert await box.read_ledger(failed_invoice.invoice) == []


async def test_an_unknown_invoice_is_not_charged(gateway: StripeGateway) -> None:
    result = await gateway.charge(order_for("in_nobody_knows"))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, "invoice_missing")


@pytest.mark.parametrize("kind", ["gone", "another's", "detached"])
async def test_a_method_that_cannot_be_charged_is_unfit(
    box: StripeSandboxClient, gateway: StripeGateway, kind: str
) -> None:
    failed_invoice = await box.create_failed_invoice()
    other = await box.create_failed_invoice()
    if kind == "detached":
        await box.delete_customer(other.customer)
    method = "pm_gone" if kind == "gone" else other.payment_method
    result = await gateway.charge(
        order_for(failed_invoice.invoice, charge_before=failed_invoice.charge, method_id=method)
    )
    assert (result.outcome, result.reason, result.failure) == (Outcome.NOT_CHARGED, UNFIT_METHOD, Failure())
    assert await box.read_ledger(failed_invoice.invoice) == []


async def test_without_any_method_nothing_is_charged(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(no_method=True)
    facts = await gateway.read_failure(failed_invoice.invoice, None)
    assert (facts.failure, facts.invoice.methods_known, facts.invoice.method) == (Failure(), True, None)
    result = await gateway.charge(order_for(failed_invoice.invoice))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, NO_METHOD)


async def test_a_refused_key_is_a_decline(sandbox_address: str, box: StripeSandboxClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    unauthorised = gateway_at(sandbox_address, key="sk_wrong")
    result = await unauthorised.charge(order_for(failed_invoice.invoice))
    await unauthorised.close()
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, "authentication_error")


PAY_REQUEST = "POST /v1/invoices/in_1/pay"
FORBIDDEN = {"error": {"type": "invalid_request_error", "code": "more_permissions_required"}}


async def test_a_key_that_may_not_pay_is_a_decline(canned: CannedServer, foreign: StripeGateway) -> None:
    canned.set_answer(PAY_REQUEST, FORBIDDEN, 403)
    canned.set_answer("GET /v1/invoices/in_1", open_invoice())
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, "permission_error")


async def test_a_key_that_may_not_read_either_is_a_decline(canned: CannedServer, foreign: StripeGateway) -> None:
    canned.set_answer(PAY_REQUEST, FORBIDDEN, 403)
    canned.set_answer("GET /v1/invoices/in_1", FORBIDDEN, 403)
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, "permission_error")


async def test_a_refusal_to_show_the_payment_does_not_hide_it(canned: CannedServer, foreign: StripeGateway) -> None:
    canned.set_answer(PAY_REQUEST, FORBIDDEN, 403)
    canned.set_answer("GET /v1/invoices/in_1", open_invoice(status="paid"))
    assert (await foreign.charge(order_for("in_1"))).outcome is Outcome.SUCCEEDED
    canned.set_answer("GET /v1/invoices/in_1", b"", 500)
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "http_403")


async def test_a_closed_port_is_unavailable() -> None:
    unreachable = gateway_at("http://127.0.0.1:9")
    with pytest.raises(ProviderUnavailable, match="nothing was sent"):
        await unreachable.charge(order_for("in_1"))
    with pytest.raises(ProviderUnavailable):
        await unreachable.read_invoice("in_1")
    await unreachable.close()


async def test_debit_is_pending_until_the_bank_answers(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(method_type="us_bank_account", network_decline_code="R01")
    order = order_for(failed_invoice.invoice, charge_before=failed_invoice.charge)
    result = await gateway.charge(order)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "processing")
    assert (await gateway.read_invoice(failed_invoice.invoice)).processing
    await box.finish_debit(failed_invoice.invoice, "decline:bank_account_closed;network=R02")
    failed = await gateway.reconcile(order)
    assert (failed.outcome, failed.failure.code, failed.failure.network_code) == (
        Outcome.DECLINED,
        "bank_account_closed",
        "R02",
    )
    assert failed.card.kind is MethodKind.DIRECT_DEBIT
    assert not (await gateway.read_invoice(failed_invoice.invoice)).processing


@pytest.mark.parametrize("status", [400, 402, 404])
@pytest.mark.parametrize(
    ("method_id", "error", "reason"),
    [
        ("pm_1", {"code": "resource_missing", "param": "payment_method"}, UNFIT_METHOD),
        ("pm_1", {"code": "payment_method_unexpected_state"}, UNFIT_METHOD),
        ("pm_1", {"message": "The payment method must be attached to the customer.", "param": "source"}, UNFIT_METHOD),
        (None, {"code": "resource_missing"}, NO_METHOD),
        (None, {"code": "missing", "message": "Cannot charge a customer that has no active card"}, NO_METHOD),
        (None, {"message": "This customer has no attached payment source or default payment method."}, NO_METHOD),
    ],
)
async def test_errors_about_the_method_make_it_unfit(
    canned: CannedServer, foreign: StripeGateway, status: int, method_id: str | None, error: Any, reason: str
) -> None:
    canned.set_answer("POST /v1/invoices/in_1/pay", {"error": {"type": "invalid_request_error"} | error}, status)
    canned.set_answer("GET /v1/invoices/in_1", open_invoice())
    result = await foreign.charge(order_for("in_1", method_id=method_id))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, reason)


@pytest.mark.parametrize(
    "error", [{"code": "invoice_not_editable"}, {"code": "parameter_unknown", "param": "payment_method"}, {}]
)
async def test_errors_about_the_invoice_do_not_make_the_method_unfit(
    canned: CannedServer, foreign: StripeGateway, error: Any
) -> None:
    canned.set_answer("POST /v1/invoices/in_1/pay", {"error": {"type": "invalid_request_error"} | error}, 400)
    canned.set_answer("GET /v1/invoices/in_1", open_invoice())
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, error.get("code", "invalid_request_error"))


@pytest.mark.parametrize(
    ("action", "code", "kind"),
    [
        ("use_stripe_sdk", "authentication_required", None),
        ("display_bank_transfer_instructions", None, MethodKind.BANK_TRANSFER),
    ],
)
async def test_next_action_of_a_refused_payment(
    canned: CannedServer, foreign: StripeGateway, action: str, code: str | None, kind: MethodKind | None
) -> None:
    intent = {"id": "pi_1", "status": "requires_action", "payment_method": "pm_1", "next_action": {"type": action}}
    error = {"type": "card_error", "code": "invoice_payment_intent_requires_action", "payment_intent": intent}
    canned.set_answer("POST /v1/invoices/in_1/pay", {"error": error}, 402)
    result = await foreign.charge(order_for("in_1"))
    assert (result.outcome, result.failure, result.card.kind) == (
        Outcome.DECLINED,
        Failure(code=code, method_id="pm_1"),
        kind,
    )


async def test_partial_charge_reports_its_amount(canned: CannedServer, foreign: StripeGateway) -> None:
    """The default payment asks for less than the invoice owes: a part is paid, and the rest stays open."""
    order = order_for("in_1")
    when = {"paid_at": int(order.requested_at.timestamp()) + 1}
    made_with = {"type": "payment_intent", "payment_intent": "pi_1"}
    part = {"id": "inpay_1", "status": "paid", "amount_paid": 500, "status_transitions": when, "payment": made_with}
    older = part | {"id": "inpay_0", "amount_paid": 100, "status_transitions": {"paid_at": 1_790_000_000}}
    canned.set_answer(
        "POST /v1/invoices/in_1/pay", open_invoice(amount_remaining=1500, payments={"data": [part, older]})
    )
    canned.set_answer("GET /v1/payment_intents/pi_1", {"id": "pi_1", "status": "succeeded"})
    result = await foreign.charge(order)
    assert (result.outcome, result.amount) == (Outcome.SUCCEEDED, 500)
