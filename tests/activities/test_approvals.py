"""Two people above the policy's amount: what is written of a command that one person gave."""

from typing import Any

import pytest

from activities.approvals import ApprovalCheck
from activities.recording import Recording
from core.approvals import OperatorRules
from core.contracts import Action, Command, RecordInput
from core.retry.reactions import accept_command
from tests.activities.conftest import ChargeHarness
from tests.activities.test_recording import searchable_attributes

LIMITS = OperatorRules(second_approver_above={"EUR": 4899})


def recording_with_grants(bench: ChargeHarness, *granted: str, rules: OperatorRules = LIMITS) -> Recording:
    """Where these requests were granted to two people."""

    async def is_granted(_: str, __: Action, ___: str | None, request_id: str | None) -> bool:
        return request_id in granted

    return Recording(bench.log, searchable_attributes, approvals=ApprovalCheck(lambda: rules, is_granted))


def record_input(bench: ChargeHarness, **command: Any) -> RecordInput:
    """A command that is about to be written."""
    given = Command(**{"action": Action.RETRY, "actor": "ann"} | command)
    return RecordInput(now=bench.now, recovery=bench.recovery, events=accept_command(bench.recovery, given, bench.now))


async def test_a_signal_of_one_person_is_written_as_refused(bench: ChargeHarness) -> None:
    order = record_input(bench, signal="run:1", asked_by="bob")
    written = await bench.run_activity(recording_with_grants(bench).record_events, order)
    assert [(row.type.value, row.data["refused"]) for row in written.records] == [
        ("operator.retry_requested", "second_approver")
    ]
    assert written.refused is None
    assert await bench.run_activity(recording_with_grants(bench).record_events, order) == written


async def test_an_update_of_one_person_hears_why_and_writes_nothing(bench: ChargeHarness) -> None:
    before = list(bench.log.rows[bench.recovery.recovery_id])
    written = await bench.run_activity(recording_with_grants(bench).record_events, record_input(bench, request_id="r"))
    assert written.records == ()
    assert written.refused == "second_approver"
    assert written.why.startswith("This amount takes two people")
    assert bench.log.rows[bench.recovery.recovery_id] == before


async def test_what_is_written_stays_written_when_the_grant_is_gone(bench: ChargeHarness) -> None:
    """The worker died behind the commit."""
    order = record_input(bench, request_id="r")
    first = await bench.run_activity(recording_with_grants(bench, "r").record_events, order)
    assert "refused" not in first.records[0].data
    assert await bench.run_activity(recording_with_grants(bench).record_events, order) == first


@pytest.mark.parametrize("way", [{"signal": "run:1"}, {"request_id": "r"}])
async def test_two_people_or_a_small_amount_are_enough(bench: ChargeHarness, way: dict[str, str]) -> None:
    enough = OperatorRules(second_approver_above={"EUR": 4900, "USD": 0})
    written = await bench.run_activity(
        recording_with_grants(bench, rules=enough).record_events, record_input(bench, **way)
    )
    assert "refused" not in written.records[0].data


async def test_what_charges_nothing_takes_one(bench: ChargeHarness) -> None:
    written = await bench.run_activity(
        recording_with_grants(bench).record_events, record_input(bench, action=Action.PAUSE, signal="run:1")
    )
    assert "refused" not in written.records[0].data
