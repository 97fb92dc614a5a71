"""What takes a (compressed) day: started with the first test and awaited after the others."""

from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import OPENING_EVENTS, RunningService

together = ConcurrentTests(early=True)
JITTER = 1.1


@together
async def test_decline_leads_to_the_next_retry_of_the_ladder(service: RunningService) -> None:
    recovery = await service.create_failure("do_not_honor", script=("decline:insufficient_funds",))
    view = await recovery.wait_for_one_payment(timeout_seconds=60)
    first, second = await recovery.fetch_events("retry.planned")
    assert 24 * 3600 <= second["data"]["delay_seconds"] <= 24 * 3600 * JITTER
    assert first["data"]["strategy"] == second["data"]["strategy"]
    types = await recovery.fetch_event_types()
    again = ["charge.declined", "failure.classified", "fraud.assessed", "retry.planned", "charge.requested"]
    assert types == [*OPENING_EVENTS, "charge.requested", *again, "charge.succeeded", "recovery.closed"]
    assert view["attempts_used"] == 2
    keys = [call.idempotency_key for call in await recovery.fetch_pay_calls()]
    assert keys == [row["data"]["idempotency_key"] for row in await recovery.fetch_events("charge.requested")]


@together
async def test_provider_answer_after_our_timeout(service: RunningService) -> None:
    """The charge is unknown while the call still runs; the repeat has the same key, and the money moves once."""
    recovery = await service.create_failure("card_velocity_exceeded", script=("hang:24",), echo=False)
    await recovery.wait_for_event("retry.planned")
    assert (await recovery.submit_command("retry")).status_code == 200
    (unknown,) = await recovery.wait_for_event("charge.unknown")
    assert unknown["data"]["reason"]
    await recovery.assert_refused("retry", "in_flight")
    await recovery.wait_for_one_payment(timeout_seconds=60)
    requested = await recovery.fetch_only_event("charge.requested")
    assert {call.idempotency_key for call in await recovery.fetch_pay_calls()} == {requested["data"]["idempotency_key"]}
    assert (await recovery.fetch_only_event("charge.reconciled"))["data"]["outcome"] == "succeeded"
