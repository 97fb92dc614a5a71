"""What another policy would have done: from the same findings, beside the decision, without effect."""

from typing import Any

from core.classification.taxonomy import Cause
from core.events import Event, EventType, Record
from core.fraud.assessment import assess_fraud
from core.payments import Card, FailureFacts
from core.planning.decision_input import DecisionConfig, DecisionInput
from core.planning.experiment_arms import resolve_arm
from core.planning.rederivation import rederive_decision
from core.planning.shadow import RETRY_ACTION, decide_shadow, shadow_input
from core.recovery.machine import append_events, fold_records, next_step
from core.recovery.state import Recovery
from core.segmentation.rules import Segment
from tests.support.builders import THEN
from tests.support.recovery_scenario import (
    OPEN_INVOICE,
    POLICY_FILE,
    STRATEGIES,
    RecoveryScenario,
    classification_of,
    decide_rows,
    shipped_decision_config,
)

SHIPPED = POLICY_FILE.read_text()
QUICKER_CONFIG = shipped_decision_config(
    SHIPPED.replace('["3h", "24h", "72h", "168h"]', '["1h", "24h", "72h", "168h"]')
)
EXPERIMENT = """
[experiments.all]
arms.patient = { share = 100, strategies = { GENERIC = "patient_ladder" } }
"""


def decision_input_for(cause: Cause = Cause.GENERIC, scenario: RecoveryScenario | None = None) -> DecisionInput:
    """What is known of a failure that waits for its decision."""
    told = scenario or _failed_scenario()
    facts, classification = FailureFacts(invoice=OPEN_INVOICE, card=Card(network="visa")), classification_of(cause)
    segment = Segment(name=told.recovery.segment or "default", rule="", why="")
    return DecisionInput(
        recovery=told.recovery,
        facts=facts,
        classification=classification,
        segment=segment,
        assessment=assess_fraud(facts, classification),
        now=told.now,
    )


def _failed_scenario() -> RecoveryScenario:
    scenario = RecoveryScenario()
    scenario.fail_payment(Cause.GENERIC)
    scenario.recovery = fold_records(Recovery(provider="stripe", invoice_id="in_1"), scenario.records[:1])
    scenario.records = []
    return scenario


def decision_in_force(decision_input: DecisionInput) -> Event:
    """The last row of the active policy's decision."""
    return decide_rows(decision_input, shipped_decision_config())[-1]


def shadow_row(decision_input: DecisionInput, config: DecisionConfig, in_force: Event) -> Event | None:
    """The row of the shadow policy beside that decision."""
    own = shadow_input(decision_input)
    return decide_shadow(own, resolve_arm(config, own.recovery, own.facts), in_force)


def shadow_event(decision_input: DecisionInput, config: DecisionConfig) -> Event:
    """The shadow's row, which there is."""
    row = shadow_row(decision_input, config, decision_in_force(decision_input))
    assert row is not None
    return row


def as_record(row: Event) -> Record:
    """In some log."""
    return Record(**dict(row), sequence=9, to_state=_failed_scenario().recovery.state)


def test_the_same_policy_agrees() -> None:
    findings = decision_input_for()
    row, decision = shadow_event(findings, shipped_decision_config()), decision_in_force(findings)
    assert row.type is EventType.SHADOW_PLANNED
    assert (row.data["action"], row.data["agrees"]) == (RETRY_ACTION, True)
    assert {key: row.data[key] for key in ("at", "strategy", "why")} == {
        key: decision.data[key] for key in ("at", "strategy", "why")
    }


def test_another_ladder_disagrees_and_says_what_it_would_do() -> None:
    row = shadow_event(decision_input_for(), QUICKER_CONFIG)
    assert row.data["agrees"] is False
    assert row.data["policy_version"] == QUICKER_CONFIG.policy.version
    assert row.data["delay_seconds"] < 3 * 3600


def test_what_no_retry_can_mend_is_no_retry_for_both() -> None:
    row = shadow_event(decision_input_for(Cause.PERMANENT), QUICKER_CONFIG)
    assert (row.data["action"], row.data["agrees"]) == ("wait_for_method", True)
    assert "at" not in row.data


def test_it_can_be_derived_again_from_its_own_row() -> None:
    row = as_record(shadow_event(decision_input_for(), QUICKER_CONFIG))
    assert rederive_decision(row, "stripe", STRATEGIES).agrees is True
    lie = row.having(delay_seconds=1)
    assert rederive_decision(lie, "stripe", STRATEGIES).agrees is False


def test_its_experiment_deals_arms_of_its_own_also_later() -> None:
    means = shipped_decision_config(SHIPPED + EXPERIMENT)
    for scenario in (_failed_scenario(), _declined_scenario()):
        row = shadow_event(decision_input_for(scenario=scenario), means)
        assert (row.data["experiment"], row.data["arm"], row.data["strategy"]) == ("all", "patient", "patient_ladder")


def _declined_scenario() -> RecoveryScenario:
    """After a first charge that was declined; the active policy has no experiment."""
    scenario = RecoveryScenario().fail_payment(Cause.GENERIC)
    scenario.recovery = scenario.recovery.with_changes(next_attempt_at=None, attempts_used=1, undecided=True)
    assert (scenario.recovery.segment, scenario.recovery.arm) == ("default", None)
    return scenario


def test_where_the_schedule_stands_there_is_nothing_to_compare() -> None:
    findings = decision_input_for()
    in_force = decision_in_force(findings)
    kept: dict[str, Any] = {**in_force.data, "inputs": {"kept_at": "2026-01-01T00:00:00Z"}}
    assert shadow_row(findings, QUICKER_CONFIG, in_force.holding(in_force.type, kept)) is None


def test_it_changes_nothing() -> None:
    findings = decision_input_for()
    decided = decide_rows(findings, shipped_decision_config())
    alone, _ = append_events(findings.recovery, decided, THEN)
    both, records = append_events(findings.recovery, (*decided, shadow_event(findings, QUICKER_CONFIG)), THEN)
    assert both == alone.with_changes(sequence=alone.sequence + 1)
    assert next_step(both, THEN) == next_step(alone, THEN)
    assert records[-1].from_state is records[-1].to_state is alone.state


def test_it_stands_before_the_end_that_the_decision_brings() -> None:
    findings = decision_input_for(Cause.STOP_INSTRUCTION)
    decided = decide_rows(findings, shipped_decision_config())
    _, records = append_events(findings.recovery, (*decided, shadow_event(findings, QUICKER_CONFIG)), THEN)
    assert [one.type.value for one in records][-3:] == ["retry.skipped", "shadow.planned", "recovery.closed"]
