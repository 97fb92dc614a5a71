"""No recovery costs more than it must: counts that no machine changes, so that a rise is a change of the code."""

import pytest

from benchmarks.recovery_costs import RecoveryCosts, counted_stack, measure_recovery

MOST = RecoveryCosts(
    api_statements=2,
    api_transactions=2,
    worker_statements=16,
    worker_transactions=6,
    history_events=29,
    activities=2,
    # Stripe allows 25 calls a second to one endpoint.
    provider_calls=4,
    temporal_actions=8,
    # 16,400 and a few, by the length of ids and times.
    history_bytes=17_500,
)


@pytest.mark.timeout(180)
async def test_a_recovery_costs_no_more_than_before() -> None:
    with counted_stack() as (stack, tally):
        costs = await measure_recovery(stack, tally)
    more = {name: count for name, count in costs._asdict().items() if count > getattr(MOST, name)}
    assert not more
