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
