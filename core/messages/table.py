"""The shape of the `[campaigns.NAME]` tables of a policy file."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.classifier.taxonomy import Cause, Chargeability
from core.messages.kinds import MessageKind

Channels = Annotated[list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]], Field(min_length=1, max_length=5)]


class _StrictMessageTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MessageTable(_StrictMessageTable):
    """One message of a list."""

    kind: MessageKind
    after: str | None = None
    before_end: str | None = None
    channels: Channels | None = None


class CampaignTable(_StrictMessageTable):
    """One `[campaigns.NAME]`."""

    channels: Channels = ["email"]
    quiet_hours: str | None = None
    recovered: bool = True
    ended: bool = True
    messages: dict[Cause, list[MessageTable]] = {}
    unable: dict[Chargeability, list[MessageTable]] = {}
