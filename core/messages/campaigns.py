"""A campaign: which messages customers get after a failure, when, and over which channels."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from core.base import Value
from core.calendar import Calendar
from core.classification.taxonomy import Cause, Chargeability
from core.messages.kinds import MessageKind


class CampaignStep(Value):
    """One message of a campaign; exactly one of the two offsets is set."""

    kind: MessageKind
    after_seconds: int | None = None
    """After the first failure of this cause."""
    before_end_seconds: int | None = None
    """Before the last retry, or before the customer's deadline."""
    channels: tuple[str, ...]


class QuietHours(Value):
    """Hours without messages, in minutes after the customer's midnight; they span midnight if `ends` isn't later."""

    begins: int
    ends: int

    def next_allowed_time(self, moment: datetime, calendar: Calendar) -> datetime:
        """This moment, or the end of the quiet hours that it falls into, in UTC."""
        local = calendar.to_local_time(moment)
        minute = local.hour * 60 + local.minute
        wraps = self.ends <= self.begins
        if not (minute >= self.begins or minute < self.ends if wraps else self.begins <= minute < self.ends):
            return moment
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        morning = midnight + timedelta(days=int(wraps and minute >= self.begins), minutes=self.ends)
        return calendar.to_utc(morning)


class Campaign(Value):
    """The messages for the customers of the segments that name it."""

    name: str
    channels: tuple[str, ...] = ()
    """Channels of the two messages at the end."""
    quiet: QuietHours | None = None
    messages: Mapping[Cause, tuple[CampaignStep, ...]] = {}
    unable: Mapping[Chargeability, tuple[CampaignStep, ...]] = {}
    """Used instead of `messages` if nothing can be charged."""
    recovered: bool = True
    """Whether a customer who got a message about the failure gets one when it is paid."""
    ended: bool = True
    """Whether such a customer gets a message when the recovery ends without a payment."""

    def steps_for(self, cause: Cause, able: Chargeability) -> tuple[CampaignStep, ...]:
        """The messages after a failure of this cause.

        If nothing can be charged and the campaign has no list for that: with no method, the messages for PERMANENT,
        which ask for one; with a method that isn't a card, none, since all texts speak of cards.
        """
        if able is Chargeability.CHARGEABLE:
            return self.messages.get(cause, ())
        asked = self.messages.get(Cause.PERMANENT, ()) if able is Chargeability.NO_METHOD else ()
        return self.unable.get(able, asked)
