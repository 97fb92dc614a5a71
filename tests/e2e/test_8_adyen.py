"""Adyen over the whole stack: nothing can be read, so webhooks and repeats resolve charges."""

from sandbox.models import Delivery
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import OPENING_EVENTS, Recovery, RunningService

together, a_day = ConcurrentTests(), ConcurrentTests(early=True)
"""A (compressed) day is long: these tests start with the first test of all."""
WAIT_FOR_DELIVERY = Delivery(wait=True)
SLOW_CODE = "Withdrawal count exceeded"


async def start_manual_charge(service: RunningService, *script: str, **spec: object) -> Recovery:
    """A recovery whose first charge has been requested; nothing is planned for a (compressed) day."""
    recovery = await service.create_adyen_failure(SLOW_CODE, script=script, **spec)
    await recovery.wait_for_event("retry.planned")
    assert (await recovery.submit_command("retry")).status_code in (200, 202)
    return recovery


@together
async def test_a_refused_subscription_is_charged_again_and_paid(service: RunningService) -> None:
    recovery = await service.create_adyen_failure(
        "Not enough balance", raw="51 : Insufficient funds", payment_method="mc"
    )
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
    requested = (await recovery.fetch_only_event("charge.requested"))["data"]
    assert call.idempotency_key == requested["idempotency_key"]
    assert call.params["reference"] == recovery.invoice
    assert (call.params["shopperInteraction"], call.params["recurringProcessingModel"]) == ("ContAuth", "Subscription")
    assert requested["counted_by"] == "card"


@together
async def test_lost_answer_is_reconciled_by_webhook_or_the_same_key(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "succeed_then_drop")
    await recovery.wait_for_one_payment()
    assert (await recovery.fetch_event_types())[-3:] == ["charge.unknown", "charge.reconciled", "recovery.closed"]
    requested = await recovery.fetch_only_event("charge.requested")
    assert {call.idempotency_key for call in await recovery.fetch_pay_calls()} == {requested["data"]["idempotency_key"]}


@a_day
async def test_decline_continues_the_ladder_and_its_echo_changes_nothing(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "decline:12;network=51")
    await recovery.wait_for_event("charge.declined")
    await service.adyen.wait_until_idle()
    assert await recovery.fetch_events("payment.failed") == [(await recovery.fetch_events())[0]]
    await recovery.wait_for_one_payment()


@together
async def test_recovery_stands_back_while_auto_rescue_is_scheduled(service: RunningService) -> None:
    recovery = await service.create_adyen_failure("Not enough balance", rescue_scheduled=True)
    skipped = (await recovery.wait_for_event("retry.skipped"))[0]["data"]
    assert skipped["reason"] == "provider_retry"
    assert await recovery.fetch_pay_calls() == []
    await service.adyen.report_event(recovery.invoice, "AUTORESCUE", delivery=WAIT_FOR_DELIVERY)
    assert (await recovery.wait_for_state("recovered"))["state"] == "recovered"
    assert await recovery.fetch_pay_calls() == []
    assert (await recovery.fetch_only_event("invoice.paid_elsewhere"))["data"]["event_type"] == "AUTORESCUE"


@together
async def test_retries_begin_when_auto_rescue_gives_up(service: RunningService) -> None:
    recovery = await service.create_adyen_failure("Not enough balance", rescue_scheduled=True)
    await recovery.wait_for_event("retry.skipped")
    await service.adyen.report_event(recovery.invoice, "AUTORESCUE", success=False, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()
    assert len(await recovery.fetch_events("payment.failed")) == 2
    assert {row["data"]["cause"] for row in await recovery.fetch_events("failure.classified")} == {"INSUFFICIENT_FUNDS"}


@together
async def test_new_token_is_charged_in_place_of_a_removed_one(service: RunningService) -> None:
    recovery = await service.create_adyen_failure("Blocked Card", customer_id="shopper_new_token")
    await recovery.wait_for_state("awaiting_customer")
    token = {"recurring.recurringDetailReference": "NEWTOKEN00000001"}
    await service.adyen.report_event(
        recovery.invoice, "RECURRING_CONTRACT", additional=token, delivery=WAIT_FOR_DELIVERY
    )
    await recovery.wait_for_one_payment()
    (call,) = await recovery.fetch_pay_calls()
    assert call.params["paymentMethod"]["storedPaymentMethodId"] == "NEWTOKEN00000001"


@together
async def test_chargeback_ends_the_recovery(service: RunningService) -> None:
    recovery = await service.create_adyen_failure(SLOW_CODE)
    await recovery.wait_for_event("retry.planned")
    await service.adyen.report_event(
        recovery.invoice, "NOTIFICATION_OF_CHARGEBACK", reason="fraud", delivery=WAIT_FOR_DELIVERY
    )
    await recovery.wait_for_unpaid_end("blocked")


@together
async def test_batches_repeats_and_wrong_order_give_one_recovery_per_invoice(service: RunningService) -> None:
    first, second = [await service.adyen.create_failed_payment(decline_code=SLOW_CODE) for _ in range(2)]
    events = (second.event, first.event, first.event)
    (batch,) = (await service.adyen.send_batch(*events, delivery=Delivery(wait=True, copies=3))).deliveries[:1]
    assert batch.status == 202
    assert len(batch.body["items"]) == 3
    late = Delivery(wait=True, reverse=True, copies=2)
    await service.adyen.report_event(first.invoice, "AUTHORISATION", success=False, reason=SLOW_CODE, delivery=late)
    for failed_payment in (first, second):
        recovery = service.recovery_of(failed_payment.invoice, "adyen")
        await recovery.wait_for_event("retry.planned")
        assert (await recovery.submit_command("cancel")).status_code == 200
        await recovery.wait_for_unpaid_end("canceled")


@together
async def test_a_batch_with_one_bad_signature_is_refused_as_a_whole(service: RunningService) -> None:
    failed_payment = await service.adyen.create_failed_payment(decline_code=SLOW_CODE)
    foreign = Delivery(wait=True, secret="00" * 32, retry=False)
    (refused,) = (await service.adyen.send_events(failed_payment.event, delivery=foreign)).deliveries
    assert refused.status == 400
    answer = await service.api.get(f"/v1/recoveries/adyen/{failed_payment.invoice}")
    assert answer.status_code == 404
