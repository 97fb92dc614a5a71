"""Braintree over the whole stack: nothing may be sent twice, so charges are resolved by searching."""

import asyncio

from sandbox.braintree.instruments import Instrument
from sandbox.models import Delivery
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import OPENING_EVENTS, Recovery, RunningService

together, a_day = ConcurrentTests(), ConcurrentTests(early=True)
"""A (compressed) day is long: these tests start with the first test of all."""
WAIT_FOR_DELIVERY = Delivery(wait=True)
SLOW_CODE = "2002"


async def start_manual_charge(service: RunningService, *script: str, **spec: object) -> Recovery:
    """A recovery whose first charge has been requested; nothing is planned for a (compressed) day."""
    recovery = await service.create_braintree_failure(SLOW_CODE, script=script, **spec)
    await recovery.wait_for_event("retry.planned")
    assert (await recovery.submit_command("retry")).status_code in (200, 202)
    return recovery


@together
async def test_a_past_due_subscription_is_charged_again_and_paid(service: RunningService) -> None:
    recovery = await service.create_braintree_failure("2001", network_code="51", card_type="MasterCard")
    await recovery.wait_for_one_payment()
    assert await recovery.fetch_event_types() == [
        *OPENING_EVENTS,
        "charge.requested",
        "charge.succeeded",
        "recovery.closed",
    ]
    classified = (await recovery.fetch_only_event("failure.classified"))["data"]
    assert (classified["cause"], classified["failure"]["network_code"]) == ("INSUFFICIENT_FUNDS", "51")
    (call,) = await recovery.fetch_pay_calls()
    assert call.idempotency_key is None
    assert recovery.invoice.startswith(call.params["subscription_id"])
    assert (await recovery.fetch_only_event("charge.requested"))["data"]["counted_by"] == "card"


@together
async def test_single_order_is_charged_on_the_stored_method(service: RunningService) -> None:
    recovery = await service.create_braintree_failure("2001", subscription=False)
    await recovery.wait_for_one_payment()
    (call,) = await recovery.fetch_pay_calls()
    assert call.params["order_id"] == recovery.invoice
    assert call.params["payment_method_token"]


@together
async def test_lost_answer_is_found_by_searching_and_never_repeated(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "succeed_then_drop", echo=False)
    await recovery.wait_for_one_payment()
    assert (await recovery.fetch_event_types())[-3:] == ["charge.unknown", "charge.reconciled", "recovery.closed"]
    assert len(await recovery.fetch_pay_calls()) == 1


@a_day
async def test_decline_continues_the_ladder_and_its_echo_changes_nothing(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "decline:2001;network=51")
    await recovery.wait_for_event("charge.declined")
    await service.braintree.wait_until_idle()
    assert await recovery.fetch_events("payment.failed") == [(await recovery.fetch_events())[0]]
    await recovery.wait_for_one_payment()


@together
async def test_dispute_ends_the_recovery(service: RunningService) -> None:
    recovery = await service.create_braintree_failure(SLOW_CODE)
    await recovery.wait_for_event("retry.planned")
    await service.braintree.report_event(recovery.invoice, "dispute_opened", delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_unpaid_end("blocked")
    assert await recovery.fetch_pay_calls() == []


@together
async def test_payment_by_braintrees_own_retry_ends_the_recovery(service: RunningService) -> None:
    recovery = await service.create_braintree_failure(SLOW_CODE)
    await recovery.wait_for_event("retry.planned")
    await service.braintree.report_event(
        recovery.invoice, "subscription_charged_successfully", delivery=WAIT_FOR_DELIVERY
    )
    assert (await recovery.wait_for_state("recovered"))["state"] == "recovered"
    assert await recovery.fetch_pay_calls() == []


@together
async def test_returned_debit_opens_a_recovery_that_waits_for_the_customer(service: RunningService) -> None:
    box, debit = service.braintree, Instrument.US_BANK_ACCOUNT
    failed_payment = await box.create_failed_payment(instrument=debit, subscription=False, invoice_id="Order 1042 ")
    await box.report_event(failed_payment.invoice, "transaction_settled", delivery=WAIT_FOR_DELIVERY)
    await asyncio.sleep(1.1)  # Braintree's times are whole seconds, and what is paid later is old news
    back = "transaction_settlement_declined"
    await box.report_event(failed_payment.invoice, back, decline_code="R01", delivery=WAIT_FOR_DELIVERY)
    recovery = service.recovery_of(failed_payment.invoice, "braintree")
    await recovery.wait_for_state("awaiting_customer")
    classified = (await recovery.fetch_only_event("failure.classified"))["data"]
    assert (classified["cause"], classified["failure"]["code"]) == ("INSUFFICIENT_FUNDS", "R01")
    assert await recovery.fetch_pay_calls() == []


@together
async def test_chargeback_after_recovery_is_a_row_with_its_amount(service: RunningService) -> None:
    recovery = await service.create_braintree_failure("2001", subscription=False)
    await recovery.wait_for_one_payment()
    await service.braintree.report_event(recovery.invoice, "dispute_opened", amount=700, delivery=WAIT_FOR_DELIVERY)
    row = (await recovery.wait_for_event("payment.reversed"))[0]["data"]
    assert (row["kind"], row["amount"], row["currency"]) == ("chargeback", 700, "USD")
