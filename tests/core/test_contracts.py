"""Every contract message survives JSON, also between releases; operators' input is parsed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter
from temporalio.contrib.pydantic import pydantic_data_converter

from core import contracts
from core.base import Value
from core.classification.taxonomy import Cause
from core.contracts import ChargeInput, ChargeReport, PlanInput, RecordInput, RecoveryStatus
from core.events import Record, State, Trigger
from core.operators import Action, Command, parse_command
from core.payments import FailureFacts
from core.recovery.state import Recovery
from core.segmentation.rules import Segment
from tests.support.builders import THEN, a_failure_event
from tests.support.recovery_scenario import (
    OPEN_INVOICE,
    SOFT_DECLINE,
    RecoveryScenario,
    classification_of,
    scenario_in_flight,
    scenario_in_review,
)

FACTS = FailureFacts(invoice=OPEN_INVOICE)
SEGMENT = Segment(name="default", rule="", why="")


def recovery_scenarios() -> list[RecoveryScenario]:
    """Scenarios in every state."""
    declined = scenario_in_flight()
    declined.record_answer(SOFT_DECLINE)
    closed = RecoveryScenario().fail_payment(Cause.STOP_INSTRUCTION)
    return [
        RecoveryScenario().fail_payment(),
        scenario_in_flight(),
        declined,
        scenario_in_review(),
        RecoveryScenario().fail_payment(Cause.PERMANENT),
        closed,
    ]


def contract_messages() -> list[Value]:
    """One filled message of each contract type."""
    recovery, records = scenario_in_flight().recovery, tuple(scenario_in_flight().records)
    classification = classification_of(Cause.GENERIC)
    return [
        a_failure_event(),
        Command(action=Action.REVIEW, decision="approve"),
        RecordInput(now=THEN, recovery=recovery, events=records),
        ChargeInput(now=THEN, recovery=recovery, trigger=Trigger.SCHEDULED),
        PlanInput(now=THEN, recovery=recovery, facts=FACTS, classification=classification, segment=SEGMENT),
        ChargeReport(records=records, facts=FACTS),
        RecoveryStatus(recovery_id="recovery-stripe-in_1", state=State.WAITING, sequence=5),
        *records,
        *(scenario.recovery for scenario in recovery_scenarios()),
    ]


@pytest.mark.parametrize("message", contract_messages(), ids=lambda message: type(message).__name__)
def test_a_message_survives_json_without_a_warning(message: Value) -> None:
    kind = type(message)
    again = kind.model_validate_json(message.model_dump_json())
    assert again.model_dump_json() == message.model_dump_json()
    if kind is not RecordInput:  # a record is sent as the event it is
        assert again == message


@pytest.mark.parametrize("message", contract_messages(), ids=lambda message: type(message).__name__)
async def test_a_message_survives_temporals_converter(message: Value) -> None:
    payloads = await pydantic_data_converter.encode([message])
    (again,) = await pydantic_data_converter.decode(payloads, [type(message)])
    assert again.model_dump_json() == message.model_dump_json()


@pytest.mark.parametrize("message", contract_messages(), ids=lambda message: type(message).__name__)
def test_fields_of_a_newer_release_are_ignored(message: Value) -> None:
    document = json.loads(message.model_dump_json()) | {"added_later": {"x": 1}}
    assert type(message).model_validate(document).model_dump_json() == message.model_dump_json()


def test_fold_continues_from_json_without_a_difference() -> None:
    for scenario in recovery_scenarios():
        assert Recovery.model_validate_json(scenario.recovery.model_dump_json()) == scenario.recovery
        rows = TypeAdapter(tuple[Record, ...])
        assert rows.validate_json(rows.dump_json(tuple(scenario.records))) == tuple(scenario.records)


def test_new_fields_have_defaults_so_that_deploys_may_overlap() -> None:
    """These fields are required since the first release; later ones must have defaults."""
    shapes = {name: shape for name, shape in vars(contracts).items() if _is_contract_message(shape)}
    required = {
        name: {f for f, info in shape.model_fields.items() if info.is_required()} for name, shape in shapes.items()
    }
    assert required == {
        "SimulationInput": {"simulation_id"},
        "RecoveryInput": {"provider", "invoice_id"},
        "RecoveryStatus": {"recovery_id", "state", "sequence"},
        "OpenInput": {"now", "provider", "invoice_id"},
        "WrittenRecords": set(),
        "OpenedRecovery": set(),
        "RecordInput": {"now", "recovery", "events"},
        "ProviderInput": {"recovery"},
        "ReadInput": {"recovery"},
        "ClassifyInput": {"recovery", "facts"},
        "SegmentInput": {"now", "recovery", "facts"},
        "PlanInput": {"now", "recovery", "facts", "classification", "segment"},
        "ChargeInput": {"now", "recovery", "trigger"},
        "ReconcileInput": {"now", "recovery"},
        "ChargeReport": set(),
        "NotifyInput": {"recovery", "now", "step", "kind", "channel"},
        "DeliveryResult": {"outcome"},
        "DeliverNoticesInput": set(),
        "DeliverNoticesReport": set(),
        "SendWebhookInput": {"notice_id", "target"},
    } | {name: set() for name in shapes if name.startswith(("Relay", "Retention"))}


def _is_contract_message(candidate: Any) -> bool:
    return (
        isinstance(candidate, type) and issubclass(candidate, BaseModel) and candidate.__module__ == contracts.__name__
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
COMMANDS = st.fixed_dictionaries(
    {}, optional={"actor": ANYTHING, "reason": ANYTHING, "decision": ANYTHING, "request_id": ANYTHING}
)


@given(st.sampled_from(Action), ANYTHING | COMMANDS)
def test_any_input_parses_as_a_command(action: Action, text: Any) -> None:
    command = parse_command(action, text)
    assert command.action is action
    assert command.actor


@pytest.mark.parametrize(
    ("typed", "actor", "reason"),
    [
        (None, "temporal", ""),
        ("because", "temporal", "because"),
        (7, "temporal", "7"),
        ({"actor": "bo", "reason": "asked"}, "bo", "asked"),
        ({"actor": "", "reason": None}, "temporal", ""),
        ({"reason": ["a", 1]}, "temporal", "['a', 1]"),
    ],
)
def test_parsed_command_fields(typed: Any, actor: str, reason: str) -> None:
    command = parse_command(Action.CANCEL, typed)
    assert (command.actor, command.reason) == (actor, reason)
