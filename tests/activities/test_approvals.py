"""Two people above the policy's amount: what is written of a command that one person gave."""

from typing import Any

import pytest

from activities.approvals import Approvals
from activities.recording import Recording
from core.approvals import OperatorRules
from core.contracts import Action, Command, RecordInput
from core.retry.reactions import obey
from tests.activities.conftest import Bench
from tests.activities.test_recording import searchable

LIMITS = OperatorRules(second_approver_above={"EUR": 4899})


def recording(bench: Bench, *granted: str, rules: OperatorRules = LIMITS) -> Recording:
    """Where these requests were granted to two people."""

    async def is_granted(_: str, __: Action, ___: str | None, request_id: str | None) -> bool:
        return request_id in granted

    return Recording(bench.log, searchable, approvals=Approvals(lambda: rules, is_granted))


def rows(bench: Bench, **command: Any) -> RecordInput:
    """A command that is about to be written."""
    given = Command(**{"action": Action.RETRY, "actor": "ann"} | command)
    return RecordInput(now=bench.now, recovery=bench.recovery, events=obey(bench.recovery, given, bench.now))


async def test_a_signal_of_one_person_is_written_as_refused(bench: Bench) -> None:
    order = rows(bench, signal="run:1", asked_by="bob")
    written = await bench.run(recording(bench).record_events, order)
    assert [(row.type.value, row.data["refused"]) for row in written.records] == [
        ("operator.retry_requested", "second_approver")
    ]
    assert written.refused is None
    assert await bench.run(recording(bench).record_events, order) == written


async def test_an_update_of_one_person_hears_why_and_writes_nothing(bench: Bench) -> None:
    before = list(bench.log.rows[bench.recovery.recovery_id])
    written = await bench.run(recording(bench).record_events, rows(bench, request_id="r"))
    assert written.records == ()
    assert written.refused == "second_approver"
    assert written.why.startswith("This amount takes two people")
    assert bench.log.rows[bench.recovery.recovery_id] == before


async def test_what_is_written_stays_written_when_the_grant_is_gone(bench: Bench) -> None:
    """The worker died behind the commit."""
    order = rows(bench, request_id="r")
    first = await bench.run(recording(bench, "r").record_events, order)
    assert "refused" not in first.records[0].data
    assert await bench.run(recording(bench).record_events, order) == first


@pytest.mark.parametrize("way", [{"signal": "run:1"}, {"request_id": "r"}])
async def test_two_people_or_a_small_amount_are_enough(bench: Bench, way: dict[str, str]) -> None:
    enough = OperatorRules(second_approver_above={"EUR": 4900, "USD": 0})
    written = await bench.run(recording(bench, rules=enough).record_events, rows(bench, **way))
    assert "refused" not in written.records[0].data


async def test_what_charges_nothing_takes_one(bench: Bench) -> None:
    written = await bench.run(recording(bench).record_events, rows(bench, action=Action.PAUSE, signal="run:1"))
    assert "refused" not in written.records[0].data
