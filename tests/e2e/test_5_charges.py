"""Every way in which a pay call can end: at most one charge, one key per attempt, and a truthful log."""

from sandbox.models import Delivery
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import Recovery, RunningService

together = ConcurrentTests()
WAIT_FOR_DELIVERY = Delivery(wait=True)
SLOW_CODE = "card_velocity_exceeded"


async def start_manual_charge(service: RunningService, *script: str) -> Recovery:
    """A recovery whose first charge has been requested; nothing is planned for a (compressed) day."""
    recovery = await service.create_failure(SLOW_CODE, script=script, echo=False)
    await recovery.wait_for_event("retry.planned")
    assert (await recovery.submit_command("retry")).status_code in (200, 202)
    return recovery


async def assert_one_key(recovery: Recovery, calls: int) -> None:
    """Asserts one requested attempt, sent `calls` times under its one key."""
    requested = await recovery.fetch_only_event("charge.requested")
    keys = [call.idempotency_key for call in await recovery.fetch_pay_calls()]
    assert keys == [requested["data"]["idempotency_key"]] * calls, keys


@together
async def test_success_with_a_lost_answer(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "succeed_then_drop")
    await recovery.wait_for_one_payment()
    types = await recovery.fetch_event_types()
    assert types[-4:] == ["charge.requested", "charge.unknown", "charge.reconciled", "recovery.closed"]
    await assert_one_key(recovery, calls=1)  # reading told it


@together
async def test_success_answered_with_an_error(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "succeed_then_error:500")
    await recovery.wait_for_one_payment()
    assert (await recovery.fetch_only_event("charge.reconciled"))["data"]["outcome"] == "succeeded"


@together
async def test_success_with_a_malformed_answer(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "malformed")
    await recovery.wait_for_one_payment()
    assert (await recovery.fetch_event_types())[-3:] == ["charge.unknown", "charge.reconciled", "recovery.closed"]


@together
async def test_lost_connection_without_a_charge(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "drop")
    await recovery.wait_for_one_payment()
    await assert_one_key(recovery, calls=2)
    assert (await recovery.fetch_only_event("charge.unknown"))["data"]["reason"]


@together
async def test_conflict_is_repeated_with_the_same_key(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "error:409")
    await recovery.wait_for_one_payment()
    await assert_one_key(recovery, calls=2)


@together
async def test_rate_limit_is_waited_for_and_counts_as_no_attempt(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "error:429:1")
    await recovery.wait_for_one_payment()
    await assert_one_key(recovery, calls=2)
    assert (await recovery.fetch_event_types())[-3:] == ["charge.requested", "charge.succeeded", "recovery.closed"]


@together
async def test_provider_error_stays_unknown_until_reconciled(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "error:500")
    await recovery.wait_for_pay_calls(2)
    assert (await recovery.fetch_view())["state"] == "charging"
    assert (await recovery.fetch_event_types())[-1] == "charge.unknown"
    await recovery.assert_refused("retry", "in_flight")
    keys = {call.idempotency_key for call in await recovery.fetch_pay_calls()}
    assert len(keys) == 1
    assert await recovery.fetch_charges() == []
    await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()
    assert len(await recovery.fetch_events("charge.requested")) == 1


@together
async def test_cancel_of_a_charge_that_was_lost_on_the_way(service: RunningService) -> None:
    """Stripe never made it. Nothing is sent after the cancel; reads show no trace, and the recovery is over soon."""
    recovery = await start_manual_charge(service, "error:500")
    await recovery.wait_for_event("charge.unknown")
    answer = await recovery.submit_command("cancel", "we forgive it")
    assert answer.status_code in (200, 202), answer.text
    await recovery.wait_for_event("operator.cancel_requested")
    sent, view = len(await recovery.fetch_pay_calls()), await recovery.fetch_view()
    assert (view["state"], bool(view["until"])) == ("charging", True)
    await recovery.wait_for_unpaid_end("canceled")
    assert len(await recovery.fetch_pay_calls()) == sent
    reconciled = (await recovery.fetch_only_event("charge.reconciled"))["data"]
    assert (reconciled["outcome"], reconciled["reason"]) == ("not_charged", "no_attempt")
    await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_event("payment.late")
    late = await recovery.fetch_view()
    assert (late["state"], late["paid_late"]) == ("canceled", late["amount"])


@together
async def test_authentication_required_waits_for_the_customer(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "requires_action")
    await recovery.wait_for_event("charge.declined")
    await recovery.wait_for_state("awaiting_customer")
    assert (await recovery.fetch_view())["cause"] == "AUTHENTICATION_REQUIRED"
    await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()


@together
async def test_hard_decline_ends_the_retries(service: RunningService) -> None:
    recovery = await start_manual_charge(service, "decline:lost_card")
    await recovery.wait_for_state("awaiting_customer")
    await recovery.assert_refused("retry", "hard_decline")
    assert len(await recovery.fetch_pay_calls()) == 1
    await service.sandbox.add_card(recovery.customer, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()


@together
async def test_payment_by_the_customer_right_before_the_charge(service: RunningService) -> None:
    recovery = await service.create_failure("insufficient_funds")
    silent = Delivery(url="http://127.0.0.1:9/", retry=False)
    await service.sandbox.pay_hosted(recovery.invoice, delivery=silent)
    await recovery.wait_for_one_payment()
    assert await recovery.fetch_pay_calls() == []
    assert (await recovery.fetch_only_event("invoice.paid_elsewhere"))["data"]["source"] == "read"


@together
async def test_temporarily_unreadable_provider_delays_the_charge(service: RunningService) -> None:
    recovery = await service.create_unreported_failure("insufficient_funds")
    await service.sandbox.add_fault(f"/v1/invoices/{recovery.invoice}", "error:500", times=2)
    await service.sandbox.add_fault(f"/v1/invoices/{recovery.invoice}", "malformed", times=1)
    await recovery.send_event("invoice.payment_failed", delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()
    assert (await recovery.fetch_only_event("failure.classified"))["data"]["cause"] == "INSUFFICIENT_FUNDS"
    await assert_one_key(recovery, calls=1)
