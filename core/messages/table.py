"""The shape of the `[campaigns.NAME]` tables of a policy file."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.classifier.taxonomy import Ability, Cause
from core.messages.kinds import MessageKind

Channels = Annotated[list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]], Field(min_length=1, max_length=5)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MessageTable(_Table):
    """One message of a list."""

    kind: MessageKind
    after: str | None = None
    before_end: str | None = None
    channels: Channels | None = None


class CampaignTable(_Table):
    """One `[campaigns.NAME]`."""

    channels: Channels = ["email"]
    quiet_hours: str | None = None
    recovered: bool = True
    ended: bool = True
    messages: dict[Cause, list[MessageTable]] = {}
    unable: dict[Ability, list[MessageTable]] = {}
