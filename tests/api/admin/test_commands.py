"""The command buttons of a recovery: they need a reason, record a person, and show every possible answer."""

from pathlib import Path

import pytest

import core.policy
from api import retry_cap
from api.admin.command_forms import CommandKind
from api.admin.sessions import Role
from core.contracts import RecoveryStatus
from core.errors import CommandRefused, EngineUnavailable, TooManyRequests
from core.events import Event, EventType, State, format_timestamp
from core.ids import recovery_id
from core.operators import Action
from core.redaction.text import REDACTED
from tests.api.admin.console import AdminBrowser
from tests.api.harness import ApiHarness, app_now, build_app, open_harness
from tests.intake.fakes import FakeRecoveries, canceled_event, failure_event, store_recovery, unique_id

ACCEPTED_STATUS = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
BUILT_IN = Path(core.policy.__file__).with_name("policies.toml")
POLICY = """
[operators]
second_approver_above = { EUR = 1000 }
"""


async def start_recovery(console: AdminBrowser, *more: Event, amount: int = 500) -> str:
    """The page address of a running recovery."""
    invoice = unique_id("in_wish")
    recovery = await store_recovery(console.harness.db, failure_event(invoice, amount=amount), *more)
    console.recoveries.running.add(recovery.recovery_id)
    return f"/recoveries/stripe/{invoice}"


def in_review_event() -> Event:
    """The event that puts a recovery in review."""
    data = {"action": "review", "reason": "fraud", "why": "odd", "until": format_timestamp(app_now())}
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=app_now(), data=data)


@pytest.mark.parametrize("kind", list(CommandKind))
async def test_a_command_reaches_the_recovery_with_reason_and_name(kind: CommandKind, console: AdminBrowser) -> None:
    console.recoveries.answer = ACCEPTED_STATUS
    more = {"approve": [in_review_event()], "reject": [in_review_event()], "resume": [paused_event()]}.get(
        kind.value, []
    )
    path = await start_recovery(console, *more)
    browser = console.sign_in_as(Role.OPERATOR, name="olga@example.com")
    page = await browser.get_page(path)
    form = page.form_to(f"/{kind.value}")
    assert {"reason", "token", "once"} <= form.names
    after = await browser.submit_and_follow(form.action, **form.fields | {"reason": " the bank called "})
    assert after.flash_messages[0] == kind.success_message
    ((name, command),) = console.recoveries.submitted_commands
    assert name == recovery_id("stripe", path.rpartition("/")[2])
    assert (command.action, command.decision) == (kind.action, kind.decision)
    assert (command.actor, command.reason) == ("olga@example.com", "the bank called")
    assert (await browser.get_page(path)).flash_messages == []


def paused_event() -> Event:
    """The event that pauses a recovery."""
    return Event(type=EventType.PAUSED, occurred_at=app_now(), data={"actor": "bob", "reason": "x"})


async def test_refusal_is_shown_in_the_workflows_words(console: AdminBrowser) -> None:
    console.recoveries.answer = CommandRefused("network_limit", "The card network allows 15 tries, and 15 are used.")
    path, browser = await start_recovery(console), console.sign_in_as()
    after = await browser.submit_and_follow(f"{path}/retry", reason="please")
    assert after.flash_messages[0] == "The card network allows 15 tries, and 15 are used."
    assert 'role="alert"' in after.html


async def test_command_without_a_worker_is_stored_and_reported_as_such(console: AdminBrowser) -> None:
    path, browser = await start_recovery(console), console.sign_in_as()
    assert "The command is stored" in (await browser.submit_and_follow(f"{path}/pause", reason="x")).flash_messages[0]


async def test_unreachable_temporal_is_reported_on_the_page(console: AdminBrowser) -> None:
    console.recoveries.answer = EngineUnavailable("Temporal cannot be reached.")
    path, browser = await start_recovery(console), console.sign_in_as()
    assert (await browser.submit_and_follow(f"{path}/cancel", reason="x")).flash_messages[
        0
    ] == "Temporal cannot be reached."


async def test_ended_recovery_refuses_commands(console: AdminBrowser) -> None:
    path, browser = await start_recovery(console, canceled_event()), console.sign_in_as()
    console.recoveries.running.clear()
    assert "has ended" in (await browser.submit_and_follow(f"{path}/pause", reason="x")).flash_messages[0]


async def test_hourly_retry_limit_is_reported(console: AdminBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse_retry(*_: object) -> None:
        raise TooManyRequests("ann asked for 60 retries within an hour; 60 are allowed.", retry_cap.HOUR)

    monkeypatch.setattr(retry_cap.RetryPlace, "take", refuse_retry)
    path, browser = await start_recovery(console), console.sign_in_as()
    assert "60 are allowed" in (await browser.submit_and_follow(f"{path}/retry", reason="x")).flash_messages[0]
    assert console.recoveries.submitted_commands == []


async def test_form_sent_twice_is_one_command(console: AdminBrowser) -> None:
    console.recoveries.answer = ACCEPTED_STATUS
    path, browser = await start_recovery(console), console.sign_in_as()
    fields = (await browser.get_page(path)).form_to("/pause").fields | {"reason": "x"}
    for _ in range(2):
        await browser.submit_and_follow(f"{path}/pause", **fields)
    first, second = (command for _, command in console.recoveries.submitted_commands)
    assert first.request_id == second.request_id
    await browser.submit_and_follow(f"{path}/resume", **fields)
    assert console.recoveries.submitted_commands[-1][1].request_id != first.request_id


@pytest.mark.parametrize(("form", "status"), [({"reason": " "}, 303), ({"reason": "x" * 501}, 422), ({}, 303)])
async def test_a_command_needs_a_reason(form: dict[str, str], status: int, console: AdminBrowser) -> None:
    path, browser = await start_recovery(console), console.sign_in_as()
    assert (await browser.submit_form(f"{path}/cancel", **form)).status == status
    if status == 303:
        assert "Please give a reason" in (await browser.get_page(path)).flash_messages[0]
    assert console.recoveries.submitted_commands == []


async def test_commands_need_the_role_and_a_form_token(console: AdminBrowser) -> None:
    path = await start_recovery(console)
    assert (await console.sign_in_as(Role.VIEWER).submit_form(f"{path}/cancel", reason="x")).status == 403
    assert (await console.submit_form(f"{path}/cancel", reason="x")).status in {303, 403}
    assert (await console.sign_in_as().submit_form(f"{path}/cancel", token=None, reason="x")).status == 403
    assert (await console.sign_in_as().submit_form(f"{path}/dance", reason="x")).status == 422
    assert (await console.sign_in_as().submit_form("/recoveries/stripe/in_nowhere/cancel", reason="x")).status == 404
    assert console.recoveries.submitted_commands == []


async def test_large_amount_needs_two_people(harness: ApiHarness, tmp_path: Path) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(BUILT_IN.read_text() + POLICY)
    fakes = FakeRecoveries(answer=ACCEPTED_STATUS)
    async with open_harness(build_app(harness.db, fakes, policy_file=str(file)), harness.db, fakes) as strict:
        console = AdminBrowser(strict)
        path = await start_recovery(console, amount=5000)
        ann, bob = console.sign_in_as(name="ann"), console.sign_in_as(name="bob")
        assert "takes two people" in (await ann.submit_and_follow(f"{path}/retry", reason="a")).flash_messages[0]
        waiting = await bob.get_page(path)
        assert "ann asked to retry now" in waiting.text
        assert fakes.submitted_commands == []
        assert (await bob.submit_and_follow(f"{path}/retry", reason="b")).flash_messages[
            0
        ] == CommandKind.RETRY.success_message
        assert "ann asked to retry now" not in (await bob.get_page(path)).text
        ((_, command),) = fakes.submitted_commands
        assert (command.action, command.actor, command.asked_by) == (Action.RETRY, "bob", "ann")


@pytest.mark.parametrize("kind", [CommandKind.RETRY, CommandKind.CANCEL])
async def test_a_reason_from_the_form_is_redacted(kind: CommandKind, console: AdminBrowser) -> None:
    console.recoveries.answer = ACCEPTED_STATUS
    path = await start_recovery(console)
    browser = console.sign_in_as(Role.OPERATOR, name="olga@example.com")
    form = (await browser.get_page(path)).form_to(f"/{kind.value}")
    secrets = {"reason": "ann@example.com gave 4242\u00a04242\u20114242.4242 instead"}
    await browser.submit_and_follow(form.action, **form.fields | secrets)
    ((_, command),) = console.recoveries.submitted_commands
    assert command.reason == f"{REDACTED} gave {REDACTED} instead"
    assert command.actor == "olga@example.com"
