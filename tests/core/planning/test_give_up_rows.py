"""Rows that give up say until when the recovery waits; what is derived from them comes out as it was."""

from datetime import timedelta

from core.classification.taxonomy import Cause
from core.events import Record, State, parse_timestamp
from core.planning.decision_input import DecisionConfig
from core.planning.rederivation import rederive_decision
from tests.core.planning.test_shadow import SHIPPED, as_record, decision_input_for, shadow_row
from tests.support.recovery_scenario import STRATEGIES, RecoveryScenario, decide_rows, shipped_decision_config

NO_RETRY_CONFIG = shipped_decision_config(SHIPPED.replace('GENERIC = "standard_ladder"', ""))
SHORT_WINDOW_CONFIG = shipped_decision_config(
    SHIPPED.replace('GENERIC = "standard_ladder"', "").replace("window_days = 21", "window_days = 9")
)


def scenario_given_up(config: DecisionConfig) -> tuple[RecoveryScenario, Record]:
    """A recovery whose cause is never retried, and its row."""
    scenario = RecoveryScenario(decision_config=config)
    scenario.fail_payment(Cause.GENERIC)
    return scenario, scenario.records[-1]


def test_the_row_says_the_end_of_the_window_and_derives_again() -> None:
    scenario, row = scenario_given_up(NO_RETRY_CONFIG)
    assert (row.data["action"], row.data["reason"], row.to_state) == ("give_up", "no_retry", State.AWAITING_CUSTOMER)
    assert parse_timestamp(row.data["until"]) == scenario.recovery.window_ends_at
    assert rederive_decision(row, "stripe", STRATEGIES).agrees is True


def test_a_shadow_that_gives_up_too_agrees_whatever_its_window() -> None:
    findings = decision_input_for()
    in_force = decide_rows(findings, NO_RETRY_CONFIG)[-1]
    row = shadow_row(findings, SHORT_WINDOW_CONFIG, in_force)
    assert row is not None
    assert (row.data["action"], row.data["agrees"]) == ("give_up", True)
    assert rederive_decision(as_record(row), "stripe", STRATEGIES).agrees is True


def test_a_plan_that_is_made_later_forgets_that_there_was_none() -> None:
    """Another card may fail for a cause that is retried."""
    scenario, _ = scenario_given_up(NO_RETRY_CONFIG)
    assert scenario.recovery.used_up == "no_retry"
    scenario.advance_clock(timedelta(hours=1)).decide_failure(Cause.INSUFFICIENT_FUNDS)
    planned = scenario.recovery
    assert planned.stage is State.WAITING
    assert planned.used_up is None
