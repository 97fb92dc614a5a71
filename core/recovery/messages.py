"""Finds the message to a customer that is due, from the recovery's message plan and the messages sent. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from core.events import MessageOutcome, Record, State
from core.events.data import MessageReported
from core.events.decision_data import RetryPlanned, RetrySkipped
from core.messages.kinds import MessageKind
from core.messages.plans import Message, MessagePlan
from core.recovery.state import Recovery

ADDRESSABLE_STATES: Final = frozenset({State.WAITING, State.AWAITING_CUSTOMER})
"""States in which messages are sent; not during a review or a charge."""


class DueMessage(NamedTuple):
    """A message that is due over one channel and not sent yet."""

    message: Message
    channel: str


def next_message(recovery: Recovery, now: datetime) -> DueMessage | datetime | None:
    """The message to send now, else the time (UTC) when the next one is due, else None.

    Of several overdue messages only the latest is sent, so that an outage isn't followed by all of them at once.
    """
    waiting = list(_unsent_messages(recovery))
    ready = [one for one in waiting if one.message.at <= now]
    if ready:
        latest = ready[-1].message.step
        return next(one for one in ready if one.message.step == latest)
    return min((one.message.at for one in waiting), default=None)


def message_key(step: str, channel: str) -> str:
    """The key `step/channel` of a message in `Recovery.told`."""
    return f"{step}/{channel}"


def _unsent_messages(recovery: Recovery) -> Iterator[DueMessage]:
    messages = _planned_messages(recovery)
    sent = [index for index, one in enumerate(messages) if any(_is_sent(recovery, one, by) for by in one.channels)]
    for message in messages[max(sent, default=0) :]:
        for channel in message.channels:
            if not _is_sent(recovery, message, channel):
                yield DueMessage(message, channel)


def _is_sent(recovery: Recovery, message: Message, channel: str) -> bool:
    return message_key(message.step, channel) in recovery.told


def _planned_messages(recovery: Recovery) -> tuple[Message, ...]:
    if recovery.messages is None:
        return ()
    if recovery.stage.is_final:
        return _ending_messages(recovery)
    return recovery.messages.messages if recovery.stage in ADDRESSABLE_STATES else ()


def _ending_messages(recovery: Recovery) -> tuple[Message, ...]:
    """The closing message: RECOVERED for customers who heard of the failure, ENDED for all; none for other endings."""
    given = recovery.messages and recovery.messages.occasion
    kind = MessageKind.RECOVERED if recovery.stage is State.RECOVERED else MessageKind.ENDED
    silent = recovery.stage not in {State.RECOVERED, State.EXHAUSTED} or recovery.closed_at is None
    if not given or silent or kind not in given.endings or (kind is MessageKind.RECOVERED and not recovery.heard):
        return ()
    at = given.outside_quiet_hours(recovery.closed_at or given.now)
    return (Message(step=kind.value, kind=kind, channels=given.ending_channels, at=at),)


def apply_message_plan(recovery: Recovery, data: RetryPlanned | RetrySkipped) -> Recovery:
    """The recovery with this decision's message plan, which replaces the last one; sent messages stay sent."""
    if data.messages is None:
        return recovery
    plan = MessagePlan.model_validate(data.messages)
    since = {**recovery.messages_since, plan.occasion.topic: plan.occasion.since}
    return recovery.with_changes(messages=plan, messages_since=since)


def apply_message_result(recovery: Recovery, record: Record) -> Recovery:
    """The recovery with this message marked as done (sent, maybe sent or given up), so it is never sent again."""
    data = record.read(MessageReported)
    heard = recovery.heard or data.outcome in {MessageOutcome.SENT, MessageOutcome.MAYBE_SENT}
    return recovery.with_changes(told=(*recovery.told, record_message_key(data)), heard=heard)


def record_message_key(data: MessageReported) -> str:
    """The key in `Recovery.told` of this row's message."""
    return f"{data.step}/{data.channel}"
