"""The shipped policy, and the errors of invalid policy files."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classification.taxonomy import Cause, NextAction
from core.errors import InvalidPolicy
from core.operators import OperatorRules
from core.policy.policy import Policy, StrategyFactory, parse_policy
from core.strategies.base import Situation

EVERY_SEGMENT = ["high_value", "new_customer", "loyal", "default"]
RETRIED_STEPS = {NextAction.RETRY, NextAction.COOL_DOWN, NextAction.RECONCILE}

SMALL_POLICY = """\
format = 1
[fallback]
delays = ["3h"]
[strategies.ladder]
use = "fixed_ladder"
delays = ["3h", "24h"]
[[segments]]
name = "europe"
when = { country_in = ["de", "FR"] }
attempts_allowed = 1
[[segments]]
name = "default"
attempts_allowed = 2
window_days = 7
customer_deadline_days = 7
review_deadline_days = 2
strategies = { GENERIC = "ladder" }
[overrides]
"stripe.Do_Not_Honor" = "PERMANENT"
visa.57 = "GENERIC"
"""


def proposed_delay(
    policy: Policy, strategies: Mapping[str, StrategyFactory], attempt: int, cause: Cause, name: str
) -> int:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    spec = policy.strategy_for(name, cause)
    assert spec
    situation = Situation(
        provider="stripe",
        invoice_id="in_1",
        attempt=attempt,
        cause=cause,
        segment=name,
        amount=1,
        currency="EUR",
        failed_at=now,
        now=now,
    )
    answer = spec.build_strategy(strategies).propose(situation)
    assert answer
    return answer.delay_seconds


@pytest.mark.parametrize("name", EVERY_SEGMENT)
@pytest.mark.parametrize("cause", [Cause.GENERIC, Cause.INSUFFICIENT_FUNDS, Cause.TECHNICAL])
def test_first_delays_are_three_hours_then_a_day_in_every_segment(
    shipped: Policy, strategies: Mapping[str, StrategyFactory], name: str, cause: Cause
) -> None:
    hour = 3_600
    assert 3 * hour <= proposed_delay(shipped, strategies, 1, cause, name) <= 3.3 * hour
    assert 24 * hour <= proposed_delay(shipped, strategies, 2, cause, name) <= 26.4 * hour


@pytest.mark.parametrize("name", EVERY_SEGMENT)
def test_rate_limits_cool_down_and_unknown_causes_wait_longer_than_generic(
    shipped: Policy, strategies: Mapping[str, StrategyFactory], name: str
) -> None:
    assert proposed_delay(shipped, strategies, 1, Cause.VELOCITY, name) >= 86_400
    assert 900 <= proposed_delay(shipped, strategies, 1, Cause.API_LIMIT, name) < 86_400
    generic = proposed_delay(shipped, strategies, 1, Cause.GENERIC, name)
    assert all(
        proposed_delay(shipped, strategies, 1, cause, name) > generic for cause in (Cause.UNKNOWN, Cause.DUPLICATE)
    )


@pytest.mark.parametrize("cause", Cause)
def test_exactly_the_causes_that_may_be_retried_have_a_strategy(shipped: Policy, cause: Cause) -> None:
    for name in EVERY_SEGMENT:
        assert (shipped.strategy_for(name, cause) is not None) == (cause.next_action in RETRIED_STEPS)


def test_budgets_and_windows_differ_by_segment(shipped: Policy) -> None:
    assert [segment.name for segment in shipped.segments] == EVERY_SEGMENT
    assert len({segment.attempts_allowed for segment in shipped.segments}) == 4
    assert len({segment.window_days for segment in shipped.segments}) == 4
    assert all(segment.attempts_allowed <= 8 for segment in shipped.segments)
    assert all(segment.review_deadline_days for segment in shipped.segments)


def test_a_whole_ladder_fits_into_its_window(shipped: Policy) -> None:
    for segment in shipped.segments:
        spec = shipped.strategies[segment.strategies[Cause.GENERIC]]
        hours = sum(int(delay.removesuffix("h")) for delay in spec.options["delays"])
        assert len(spec.options["delays"]) == segment.attempts_allowed
        assert hours * 1.1 <= segment.window_days * 24


def test_policy_version_is_a_hash_of_its_content(shipped: Policy, shipped_text: str) -> None:
    assert len(shipped.version) == 12
    assert parse_policy(shipped_text, "copy.toml").version == shipped.version
    assert parse_policy(shipped_text + "\n", "copy.toml").version != shipped.version


def test_segment_inherits_missing_keys_from_the_default() -> None:
    europe = parse_policy(SMALL_POLICY, "small.toml").segment_named("europe")
    assert (europe.attempts_allowed, europe.window_days) == (1, 7)
    assert europe.strategies == {Cause.GENERIC: "ladder"}
    assert parse_policy(SMALL_POLICY, "small.toml").segment_named("gone").name == "default"


def test_override_codes_may_be_quoted_or_bare() -> None:
    overrides = parse_policy(SMALL_POLICY, "small.toml").overrides
    assert overrides == {"stripe.do_not_honor": Cause.PERMANENT, "visa.57": Cause.GENERIC}


def policy_with(old: str, new: str) -> str:
    assert old in SMALL_POLICY
    return SMALL_POLICY.replace(old, new, 1)


def test_operator_rules_default_to_the_shipped_ones(shipped: Policy) -> None:
    assert shipped.operators == parse_policy(SMALL_POLICY, "small").operators == OperatorRules()
    text = f"{SMALL_POLICY}[operators]\nretries_per_hour = 5\nsecond_approver_above = {{ EUR = 500_000, JPY = 0 }}\n"
    rules = parse_policy(text, "small").operators
    assert rules == OperatorRules(retries_per_hour=5, second_approver_above={"EUR": 500_000, "JPY": 0})


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("second_approver_above = { eur = 1 }", "second_approver_above.eur"),
        ("second_approver_above = { EUR = 1.5 }", "second_approver_above.EUR"),
        ("second_approver_above = { EUR = -1 }", "second_approver_above.EUR"),
        ("second_approver_above = 5", "second_approver_above"),
        ("retries_per_hour = 0", "retries_per_hour"),
        ("retries_per_hour = true", "retries_per_hour"),
        ("retries_per_day = 1", "retries_per_day"),
    ],
)
def test_invalid_operator_rules_are_errors(table: str, complaint: str) -> None:
    with pytest.raises(InvalidPolicy, match=rf"small:\d+: operators\.{complaint}"):
        parse_policy(f"{SMALL_POLICY}[operators]\n{table}\n", "small")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("format = \n", "p.toml: Invalid value (at line 1, column 10)"),
        (policy_with("format = 1", "format = 2"), "p.toml:1: format: Input should be 1"),
        (policy_with("window_days = 7", "window_days = 0"), "p.toml:14: segments.1.window_days: "),
        (policy_with("window_days = 7", 'window_days = "7"'), "p.toml:14: segments.1.window_days: "),
        (policy_with("window_days = 7\n", ""), "p.toml:11: segments.1.window_days: the default segment must say it"),
        (policy_with("attempts_allowed = 1", "atempts = 1"), "p.toml:10: segments.0.atempts: Extra inputs"),
        (
            policy_with('GENERIC = "ladder"', 'GENERIC = "rope"'),
            "p.toml:17: segments.1.strategies.GENERIC: there is no",
        ),
        (policy_with('GENERIC = "ladder"', 'FRAUD = "ladder"'), "p.toml:17: segments.1.strategies.FRAUD: a failure of"),
        (policy_with('GENERIC = "ladder"', 'GENERICK = "ladder"'), "p.toml:17: segments.1.strategies.GENERICK"),
        (policy_with("country_in", "country_min"), "p.toml:9: segments.0.when.country_min: no such condition"),
        (policy_with("country_in", "shoe_size_in"), "p.toml:9: segments.0.when.shoe_size_in: no such condition"),
        (policy_with('["de", "FR"]', "7"), "p.toml:9: segments.0.when.country_in: a list of texts"),
        (policy_with('name = "europe"', 'name = "default"'), "p.toml:12: segments.1.name: 'default' is there twice"),
        (
            policy_with('name = "default"', 'name = "other"'),
            "p.toml:11: segments.1: the last segment must be `default`",
        ),
        (policy_with('when = { country_in = ["de", "FR"] }\n', ""), "p.toml:7: segments.0.when: only `default`"),
        (policy_with('"PERMANENT"', '"NEVER"'), "p.toml:19: overrides.stripe.Do_Not_Honor: 'NEVER' is no cause"),
        (policy_with('"stripe.Do_Not_Honor"', "honor"), "p.toml:19: overrides.honor: write the key as"),
        (policy_with('delays = ["3h"]', "delays = []"), "p.toml:2: fallback: delays must be a list"),
        (policy_with('delays = ["3h"]\n', ""), "p.toml:2: fallback.delays: Field required"),
        (
            policy_with('use = "fixed_ladder"', 'use = "magic"'),
            "p.toml:4: strategies.ladder: no strategy is installed as",
        ),
        (policy_with('"3h", "24h"', '"3 hours"'), "p.toml:4: strategies.ladder: '3 hours' is no length of time"),
        (
            policy_with('delays = ["3h", "24h"]', 'delay = "3h"'),
            "p.toml:4: strategies.ladder: fixed_ladder does not take",
        ),
        (
            policy_with("[overrides]", '[cool_down]\nGENERIC = "soon"\n[overrides]'),
            "p.toml:19: cool_down.GENERIC: 'soon'",
        ),
        (policy_with('"PERMANENT"', "[]"), "p.toml:19: overrides.stripe.Do_Not_Honor: [] is no cause"),
        (policy_with("[overrides]", "[overides]"), "p.toml:18: overides: Extra inputs"),
    ],
)
def test_an_error_names_file_line_and_key(strategies: Mapping[str, StrategyFactory], text: str, complaint: str) -> None:
    with pytest.raises(InvalidPolicy) as excinfo:
        parse_policy(text, "p.toml", strategies)
    assert str(excinfo.value).startswith(complaint)
    assert "\n" not in str(excinfo.value)


VALUES = st.sampled_from(
    ["0", "-1", "1.5", "nan", "true", '""', '"x"', "[]", "[1]", "{}", "{ a = 1 }", "1979-05-27", "9" * 30]
)


@given(data=st.data())
def test_changed_value_gives_a_policy_or_a_typed_error(
    shipped_text: str, strategies: Mapping[str, StrategyFactory], data: st.DataObject
) -> None:
    lines = shipped_text.splitlines()
    keys = [number for number, line in enumerate(lines) if "=" in line and not line.startswith("#")]
    number = data.draw(st.sampled_from(keys))
    lines[number] = f"{lines[number].partition('=')[0]}= {data.draw(VALUES)}"
    with suppress(InvalidPolicy):  # anything else is a mistake of ours
        parse_policy("\n".join(lines), "p.toml", strategies)


@given(text=st.text(max_size=200))
def test_any_text_gives_a_policy_or_a_typed_error(text: str) -> None:
    with pytest.raises(InvalidPolicy, match=r"^p\.toml"):
        parse_policy(text, "p.toml")
