"""What the array engine answers by itself about network limits is what the live rules say."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from catalog import network_rules
from core.payments import Failure
from simulator.engines.live_records import to_utc_datetime
from simulator.engines.network_limits import CardTries, is_within_limits, limit_plan
from simulator.engines.situations import EPOCH, LimitLength

RULES = network_rules().lower_limits({"visa_30d": 4, "mastercard_24h": 2, "any_24h": 2})
NOW = 1_772_000_000


def lengths_of(network: str | None) -> tuple[LimitLength, ...]:
    day = to_utc_datetime(NOW).date()
    assert day > EPOCH
    found = RULES.limits_in_force(network, day)
    return tuple(LimitLength(int(one.length.total_seconds()), one.allowed) for one in found)


@given(
    network=st.sampled_from(["visa", "mastercard", "elo", None]),
    before=st.lists(st.integers(0, 40 * 86_400) | st.sampled_from([86_400, 30 * 86_400]), max_size=12),
)
def test_within_limits_is_what_the_live_rules_allow(network: str | None, before: Sequence[int]) -> None:
    tries = tuple(NOW - one for one in before)
    card = CardTries(network, 5_000, "USD", tries, Failure())
    allowed = limit_plan(RULES, card, NOW, NOW + 90 * 86_400) is None
    assert is_within_limits(lengths_of(network), tries, NOW) == allowed
