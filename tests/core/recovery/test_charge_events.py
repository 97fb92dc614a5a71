"""Pure helpers around the pay call: the facts of a failure and where they come from."""

import pytest

from core.classification.taxonomy import Cause
from core.payments import Card, ChargeResult, CustomerView, Failure, FailureFacts, MethodKind
from core.recovery import charge_events
from tests.support.gateway import SUCCEED, UNKNOWN
from tests.support.recovery_scenario import (
    NOT_CHARGED,
    OPEN_INVOICE,
    SOFT_DECLINE,
    RecoveryScenario,
    scenario_in_flight,
)


def facts_read(**codes: str) -> FailureFacts:
    """Facts as read from the provider; `fields` replace the defaults."""
    return FailureFacts(invoice=OPEN_INVOICE, failure=Failure(**codes))


def test_event_fills_fields_that_reading_leaves_empty() -> None:
    recovery = RecoveryScenario().fail_payment().recovery.with_changes(failure=Failure(code="a", network_code="51"))
    assert charge_events.complete_facts(facts_read(code="b"), recovery).failure == Failure(code="b", network_code="51")


@pytest.mark.parametrize(
    ("charge_id", "now", "mixed"), [("ch_1", "ch_1", True), (None, "ch_2", True), ("ch_1", "ch_2", False)]
)
def test_codes_of_another_charge_are_not_mixed_in(charge_id: str | None, now: str, mixed: bool) -> None:
    recovery = (
        RecoveryScenario()
        .fail_payment()
        .recovery.with_changes(failure=Failure(network_advice="03", charge_id=charge_id))
    )
    advice = charge_events.complete_facts(
        facts_read(code="insufficient_funds", charge_id=now), recovery
    ).failure.network_advice
    assert advice == ("03" if mixed else None)


def test_read_status_does_not_replace_the_banks_reason() -> None:
    recovery = RecoveryScenario().fail_payment().recovery.with_changes(failure=Failure(code="R01", charge_id="t1"))
    vague = facts_read(code="settlement_declined", charge_id="t1").model_copy(
        update={"missing": (charge_events.MISSING_CODE,)}
    )
    assert charge_events.complete_facts(vague, recovery).failure.code == "R01"
    other = facts_read(code="settlement_declined", charge_id="t2").model_copy(
        update={"missing": (charge_events.MISSING_CODE,)}
    )
    assert charge_events.complete_facts(other, recovery).failure.code == "settlement_declined"


def test_card_from_the_event_is_kept_where_reading_shows_none() -> None:
    debit = Card(kind=MethodKind.DIRECT_DEBIT)
    recovery = (
        RecoveryScenario().fail_payment().recovery.with_changes(failure=Failure(code="R01", charge_id="t1"), card=debit)
    )
    assert charge_events.complete_facts(facts_read(), recovery).card == debit
    assert charge_events.complete_facts(facts_read(charge_id="t2"), recovery).card == Card()


def test_a_customer_is_at_least_an_id() -> None:
    assert charge_events.complete_facts(
        facts_read(), RecoveryScenario().fail_payment().recovery
    ).customer == CustomerView(customer_id="cus_1")


def test_only_the_newest_decline_is_learned_from() -> None:
    scenario = scenario_in_flight()
    assert charge_events.facts_from_decline(scenario.recovery, scenario.records) is None
    scenario.record_answer(SOFT_DECLINE)
    facts = charge_events.facts_from_decline(scenario.recovery, scenario.records)
    assert facts
    assert facts.failure.code == "insufficient_funds"
    scenario.decide_failure(Cause.GENERIC)
    scenario_in_flight(scenario).record_answer(NOT_CHARGED)
    assert charge_events.facts_from_decline(scenario.recovery, scenario.records) is None, (
        "what was not charged says nothing of the card"
    )


def test_a_reconciled_decline_is_learned_from_too() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(UNKNOWN)
    refused = SOFT_DECLINE.model_copy(update={"card": Card(network="visa")})
    scenario.record_answer(refused, by_reading=True)
    facts = charge_events.facts_from_decline(scenario.recovery, scenario.records)
    assert facts
    assert (facts.failure.code, facts.failure.network) == ("insufficient_funds", "visa")


@pytest.mark.parametrize("result", [SUCCEED, UNKNOWN, SOFT_DECLINE, NOT_CHARGED])
@pytest.mark.parametrize("by_reading", [True, False])
def test_every_result_has_its_row(result: ChargeResult, by_reading: bool) -> None:
    event = charge_events.charge_result_event(
        scenario_in_flight().recovery, result, RecoveryScenario().now, repeated=False, by_reading=by_reading
    )
    assert event
    assert event.attempt == 1


def test_without_a_charge_in_flight_there_is_no_order() -> None:
    with pytest.raises(ValueError, match="no charge"):
        charge_events.order_in_flight(RecoveryScenario().recovery)
