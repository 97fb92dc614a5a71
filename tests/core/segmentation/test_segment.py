"""The first rule that fits, and a missing field that never does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policy.policy import Policy
from core.segmentation.rules import Condition, ConditionOperator, CustomerProfile, SegmentRule, find_segment


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        (CustomerProfile(), "default"),
        (CustomerProfile(lifetime_value=100_000), "high_value"),
        (CustomerProfile(lifetime_value=99_999), "default"),
        (CustomerProfile(tenure_days=30), "new_customer"),
        (CustomerProfile(tenure_days=5, lifetime_value=500_000), "high_value"),
        (CustomerProfile(tenure_days=400, successes=12, failures=0), "loyal"),
        (CustomerProfile(tenure_days=400, successes=1, failures=0), "default"),
        (CustomerProfile(tenure_days=400), "default"),
    ],
)
def test_shipped_segments(shipped: Policy, profile: CustomerProfile, name: str) -> None:
    assert find_segment(profile, shipped.segments).name == name


def test_segment_names_its_rule_and_reason(shipped: Policy) -> None:
    answer = find_segment(CustomerProfile(tenure_days=3), shipped.segments)
    assert (answer.rule, answer.why) == ("tenure_days_max=30", "tenure_days is 3")


def test_missing_profile_is_named_in_the_reason(shipped: Policy) -> None:
    answer = find_segment(None, shipped.segments)
    assert (answer.name, answer.why) == ("default", "the profile could not be loaded")


def test_lists_are_compared_case_insensitively() -> None:
    rules = (
        SegmentRule(
            name="dach", when=(Condition(field="country", operator=ConditionOperator.ONE_OF, bound=("DE", "AT")),)
        ),
    )
    assert find_segment(CustomerProfile(country="at"), rules).name == "dach"
    assert find_segment(CustomerProfile(country="FR"), rules).name == "default"


def test_success_percent_is_smoothed_for_few_payments() -> None:
    assert CustomerProfile(successes=1).success_percent == 66
    assert CustomerProfile(successes=30, failures=1).success_percent == 93
    assert CustomerProfile().success_percent is None


numbers = st.none() | st.integers(0, 10**9)
profiles = st.builds(CustomerProfile, lifetime_value=numbers, successes=numbers, failures=numbers, tenure_days=numbers)


@given(profile=profiles)
def test_every_customer_is_in_one_segment_of_the_policy(shipped: Policy, profile: CustomerProfile) -> None:
    answer = find_segment(profile, shipped.segments)
    assert answer == find_segment(profile, shipped.segments)
    assert answer.name in {segment.name for segment in shipped.segments}
