"""What takes a (compressed) day; begun with the first story and awaited after the others."""

from tests.support.together import Together
from tests.support.world import OPENING, World

together = Together(early=True)
JITTER = 1.1


@together
async def test_a_decline_leads_to_the_next_step_of_the_ladder(world: World) -> None:
    recovery = await world.fails("do_not_honor", script=("decline:insufficient_funds",))
    view = await recovery.recovered_once(within=60)
    first, second = await recovery.events("retry.planned")
    assert 24 * 3600 <= second["data"]["delay_seconds"] <= 24 * 3600 * JITTER
    assert first["data"]["strategy"] == second["data"]["strategy"]
    story = await recovery.story()
    again = ["charge.declined", "failure.classified", "fraud.assessed", "retry.planned", "charge.requested"]
    assert story == [*OPENING, "charge.requested", *again, "charge.succeeded", "recovery.closed"]
    assert view["attempts_used"] == 2
    keys = [call.idempotency_key for call in await recovery.pay_calls()]
    assert keys == [row["data"]["idempotency_key"] for row in await recovery.events("charge.requested")]


@together
async def test_a_provider_that_answers_after_we_have_given_up(world: World) -> None:
    """Nothing is known while the call still runs there; the repeat carries the same key, and the money moves once."""
    recovery = await world.fails("card_velocity_exceeded", script=("hang:24",), echo=False)
    await recovery.until_event("retry.planned")
    assert (await recovery.ask("retry")).status_code == 200
    (unknown,) = await recovery.until_event("charge.unknown")
    assert unknown["data"]["reason"]
    await recovery.refused("retry", "in_flight")
    await recovery.recovered_once(within=60)
    requested = await recovery.only("charge.requested")
    assert {call.idempotency_key for call in await recovery.pay_calls()} == {requested["data"]["idempotency_key"]}
    assert (await recovery.only("charge.reconciled"))["data"]["outcome"] == "succeeded"
