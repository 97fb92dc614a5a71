"""Which message is due when: laws of the message plan and of the next step from it."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from catalog.calendars import calendar_for
from core.calendar import Calendar
from core.classification.taxonomy import Cause, Chargeability
from core.events import EventType, Record, State
from core.messages.campaigns import Campaign, CampaignStep, QuietHours
from core.messages.kinds import MessageKind
from core.messages.plans import MessagePlan, build_occasion, is_reproducible, plan_messages
from core.recovery.machine import Charge, Done, Notify, Wait, apply, next_step
from core.recovery.messages import DueMessage, message_key, next_message
from core.recovery.state import Recovery
from tests.support.builders import DAY, HOUR, THEN

EMAIL = frozenset({"email"})
NIGHT = QuietHours(begins=21 * 60, ends=8 * 60)
KINDS = (MessageKind.PAYMENT_FAILED, MessageKind.PAYMENT_FAILED, MessageKind.LAST_WARNING)


def campaign_step(kind: MessageKind, **offset: int) -> CampaignStep:
    return CampaignStep(kind=kind, channels=("email", "sms"), **offset)


def a_campaign(**changes: Any) -> Campaign:
    steps = (
        campaign_step(MessageKind.PAYMENT_FAILED, after_seconds=0),
        campaign_step(MessageKind.PAYMENT_FAILED, after_seconds=3 * 86_400),
        campaign_step(MessageKind.LAST_WARNING, before_end_seconds=86_400),
    )
    defaults: dict[str, Any] = {"name": "x", "channels": ("email",), "messages": {Cause.INSUFFICIENT_FUNDS: steps}}
    return Campaign(**defaults | changes)


def a_plan(campaign: Campaign | None = None, channels: frozenset[str] = EMAIL, **fields: Any) -> MessagePlan:
    facts: dict[str, Any] = {"since": THEN, "now": THEN, "ends_at": THEN + 7 * DAY}
    return plan_messages(
        build_occasion(
            campaign or a_campaign(), Cause.INSUFFICIENT_FUNDS, Chargeability.CHARGEABLE, channels, **facts | fields
        )
    )


def a_recovery(plan: MessagePlan, **changes: Any) -> Recovery:
    defaults: dict[str, Any] = {"stage": State.WAITING, "sequence": 5, "opened_at": THEN, "messages": plan}
    return Recovery(provider="stripe", invoice_id="in_1", next_attempt_at=THEN + 5 * DAY).with_changes(
        **defaults | changes
    )


def with_message_sent(recovery: Recovery, kind: str, outcome: str = "sent") -> Recovery:
    name, channel = kind.split("/")
    row = Record(
        type=EventType.NOTIFICATION_SENT, occurred_at=THEN, sequence=recovery.sequence + 1, to_state=recovery.stage,
        data={"step": name, "channel": channel, "outcome": outcome},
    )  # fmt: skip
    return apply(recovery, row)


def test_offsets_count_from_the_failure_and_the_warning_from_the_end() -> None:
    assert [(message.kind, message.at - THEN) for message in a_plan().messages] == list(
        zip(KINDS, (timedelta(0), 3 * DAY, 6 * DAY), strict=True)
    )


def test_only_channels_that_are_set_up_are_planned() -> None:
    assert {message.channels for message in a_plan().messages} == {("email",)}
    assert a_plan(channels=frozenset()).messages == ()


def test_no_warning_without_a_known_end_or_when_it_is_too_near_for_one() -> None:
    assert len(a_plan(ends_at=None).messages) == 2
    assert len(a_plan(ends_at=THEN + 20 * HOUR).messages) == 2


def test_compressed_time_compresses_offsets_and_drops_quiet_hours() -> None:
    plan = a_plan(a_campaign(quiet=QuietHours(begins=0, ends=23 * 60)), time_scale=3600)
    assert [(message.at - THEN).total_seconds() for message in plan.messages[:2]] == [0, 72]


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001
    st.sampled_from(["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland", "UTC"]),
    st.integers(0, 1439),
    st.integers(0, 1439),
)
def test_no_message_is_due_in_quiet_hours(instant: datetime, zone: str, begins: int, ends: int) -> None:
    if begins == ends:
        return
    at = instant.replace(tzinfo=ZoneInfo("UTC"))
    calendar = calendar_for(None, zone, at, at + 3 * DAY)
    next_allowed = QuietHours(begins=begins, ends=ends).next_allowed_time(at, calendar)
    local = next_allowed.astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    quiet = begins <= minute < ends if begins < ends else minute >= begins or minute < ends
    clocks_changed = local.utcoffset() != at.astimezone(ZoneInfo(zone)).utcoffset()
    assert at <= next_allowed <= at + DAY + HOUR
    assert not quiet or clocks_changed


@given(st.sets(st.sampled_from([f"insufficient_funds-{number}/email" for number in (1, 2, 3)])), st.integers(0, 300))
def test_no_message_is_sent_twice_or_early(sent_names: set[str], hours: int) -> None:
    recovery = a_recovery(a_plan())
    for name in sorted(sent_names):
        recovery = with_message_sent(recovery, name)
    now = THEN + hours * HOUR
    match next_message(recovery, now):
        case DueMessage(message, channel):
            assert message.at <= now
            assert message_key(message.step, channel) not in sent_names
        case datetime() as at:
            assert at > now


def test_only_the_latest_overdue_message_is_sent() -> None:
    recovery = a_recovery(a_plan(), next_attempt_at=THEN + 60 * DAY)
    late = THEN + 30 * DAY
    step = next_step(recovery, late)
    assert isinstance(step, Notify)
    assert step.message.kind is MessageKind.LAST_WARNING
    assert isinstance(next_step(with_message_sent(recovery, f"{step.message.step}/email"), late), Wait)


def test_due_charge_comes_before_a_due_message() -> None:
    recovery = a_recovery(a_plan(), next_attempt_at=THEN)
    assert isinstance(next_step(recovery, THEN), Charge)


def test_wait_ends_at_the_earlier_of_charge_and_message() -> None:
    recovery = with_message_sent(a_recovery(a_plan()), "insufficient_funds-1/email")
    assert next_step(recovery, THEN) == Wait(until=THEN + 3 * DAY, why="next message to the customer")
    recovery = recovery.with_changes(next_attempt_at=THEN + 2 * DAY)
    assert next_step(recovery, THEN) == Wait(until=THEN + 2 * DAY, why="next charge")


def test_no_messages_during_a_pause_or_review() -> None:
    assert isinstance(next_step(a_recovery(a_plan(), paused=True), THEN), Wait)
    assert isinstance(next_step(a_recovery(a_plan(), stage=State.IN_REVIEW, next_attempt_at=None), THEN), Wait)


def test_ending_messages() -> None:
    def ending_message(stage: State, is_notified: bool = True) -> object:
        step = next_step(a_recovery(a_plan(), stage=stage, closed_at=THEN, heard=is_notified), THEN)
        return step.message.kind if isinstance(step, Notify) else type(step)

    assert ending_message(State.RECOVERED) is MessageKind.RECOVERED
    assert ending_message(State.RECOVERED, is_notified=False) is Done
    assert ending_message(State.EXHAUSTED, is_notified=False) is MessageKind.ENDED
    assert ending_message(State.CANCELED) is Done
    assert ending_message(State.BLOCKED) is Done


def test_ending_message_keeps_quiet_hours() -> None:
    night = THEN.replace(hour=23, minute=0)
    recovery = a_recovery(a_plan(a_campaign(quiet=NIGHT)), stage=State.EXHAUSTED, closed_at=night)
    assert next_step(recovery, night) == Wait(until=night + 9 * HOUR, why="next message to the customer")


def test_message_plan_row_holds_all_its_inputs() -> None:
    plan = a_plan(a_campaign(quiet=NIGHT), calendar=Calendar(zone="UTC"))
    recorded = plan.to_record()
    assert is_reproducible(recorded)
    assert MessagePlan.model_validate(recorded) == plan
    recorded["messages"][1]["at"] = "2026-03-06T09:30:00Z"
    assert not is_reproducible(recorded)
    assert not [value for value in _leaves(recorded) if isinstance(value, float)]


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for child in value.values() for leaf in _leaves(child)]
    return [leaf for child in value for leaf in _leaves(child)] if isinstance(value, list) else [value]
