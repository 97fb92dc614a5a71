"""The buttons of a recovery: with a reason, in a person's name, and every answer they can get stands on the page."""

from pathlib import Path

import pytest

import core.retry
from api import acting
from api.admin.people import Role
from api.admin.wishes import Wish
from core.contracts import Action, RecoveryStatus
from core.errors import EngineUnavailable, Refused, TooMany
from core.events import Event, EventType, State, stamp
from core.ids import recovery_id
from tests.api.admin.desk import Desk
from tests.api.house import House, application, now, opened
from tests.intake.fakes import FakeRecoveries, canceled, failure, stored, unique

DONE = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
BUILT_IN = Path(core.retry.__file__).with_name("policies.toml")
POLICY = """
[operators]
second_approver_above = { EUR = 1000 }
"""


async def running(desk: Desk, *more: Event, amount: int = 500) -> str:
    """The address of one that runs."""
    invoice = unique("in_wish")
    known = await stored(desk.house.db, failure(invoice, amount=amount), *more)
    desk.recoveries.running.add(known.recovery_id)
    return f"/recoveries/stripe/{invoice}"


def held() -> Event:
    """In review."""
    data = {"action": "review", "reason": "fraud", "why": "odd", "until": stamp(now())}
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=now(), data=data)


@pytest.mark.parametrize("wish", list(Wish))
async def test_a_wish_reaches_the_recovery_with_reason_and_name(wish: Wish, desk: Desk) -> None:
    desk.recoveries.answer = DONE
    more = {"approve": [held()], "reject": [held()], "resume": [paused()]}.get(wish.value, [])
    path = await running(desk, *more)
    here = desk.signed_in(Role.OPERATOR, name="olga@desk")
    page = await here.get(path)
    form = page.form(f"/{wish.value}")
    assert {"reason", "token", "once"} <= form.names
    after = await here.done(form.action, **form.fields | {"reason": " the bank called "})
    assert after.sayings[0] == wish.done
    ((name, asked),) = desk.recoveries.asked
    assert name == recovery_id("stripe", path.rpartition("/")[2])
    assert (asked.action, asked.decision) == (wish.action, wish.decision)
    assert (asked.actor, asked.reason) == ("olga@desk", "the bank called")
    assert (await here.get(path)).sayings == []


def paused() -> Event:
    """By somebody."""
    return Event(type=EventType.PAUSED, occurred_at=now(), data={"actor": "bob", "reason": "x"})


async def test_a_refusal_stands_on_the_page_in_the_workflows_words(desk: Desk) -> None:
    desk.recoveries.answer = Refused("network_limit", "The card network allows 15 tries, and 15 are used.")
    path, here = await running(desk), desk.signed_in()
    after = await here.done(f"{path}/retry", reason="please")
    assert after.sayings[0] == "The card network allows 15 tries, and 15 are used."
    assert 'role="alert"' in after.html


async def test_without_a_worker_the_wish_is_stored_and_said_so(desk: Desk) -> None:
    path, here = await running(desk), desk.signed_in()
    assert "The wish is stored" in (await here.done(f"{path}/pause", reason="x")).sayings[0]


async def test_without_temporal_it_is_said_so(desk: Desk) -> None:
    desk.recoveries.answer = EngineUnavailable("Temporal cannot be reached.")
    path, here = await running(desk), desk.signed_in()
    assert (await here.done(f"{path}/cancel", reason="x")).sayings[0] == "Temporal cannot be reached."


async def test_one_that_has_ended_refuses(desk: Desk) -> None:
    path, here = await running(desk, canceled()), desk.signed_in()
    desk.recoveries.running.clear()
    assert "has ended" in (await here.done(f"{path}/pause", reason="x")).sayings[0]


async def test_the_hourly_cap_of_retries_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise TooMany("ann asked for 60 retries within an hour; 60 are allowed.", acting.HOUR)

    monkeypatch.setattr(acting, "_within_cap", full)
    path, here = await running(desk), desk.signed_in()
    assert "60 are allowed" in (await here.done(f"{path}/retry", reason="x")).sayings[0]
    assert desk.recoveries.asked == []


async def test_sent_twice_the_same_form_is_one_wish(desk: Desk) -> None:
    desk.recoveries.answer = DONE
    path, here = await running(desk), desk.signed_in()
    fields = (await here.get(path)).form("/pause").fields | {"reason": "x"}
    for _ in range(2):
        await here.done(f"{path}/pause", **fields)
    first, second = (wish for _, wish in desk.recoveries.asked)
    assert first.request_id == second.request_id
    await here.done(f"{path}/resume", **fields)
    assert desk.recoveries.asked[-1][1].request_id != first.request_id


@pytest.mark.parametrize(("sent", "status"), [({"reason": " "}, 303), ({"reason": "x" * 501}, 422), ({}, 303)])
async def test_a_wish_needs_a_reason(sent: dict[str, str], status: int, desk: Desk) -> None:
    path, here = await running(desk), desk.signed_in()
    assert (await here.send(f"{path}/cancel", **sent)).status == status
    if status == 303:
        assert "Please give a reason" in (await here.get(path)).sayings[0]
    assert desk.recoveries.asked == []


async def test_only_those_who_may_can_act_and_only_from_a_page(desk: Desk) -> None:
    path = await running(desk)
    assert (await desk.signed_in(Role.VIEWER).send(f"{path}/cancel", reason="x")).status == 403
    assert (await desk.send(f"{path}/cancel", reason="x")).status in {303, 403}
    assert (await desk.signed_in().send(f"{path}/cancel", token=None, reason="x")).status == 403
    assert (await desk.signed_in().send(f"{path}/dance", reason="x")).status == 422
    assert (await desk.signed_in().send("/recoveries/stripe/in_nowhere/cancel", reason="x")).status == 404
    assert desk.recoveries.asked == []


async def test_a_large_amount_takes_two_people(house: House, tmp_path: Path) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(BUILT_IN.read_text() + POLICY)
    fakes = FakeRecoveries(answer=DONE)
    async with opened(application(house.db, fakes, policy_file=str(file)), house.db, fakes) as strict:
        desk = Desk(strict)
        path = await running(desk, amount=5000)
        ann, bob = desk.signed_in(name="ann"), desk.signed_in(name="bob")
        assert "takes two people" in (await ann.done(f"{path}/retry", reason="a")).sayings[0]
        waiting = await bob.get(path)
        assert "ann asked to retry now" in waiting.text
        assert fakes.asked == []
        assert (await bob.done(f"{path}/retry", reason="b")).sayings[0] == Wish.RETRY.done
        assert "ann asked to retry now" not in (await bob.get(path)).text
        ((_, asked),) = fakes.asked
        assert (asked.action, asked.actor, asked.asked_by) == (Action.RETRY, "bob", "ann")
