"""Plans which message is due when; made with every decision and recorded with its inputs."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from core.base import Value
from core.calendar import Calendar
from core.classification.taxonomy import Cause, Chargeability
from core.durations import TimeScale
from core.messages.campaigns import Campaign, CampaignStep, QuietHours
from core.messages.kinds import MessageKind


class Message(Value):
    """One message of one recovery; `step` is its name there, the same in every plan."""

    step: str
    kind: MessageKind
    channels: tuple[str, ...]
    at: datetime


class Occasion(Value):
    """All that a plan of messages is made of."""

    campaign: str
    cause: Cause
    ability: Chargeability | None = None
    """Why nothing can be charged; None where something can."""
    steps: tuple[CampaignStep, ...] = ()
    endings: tuple[MessageKind, ...] = ()
    """Kinds that are sent when the recovery is over."""
    ending_channels: tuple[str, ...] = ()
    quiet: QuietHours | None = None
    calendar: Calendar = Calendar()
    """The customer's clock."""
    since: datetime
    """When this recovery first failed for this cause: offsets count from here."""
    now: datetime
    ends_at: datetime | None = None
    """The last retry or the customer's deadline, where that is known."""
    time_scale: int = 1

    @property
    def topic(self) -> str:
        """What its messages are about: they count from when this first came up."""
        return (self.ability or self.cause).value

    def outside_quiet_hours(self, moment: datetime) -> datetime:
        """This moment, or the end of the quiet hours around it. With compressed time the hours have no meaning."""
        return self.quiet.next_allowed_time(moment, self.calendar) if self.quiet and self.time_scale == 1 else moment


class MessagePlan(Value):
    """The messages of one decision, in the order in which they are due."""

    messages: tuple[Message, ...] = ()
    occasion: Occasion

    def to_record(self) -> dict[str, Any]:
        """As `data` of a row holds it."""
        return self.model_dump(mode="json", exclude_none=True)


def build_occasion(
    campaign: Campaign, cause: Cause, able: Chargeability, offered: frozenset[str], **known: Any
) -> Occasion:
    """The part of a campaign that counts for this failure, over the channels that are set up."""
    kinds = {MessageKind.RECOVERED: campaign.recovered, MessageKind.ENDED: campaign.ended}
    return Occasion(
        campaign=campaign.name,
        cause=cause,
        ability=able if able is not Chargeability.CHARGEABLE else None,
        steps=tuple(_limit_channels(step, offered) for step in campaign.steps_for(cause, able)),
        endings=tuple(kind for kind, wanted in kinds.items() if wanted),
        ending_channels=tuple(one for one in campaign.channels if one in offered),
        quiet=campaign.quiet,
        **known,
    )


def _limit_channels(step: CampaignStep, offered: frozenset[str]) -> CampaignStep:
    return step.model_copy(update={"channels": tuple(one for one in step.channels if one in offered)})


def plan_messages(given: Occasion) -> MessagePlan:
    """The message plan for this occasion. Pure: the same occasion gives the same plan."""
    return MessagePlan(messages=tuple(sorted(_list_messages(given), key=lambda one: one.at)), occasion=given)


def _list_messages(given: Occasion) -> Iterator[Message]:
    for number, step in enumerate(given.steps, start=1):
        at = _due_time(given, step)
        if at and step.channels:
            name = f"{given.topic.lower()}-{number}"
            yield Message(step=name, kind=step.kind, channels=step.channels, at=at)


def _due_time(given: Occasion, step: CampaignStep) -> datetime | None:
    """When a step is due. A warning is left out where the end isn't known, or too near for one of its own."""
    time_scale = TimeScale(factor=given.time_scale)
    if step.after_seconds is not None:
        return given.outside_quiet_hours(given.since + time_scale.shorten(timedelta(seconds=step.after_seconds)))
    if given.ends_at is None:
        return None
    due = given.ends_at - time_scale.shorten(timedelta(seconds=step.before_end_seconds or 0))
    at = given.outside_quiet_hours(due)
    return at if due > given.now and at < given.ends_at else None


def is_reproducible(data: Mapping[str, Any]) -> bool:
    """Whether a recorded plan comes out the same again. Raises ValueError where it can't be read."""
    read = MessagePlan.model_validate(data)
    return plan_messages(read.occasion) == read
