"""Channels to customers: their interface, and the loading of channel plug-ins.

A channel is an entry point in the group `pri.channels`: a function that takes the environment and returns a channel,
or None if its settings are missing.
"""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Protocol

from core.base import Value
from core.messages.kinds import MessageKind
from core.messages.recipients import Contact


class CustomerMessage(Value):
    """A message to one customer, ready to be sent. Holds personal data: never log it."""

    name: str
    """Unique name of the message, the same in every try; usable as a Message-ID or idempotency key."""
    kind: MessageKind
    language: str
    subject: str
    short: str
    """One line with the link, for channels with a length limit."""
    text: str
    html: str
    to: Contact
    unsubscribe: str = ""
    """Unsubscribe link of this customer, https: or mailto:; empty if there is none."""

    def __repr__(self) -> str:
        """The kind only, so that a message printed by accident shows no personal data."""
        return f"CustomerMessage({self.kind})"

    __str__ = __repr__


class Channel(Protocol):
    """A way to send messages to customers."""

    async def send(self, message: CustomerMessage) -> None:
        """Sends the message once, within 30 seconds.

        Raises NotDelivered if it certainly did not go out, so that it may be sent again. After any other error it may
        have gone out, and it is not sent again.
        """


def installed_channels(environment: Mapping[str, str]) -> dict[str, Channel]:
    """Every channel that is installed and configured, by name. Raises InvalidInput for settings that can't be used."""
    made = ((point.name, point.load()(environment)) for point in entry_points(group="pri.channels"))
    return {name: channel for name, channel in made if channel is not None}
