"""Two people above the policy's amount: what is recorded of a command by one person."""

from typing import Any

import pytest

from activities.recording import ApprovalCheck, Recording
from core.contracts import RecordInput
from core.operators import Action, Command, OperatorRules
from core.recovery.commands import accept_command
from tests.activities.conftest import ChargeHarness
from tests.activities.test_recording import searchable_attributes

LIMITS = OperatorRules(second_approver_above={"EUR": 4899})


def recording_with_grants(harness: ChargeHarness, *granted: str, rules: OperatorRules = LIMITS) -> Recording:
    """A recording activity where these requests were granted to two people."""

    async def is_granted(_: str, __: Action, ___: str | None, request_id: str | None) -> bool:
        return request_id in granted

    return Recording(harness.log, searchable_attributes, approvals=ApprovalCheck(lambda: rules, is_granted))


def record_input(harness: ChargeHarness, **command: Any) -> RecordInput:
    """The input for recording a command."""
    command_row = Command(**{"action": Action.RETRY, "actor": "ann"} | command)
    return RecordInput(
        now=harness.now, recovery=harness.recovery, events=accept_command(harness.recovery, command_row, harness.now)
    )


async def test_a_signal_of_one_person_is_written_as_refused(harness: ChargeHarness) -> None:
    order = record_input(harness, signal="run:1", asked_by="bob")
    result = await harness.run_activity(recording_with_grants(harness).record_events, order)
    assert [(row.type.value, row.data.get("refused")) for row in result.records] == [
        ("operator.retry_requested", "second_approver")
    ]
    assert result.refused is None
    assert await harness.run_activity(recording_with_grants(harness).record_events, order) == result


async def test_update_of_one_person_is_refused_with_the_reason_and_writes_nothing(harness: ChargeHarness) -> None:
    before = list(harness.log.rows[harness.recovery.recovery_id])
    result = await harness.run_activity(
        recording_with_grants(harness).record_events, record_input(harness, request_id="r")
    )
    assert result.records == ()
    assert result.refused == "second_approver"
    assert result.why.startswith("This amount takes two people")
    assert harness.log.rows[harness.recovery.recovery_id] == before


async def test_written_rows_stay_when_the_grant_has_expired(harness: ChargeHarness) -> None:
    """The worker dies after the commit, and the activity is repeated."""
    order = record_input(harness, request_id="r")
    first = await harness.run_activity(recording_with_grants(harness, "r").record_events, order)
    assert "refused" not in first.records[0].data
    assert await harness.run_activity(recording_with_grants(harness).record_events, order) == first


@pytest.mark.parametrize("command", [{"signal": "run:1"}, {"request_id": "r"}])
async def test_two_people_or_a_small_amount_are_accepted(harness: ChargeHarness, command: dict[str, str]) -> None:
    enough = OperatorRules(second_approver_above={"EUR": 4900, "USD": 0})
    result = await harness.run_activity(
        recording_with_grants(harness, rules=enough).record_events, record_input(harness, **command)
    )
    assert "refused" not in result.records[0].data


async def test_commands_without_a_charge_need_one_person(harness: ChargeHarness) -> None:
    result = await harness.run_activity(
        recording_with_grants(harness).record_events, record_input(harness, action=Action.PAUSE, signal="run:1")
    )
    assert "refused" not in result.records[0].data
