"""What rows say of messages to the customer."""

from collections.abc import Mapping
from typing import Any

from core.events import Record
from core.messages.plan import MessagePlan
from core.retry.recovery import Recovery


def messages_planned(recovery: Recovery, data: Mapping[str, Any]) -> Recovery:
    """Each decision plans the messages anew; those told before stay told."""
    if "messages" not in data:
        return recovery
    plan = MessagePlan.model_validate(data["messages"])
    since = {**recovery.messages_since, plan.occasion.topic: plan.occasion.since}
    return recovery.having(messages=plan, messages_since=since)


def message_told(recovery: Recovery, record: Record) -> Recovery:
    """Sent, maybe sent or given up: it is not sent again."""
    data = record.data
    heard = recovery.heard or data.get("outcome") in {"sent", "maybe_sent"}
    return recovery.having(told=(*recovery.told, told_name(data)), heard=heard)


def told_name(data: Mapping[str, Any]) -> str:
    """What `Recovery.told` calls the message of this row."""
    return f"{data.get('step')}/{data.get('channel')}"
