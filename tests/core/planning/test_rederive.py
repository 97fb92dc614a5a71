"""A recorded decision comes out the same again, from its row alone; a changed row doesn't."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

import catalog
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Cause
from core.events import EventType, Record, State
from core.operators import Action
from core.planning.decision_input import DecisionConfig
from core.planning.rederivation import (
    RECHECKED_EVENTS,
    Rederivation,
    rederive_decision,
    rederive_segment_or_fraud,
)
from core.policy.policy import Policy, parse_policy
from db import chain
from tests.support.builders import REQUIRED_DATA, THEN
from tests.support.gateway import decline_result
from tests.support.recovery_scenario import RecoveryScenario, decision_config_of
from tests.support.stored_rows import STORED

STRATEGIES = catalog.installed_strategies()


def stored_record(record: Record, **changes: Any) -> Record:
    """The record as the log gives it back, but for these changes of its data."""
    data = json.loads(json.dumps(chain.to_json_value(record.data.stored))) | changes
    return record.holding(record.type, data)


def rederive_record(record: Record, **changes: Any) -> Rederivation:
    return rederive_decision(stored_record(record, **changes), "stripe", STRATEGIES)


def last_record(scenario: RecoveryScenario, kind: EventType) -> Record:
    return [record for record in scenario.records if record.type is kind][-1]


def config_from(text: str) -> DecisionConfig:
    return decision_config_of(parse_policy(text, "policies.toml", STRATEGIES), STRATEGIES)


def config_with_ladder(shipped_text: str, table: str) -> DecisionConfig:
    """The shipped policy with this in the place of its standard ladder."""
    before, _, after = shipped_text.partition("[strategies.standard_ladder]")
    return config_from(f"{before}[strategies.standard_ladder]\n{table}\n{after[after.index('[strategies.patient') :]}")


@pytest.mark.parametrize("cause", [Cause.GENERIC, Cause.TECHNICAL, Cause.VELOCITY, Cause.UNKNOWN, Cause.API_LIMIT])
@pytest.mark.parametrize("wait", [None, 3_600, 864_000])
def test_a_plan_comes_out_the_same_from_its_row(cause: Cause, wait: int | None) -> None:
    found = rederive_record(
        last_record(RecoveryScenario().fail_payment(cause, wait_seconds=wait), EventType.RETRY_PLANNED)
    )
    assert found.agrees, found


@pytest.mark.parametrize("change", [{"delay_seconds": 1}, {"at": "2030-01-01T00:00:00Z"}, {"strategy": "other"}])
def test_a_changed_row_is_found(change: Mapping[str, Any]) -> None:
    found = rederive_record(last_record(RecoveryScenario().fail_payment(), EventType.RETRY_PLANNED), **change)
    assert found.agrees is False
    assert next(iter(change)) in found.why


def test_giving_up_comes_out_the_same() -> None:
    found = rederive_record(
        last_record(RecoveryScenario().fail_payment(wait_seconds=90 * 86_400), EventType.RETRY_SKIPPED)
    )
    assert found.agrees, found
    assert found.recorded["reason"] == "window"


def test_a_failed_strategy_and_its_stand_in_come_out_the_same(shipped_text: str) -> None:
    scenario = RecoveryScenario(
        config_with_ladder(shipped_text, 'use = "exponential_backoff"\nbase = "90d"\ncap = "90d"')
    ).fail_payment()
    row = last_record(scenario, EventType.RETRY_PLANNED)
    assert row.data["strategy"] == "fallback"
    assert rederive_record(row).agrees


def test_what_today_s_policy_says_is_reported_besides(shipped: Policy, shipped_text: str) -> None:
    row = stored_record(last_record(RecoveryScenario().fail_payment(), EventType.RETRY_PLANNED))
    newer = parse_policy(shipped_text.replace('"3h", ', '"5h", '), "policies.toml", STRATEGIES)
    assert rederive_decision(row, "stripe", STRATEGIES, shipped).today is None
    found = rederive_decision(row, "stripe", STRATEGIES, newer)
    assert found.agrees
    assert found.today is not None
    assert "5 h" in found.today


def test_a_classification_is_made_again(tables: DeclineTables) -> None:
    data = {
        "category": "SOFT_DECLINE", "cause": "INSUFFICIENT_FUNDS", "code": "insufficient_funds",
        "decided_by": "stripe decline_code=insufficient_funds", "wait_seconds": None,
        "failure": {"code": "insufficient_funds"}, "card": {},
    }  # fmt: skip
    template = last_record(RecoveryScenario().fail_payment(), EventType.FAILURE_CLASSIFIED)
    row = template.holding(template.type, data)
    found = rederive_decision(row, "stripe", STRATEGIES, tables=tables)
    assert found.agrees, found
    other = row.having(cause="PERMANENT")
    assert rederive_decision(other, "stripe", STRATEGIES, tables=tables).agrees is False


@pytest.mark.parametrize("inputs", [{}, {"situation": 1}, {"kept_at": None}, {"situation": {}, "window_ends_at": 5}, 7])
def test_what_can_t_be_read_is_reported_and_never_raised(inputs: Any) -> None:
    assert not rederive_record(
        last_record(RecoveryScenario().fail_payment(), EventType.RETRY_PLANNED), inputs=inputs
    ).agrees


def test_other_rows_hold_no_decision() -> None:
    assert rederive_record(last_record(RecoveryScenario().fail_payment(), EventType.FRAUD_ASSESSED)).agrees is None


def test_a_schedule_that_was_kept_is_checked_too() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.advance_clock(timedelta(minutes=5)).submit_command(Action.RETRY)
    scenario.request_charge()
    scenario.record_answer(decline_result("do_not_honor"))
    scenario.decide_failure(Cause.GENERIC)
    row = last_record(scenario, EventType.RETRY_PLANNED)
    assert "kept_at" in row.data["inputs"]
    assert rederive_record(row).agrees
    assert rederive_record(row, at="2030-01-01T00:00:00Z").agrees is False


def as_stored(kind: EventType, data: Mapping[str, Any]) -> Record:
    return Record(type=kind, occurred_at=THEN, sequence=4, to_state=State.WAITING, data=data)


def rederive_anyhow(record: Record, policy: Policy, tables: DeclineTables) -> Rederivation:
    """By today's policy, as if it had made the row."""
    if record.type not in RECHECKED_EVENTS:
        return rederive_decision(record, "stripe", STRATEGIES, policy, tables)
    version = record.data.policy_version
    return rederive_segment_or_fraud(record, policy.model_copy(update={"version": version}))


def test_no_row_of_any_release_raises_or_differs(shipped: Policy, tables: DeclineTables) -> None:
    found = [(kind, rederive_anyhow(as_stored(kind, data), shipped, tables)) for _, kind, data in STORED]
    assert not [one for one in found if one[1].agrees is False]
    assert {kind for kind, one in found if one.agrees} == {
        EventType.FAILURE_CLASSIFIED, EventType.CUSTOMER_SEGMENTED, EventType.FRAUD_ASSESSED, EventType.RETRY_PLANNED,
        EventType.RETRY_SKIPPED,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (EventType.FAILURE_CLASSIFIED, {"failure": 7}),
        (EventType.CUSTOMER_SEGMENTED, {"profile": 7}),
        (EventType.FRAUD_ASSESSED, {"signals": 7}),
        (EventType.RETRY_PLANNED, {"at": "9999-12-31T23:59:59-23:00"}),
        (EventType.RETRY_SKIPPED, {"inputs": 7}),
        (EventType.SHADOW_PLANNED, {"inputs": {"fallback": 7}}),
    ],
)
def test_unreadable_row_is_reported(
    kind: EventType, changes: Mapping[str, Any], shipped: Policy, tables: DeclineTables
) -> None:
    data = REQUIRED_DATA[kind] | {"policy_version": shipped.version, **changes}
    found = rederive_anyhow(as_stored(kind, data), shipped, tables)
    assert (found.agrees, "can't be read" in found.why) == (None, True)


@pytest.mark.parametrize("missing", ["cause", "decided_by", "countries", "signals", "radar_level", "disputed"])
def test_assessment_without_recorded_inputs_is_not_compared(missing: str, shipped: Policy) -> None:
    record = last_record(RecoveryScenario().fail_payment(), EventType.FRAUD_ASSESSED)
    data = {name: value for name, value in record.data.stored.items() if name != missing}
    policy = shipped.model_copy(update={"version": record.data.policy_version})
    assert rederive_segment_or_fraud(record, policy).agrees
    found = rederive_segment_or_fraud(record.holding(record.type, data), policy)
    assert (found.agrees, "not recorded" in found.why) == (None, True)


def test_segment_without_a_recorded_profile_is_not_compared(shipped: Policy) -> None:
    data = {"segment": "default", "rule": "default", "why": "the profile could not be loaded"}
    record = as_stored(EventType.CUSTOMER_SEGMENTED, data | {"policy_version": shipped.version})
    found = rederive_segment_or_fraud(record, shipped)
    assert (found.agrees, "not recorded" in found.why) == (None, True)
    assert rederive_segment_or_fraud(record.having(profile=None), shipped).agrees
    assert rederive_segment_or_fraud(record.having(profile=None, segment="vip"), shipped).agrees is False
