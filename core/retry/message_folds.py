"""What rows say of messages to the customer."""

from core.events import MessageOutcome, Record
from core.events.data import MessageReported, RetryPlanned, RetrySkipped
from core.messages.plan import MessagePlan
from core.retry.recovery import Recovery


def apply_message_plan(recovery: Recovery, data: RetryPlanned | RetrySkipped) -> Recovery:
    """Each decision plans the messages anew; those told before stay told."""
    if data.messages is None:
        return recovery
    plan = MessagePlan.model_validate(data.messages)
    since = {**recovery.messages_since, plan.occasion.topic: plan.occasion.since}
    return recovery.with_changes(messages=plan, messages_since=since)


def apply_message_result(recovery: Recovery, record: Record) -> Recovery:
    """Sent, maybe sent or given up: it is not sent again."""
    data = record.read(MessageReported)
    heard = recovery.heard or data.outcome in {MessageOutcome.SENT, MessageOutcome.MAYBE_SENT}
    return recovery.with_changes(told=(*recovery.told, record_message_key(data)), heard=heard)


def record_message_key(data: MessageReported) -> str:
    """What `Recovery.told` calls the message of this row."""
    return f"{data.step}/{data.channel}"
