"""A campaign: who is told what, when, over which channel."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from core.base import Value
from core.calendar import Calendar
from core.classification.taxonomy import Cause, Chargeability
from core.messages.kinds import MessageKind


class CampaignStep(Value):
    """One message; exactly one of the two offsets is set."""

    kind: MessageKind
    after_seconds: int | None = None
    """From the first failure of this cause on."""
    before_end_seconds: int | None = None
    """Before the last retry, or before the customer's deadline."""
    channels: tuple[str, ...]


class QuietHours(Value):
    """From and to, in minutes after midnight by the customer's clock; over midnight where `ends` is not later."""

    begins: int
    ends: int

    def next_allowed_time(self, moment: datetime, calendar: Calendar) -> datetime:
        """This moment, or the end of the quiet hours that it falls into."""
        local = calendar.to_local_time(moment)
        minute = local.hour * 60 + local.minute
        wraps = self.ends <= self.begins
        if not (minute >= self.begins or minute < self.ends if wraps else self.begins <= minute < self.ends):
            return moment
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        morning = midnight + timedelta(days=int(wraps and minute >= self.begins), minutes=self.ends)
        return calendar.to_utc(morning)


class Campaign(Value):
    """The messages for the customers of some segments."""

    name: str
    channels: tuple[str, ...] = ()
    """Of the two ending messages."""
    quiet: QuietHours | None = None
    messages: Mapping[Cause, tuple[CampaignStep, ...]] = {}
    unable: Mapping[Chargeability, tuple[CampaignStep, ...]] = {}
    """Instead of those above, where nothing can be charged."""
    recovered: bool = True
    """Whether a customer who was told of the failure hears that it is mended."""
    ended: bool = True
    """Whether a customer hears that it was given up."""

    def steps_for(self, cause: Cause, able: Chargeability) -> tuple[CampaignStep, ...]:
        """The messages after such a failure. Without a list of their own, customers without a method are asked for one,
        and to those whose method is no card nothing is said: words about cards would be wrong."""
        if able is Chargeability.CHARGEABLE:
            return self.messages.get(cause, ())
        asked = self.messages.get(Cause.PERMANENT, ()) if able is Chargeability.NO_METHOD else ()
        return self.unable.get(able, asked)
