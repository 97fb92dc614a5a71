"""How a message reaches a customer: the one method that a channel has, and where channels come from.

A channel is an entry point in the group `pri.channels`: a function that takes the environment and answers with a
channel, or with None where its settings are missing.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Protocol

from core.base import Value
from core.messages.kinds import MessageKind
from core.messages.recipients import Contact


class CustomerMessage(Value):
    """A message to one customer, ready to be sent. Holds personal data: never log it."""

    name: str
    """The same for every try of this message, and for no other."""
    kind: MessageKind
    language: str
    subject: str
    short: str
    """One line with the link, for channels that count characters."""
    text: str
    html: str
    to: Contact
    unsubscribe: str = ""
    """Where this customer ends such messages: an address of their own, or one for a mail. Empty where there is none."""

    def __repr__(self) -> str:
        """Nothing personal, wherever it is printed by accident."""
        return f"Letter({self.kind})"

    __str__ = __repr__


class Channel(Protocol):
    """One way to customers."""

    async def send(self, message: CustomerMessage) -> None:
        """Send it, within 30 seconds, once.

        Raises NotDelivered where it surely did not go out; after any other error it counts as maybe sent.
        """


ChannelPlugin = Callable[[Mapping[str, str]], Channel | None]


def installed_channels(environment: Mapping[str, str]) -> dict[str, Channel]:
    """Every channel that is installed and set up, by name."""
    made = ((point.name, point.load()(environment)) for point in entry_points(group="pri.channels"))
    return {name: channel for name, channel in made if channel is not None}
