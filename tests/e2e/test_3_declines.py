"""Each kind of decline, and events that end or hold a recovery from outside."""

import asyncio

from sandbox.models import Card, Delivery
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import Recovery, RunningService

together = ConcurrentTests()
WAIT_FOR_DELIVERY = Delivery(wait=True)
SLOW_CODE = "card_velocity_exceeded"


async def create_awaiting_recovery(service: RunningService, code: str) -> Recovery:
    """A recovery that waits for its customer and charges nothing."""
    recovery = await service.create_failure(code)
    await recovery.wait_for_state("awaiting_customer")
    assert (await recovery.fetch_events())[-1]["type"] == "retry.skipped"
    return recovery


@together
async def test_hard_decline_waits_for_another_card(service: RunningService) -> None:
    recovery = await create_awaiting_recovery(service, "lost_card")
    await asyncio.sleep(5)  # longer than any first retry
    assert await recovery.fetch_pay_calls() == []
    await service.sandbox.add_card(recovery.customer, Card(last4="5556"), delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()
    updated = await recovery.fetch_only_event("payment_method.updated")
    (call,) = await recovery.fetch_pay_calls()
    assert call.params["payment_method"] == updated["data"]["method_id"] != recovery.ids.payment_method
    assert (await recovery.fetch_only_event("charge.requested"))["data"]["trigger"] == "payment_method_change"
    assert (await recovery.fetch_view())["attempts_used"] == 0


@together
async def test_declined_new_card_waits_for_another(service: RunningService) -> None:
    recovery = await create_awaiting_recovery(service, "pickup_card")
    await service.sandbox.set_script(recovery.invoice, "decline:lost_card")
    await service.sandbox.add_card(recovery.customer, Card(last4="1111"), delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_event("charge.declined")
    await recovery.wait_for_event("retry.skipped", 2)
    await recovery.wait_for_state("awaiting_customer")
    await service.sandbox.add_card(recovery.customer, Card(last4="2222"), delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()
    named = [call.params["payment_method"] for call in await recovery.fetch_pay_calls()]
    assert len(set(named)) == 2


@together
async def test_card_updater_fixes_wrong_card_data(service: RunningService) -> None:
    recovery = await create_awaiting_recovery(service, "expired_card")
    await service.sandbox.update_card(recovery.ids.payment_method, exp_year=2035, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()


@together
async def test_stop_instruction_ends_the_recovery_at_once(service: RunningService) -> None:
    recovery = await service.create_failure("revocation_of_all_authorizations")
    view = await recovery.wait_for_unpaid_end("blocked")
    assert (view["category"], view["cause"]) == ("HARD_DECLINE", "STOP_INSTRUCTION")
    assert await recovery.fetch_pay_calls() == []


@together
async def test_do_not_try_again_advice_overrides_a_soft_code(service: RunningService) -> None:
    recovery = await service.create_failure("insufficient_funds", advice_code="do_not_try_again")
    await recovery.wait_for_state("awaiting_customer", "blocked")
    assert (await recovery.fetch_view())["category"] == "HARD_DECLINE"
    assert await recovery.fetch_pay_calls() == []


@together
async def test_the_customer_authenticates_on_the_hosted_page(service: RunningService) -> None:
    recovery = await create_awaiting_recovery(service, "authentication_required")
    assert (await recovery.fetch_view())["until"]
    await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    view = await recovery.wait_for_one_payment()
    assert (view["cause"], view["close_reason"]) == ("AUTHENTICATION_REQUIRED", "paid_elsewhere")
    assert await recovery.fetch_pay_calls() == []


@together
async def test_a_payment_that_waits_for_its_customer_from_the_start(service: RunningService) -> None:
    recovery = await service.create_failure("authentication_required", requires_action=True)
    await recovery.wait_for_state("awaiting_customer")
    await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()


@together
async def test_unknown_code_is_visible_and_retried_slowly(service: RunningService) -> None:
    recovery = await service.create_failure("brand_new_code")
    await recovery.wait_for_event("retry.planned")
    view = await recovery.fetch_view()
    assert (view["category"], view["cause"]) == ("REVIEW", "UNKNOWN")
    assert (await recovery.fetch_only_event("retry.planned"))["data"]["delay_seconds"] >= 24 * 3600
    await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()


@together
async def test_an_invoice_closed_at_the_provider_is_canceled(service: RunningService) -> None:
    async def close_invoice(close: str, reason: str) -> None:
        recovery = await service.create_failure(SLOW_CODE)
        await recovery.wait_for_event("retry.planned")
        await getattr(service.sandbox, close)(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
        view = await recovery.wait_for_unpaid_end("canceled")
        assert view["close_reason"] == reason
        assert (await recovery.fetch_only_event("invoice.closed_elsewhere"))["data"]["why"] == reason
        assert await recovery.fetch_pay_calls() == []

    await asyncio.gather(
        close_invoice("void_invoice", "voided"),
        close_invoice("mark_uncollectible", "uncollectible"),
        close_invoice("end_subscription", "subscription_ended"),
    )


@together
async def test_invoice_voided_without_an_event_is_never_charged(service: RunningService) -> None:
    recovery = await service.create_failure("insufficient_funds", echo=False)
    await service.sandbox.void_invoice(recovery.invoice, delivery=Delivery(url="http://127.0.0.1:9/", retry=False))
    await recovery.wait_for_unpaid_end("canceled")
    assert await recovery.fetch_pay_calls() == []


@together
async def test_disputes_and_fraud_warnings_block(service: RunningService) -> None:
    async def block_recovery(event_kind: str, kind: str) -> None:
        recovery = await service.create_failure(SLOW_CODE)
        await recovery.wait_for_event("retry.planned")
        await getattr(service.sandbox, event_kind)(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
        view = await recovery.wait_for_unpaid_end("blocked")
        assert view["close_reason"] == kind
        assert (await recovery.fetch_only_event("dispute.opened"))["data"]["kind"] == kind
        assert await recovery.fetch_pay_calls() == []

    await asyncio.gather(
        block_recovery("open_dispute", "dispute"), block_recovery("warn_of_fraud", "early_fraud_warning")
    )


@together
async def test_fraud_risk_is_reviewed(service: RunningService) -> None:
    approved, rejected = await asyncio.gather(
        service.create_failure("merchant_blacklist"), service.create_failure("fraudulent")
    )
    for recovery in (approved, rejected):
        await recovery.wait_for_state("in_review")
        assert (await recovery.fetch_view())["cause"] == "FRAUD"
        await recovery.assert_refused("retry", "fraud_hold")
    assert (await rejected.submit_command("review", decision="reject")).status_code == 200
    view = await rejected.wait_for_unpaid_end("blocked")
    assert view["close_reason"] == "rejected"
    answer = await approved.submit_command("review", decision="approve", reason="known customer")
    assert answer.status_code == 200, answer.text
    reviewed = await approved.fetch_only_event("operator.reviewed")
    assert reviewed["data"].items() >= {"decision": "approve", "reason": "known customer"}.items()
    await approved.wait_for_state("awaiting_customer")
    assert await approved.fetch_pay_calls() == []
    await service.sandbox.add_card(approved.customer, delivery=WAIT_FOR_DELIVERY)
    await approved.wait_for_one_payment()
