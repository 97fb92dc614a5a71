"""Plans which message is due when. A plan is made with every decision and recorded with its inputs."""

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
    """One message of one recovery; `step` names it there, the same in every plan, so that it is sent once."""

    step: str
    kind: MessageKind
    channels: tuple[str, ...]
    at: datetime


class Occasion(Value):
    """All inputs of a message plan."""

    campaign: str
    cause: Cause
    ability: Chargeability | None = None
    """Why nothing can be charged; None if something can."""
    steps: tuple[CampaignStep, ...] = ()
    endings: tuple[MessageKind, ...] = ()
    """Kinds of messages that are sent when the recovery ends."""
    ending_channels: tuple[str, ...] = ()
    quiet: QuietHours | None = None
    calendar: Calendar = Calendar()
    """The customer's calendar, for quiet hours."""
    since: datetime
    """When this recovery first failed for this cause: offsets count from here."""
    now: datetime
    ends_at: datetime | None = None
    """The last retry or the customer's deadline, if known."""
    time_scale: int = 1

    @property
    def topic(self) -> str:
        """What its messages are about; their offsets count from when the recovery first failed for this."""
        return (self.ability or self.cause).value

    def outside_quiet_hours(self, moment: datetime) -> datetime:
        """This moment, or the end of the quiet hours around it; with a time scale quiet hours don't apply."""
        return self.quiet.next_allowed_time(moment, self.calendar) if self.quiet and self.time_scale == 1 else moment


class MessagePlan(Value):
    """The messages of one decision, in the order in which they are due."""

    messages: tuple[Message, ...] = ()
    occasion: Occasion

    def to_record(self) -> dict[str, Any]:
        """The plan as the event's `data` holds it."""
        return self.model_dump(mode="json", exclude_none=True)


def build_occasion(
    campaign: Campaign, cause: Cause, able: Chargeability, offered: frozenset[str], **known: Any
) -> Occasion:
    """The inputs of a plan: the campaign's messages for this failure, over those of its channels that are `offered`.

    `known` are the remaining fields of Occasion.
    """
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
    """The messages of this occasion, in the order in which they are due. Pure: same occasion, same plan."""
    return MessagePlan(messages=tuple(sorted(_list_messages(given), key=lambda one: one.at)), occasion=given)


def _list_messages(given: Occasion) -> Iterator[Message]:
    for number, step in enumerate(given.steps, start=1):
        at = _due_time(given, step)
        if at and step.channels:
            name = f"{given.topic.lower()}-{number}"
            yield Message(step=name, kind=step.kind, channels=step.channels, at=at)


def _due_time(given: Occasion, step: CampaignStep) -> datetime | None:
    """When a step is due; None for a warning if the end isn't known, or if it would come now or after the end."""
    time_scale = TimeScale(factor=given.time_scale)
    if step.after_seconds is not None:
        return given.outside_quiet_hours(given.since + time_scale.shorten(timedelta(seconds=step.after_seconds)))
    if given.ends_at is None:
        return None
    due = given.ends_at - time_scale.shorten(timedelta(seconds=step.before_end_seconds or 0))
    # Quiet hours may move a warning past the end that it warns of.
    at = given.outside_quiet_hours(due)
    return at if due > given.now and at < given.ends_at else None


def is_reproducible(data: Mapping[str, Any]) -> bool:
    """Whether a recorded plan comes out the same from its inputs. Raises ValueError if it can't be read."""
    read = MessagePlan.model_validate(data)
    return plan_messages(read.occasion) == read
