"""Adyen over the whole stack: scope, methods that are no cards, ends of rescues, returned debits."""

from typing import Any

from sandbox.models import Delivery
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import RunningService

together = ConcurrentTests()
WAIT_FOR_DELIVERY = Delivery(wait=True)


@together
async def test_a_checkout_that_was_refused_is_not_collected(service: RunningService) -> None:
    for stored in (True, False):
        fields: dict[str, Any] = {"shopper_interaction": "Ecommerce", "stored": stored, "delivery": WAIT_FOR_DELIVERY}
        failed_payment = await service.adyen.create_failed_payment(decline_code="Not enough balance", **fields)
        (delivery,) = failed_payment.deliveries
        assert (delivery.status, delivery.body["status"]) == (202, "ignored")
        assert "checkout" in delivery.body["reason"] or "shopper" in delivery.body["reason"]
        assert await service.adyen.pay_calls(failed_payment.invoice) == []


@together
async def test_a_refused_debit_waits_for_the_customer(service: RunningService) -> None:
    recovery = await service.create_adyen_failure("Not enough balance", payment_method="sepadirectdebit")
    await recovery.wait_for_state("awaiting_customer")
    assert await recovery.fetch_pay_calls() == []


@together
async def test_process_status_of_a_rescue_is_no_cause(service: RunningService) -> None:
    recovery = await service.create_adyen_failure("Not enough balance", rescue_scheduled=True)
    await recovery.wait_for_event("retry.skipped")
    await service.adyen.run_rescue(
        recovery.invoice, tries=0, reason="retryWindowHasElapsed", delivery=WAIT_FOR_DELIVERY
    )
    await recovery.wait_for_one_payment()
    causes = {row["data"]["cause"] for row in await recovery.fetch_events("failure.classified")}
    assert causes == {"INSUFFICIENT_FUNDS"}


@together
async def test_returned_debit_is_a_failure(service: RunningService) -> None:
    failed_payment = await service.adyen.create_failed_payment(payment_method="sepadirectdebit")
    code = {"chargebackReasonCode": "AM04"}
    await service.adyen.report_event(failed_payment.invoice, "CHARGEBACK", additional=code, delivery=WAIT_FOR_DELIVERY)
    recovery = service.recovery_of(failed_payment.invoice, "adyen")
    classified = (await recovery.wait_for_event("failure.classified"))[0]["data"]
    assert (classified["cause"], classified["code"]) == ("INSUFFICIENT_FUNDS", "am04")
    await recovery.wait_for_state("awaiting_customer")
    assert await recovery.fetch_pay_calls() == []


@together
async def test_a_reference_of_any_script_is_charged_as_it_is(service: RunningService) -> None:
    recovery = await service.create_adyen_failure("Not enough balance", invoice_id="Bestellung-Müller-17 ")
    await recovery.wait_for_one_payment()
    (call,) = await recovery.fetch_pay_calls()
    assert call.params["reference"] == "Bestellung-Müller-17 "
    assert call.idempotency_key
    assert call.idempotency_key.isascii()


@together
async def test_removed_token_waits_for_another(service: RunningService) -> None:
    recovery = await service.create_adyen_failure(
        "Not enough balance", payment_method_id="GONETOKEN0000001", default="succeed"
    )
    await service.adyen.remove_token("GONETOKEN0000001")
    await recovery.wait_for_state("awaiting_customer")
    token = {"recurring.recurringDetailReference": "FRESHTOKEN000001"}
    await service.adyen.report_event(
        recovery.invoice, "RECURRING_CONTRACT", additional=token, delivery=WAIT_FOR_DELIVERY
    )
    await recovery.wait_for_one_payment()
