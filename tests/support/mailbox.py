"""Messages without tables or network: what a customer received, and a channel with scripted errors."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import StoreUnavailable
from core.messages.kinds import MessageKind
from core.messages.recipients import Contact
from db.repositories.messages import Claim, MessageName, MessageState
from notifications.channels import Channel, CustomerMessage


@dataclass
class MemoryChannel:
    """A channel that keeps its messages. `trouble` is consumed first: one error per message."""

    name: str = "email"
    messages: list[CustomerMessage] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    send_count: int = 0
    hangs: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends the hanging."""

    @property
    def channels(self) -> Mapping[str, Channel]:
        """The channels as a worker has them, by name."""
        return {self.name: self}

    @property
    def message_kinds(self) -> list[str]:
        """The kinds of the messages that the customer received, in order."""
        return [message.kind.value for message in self.messages]

    async def send(self, message: CustomerMessage) -> None:
        """Keeps the message, or raises the next scripted error."""
        self.send_count += 1
        if self.hangs:
            await self.released.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.messages.append(message)


@dataclass
class MemoryContacts:
    """The table `contact` for one customer."""

    contacts: dict[str, Contact] = field(default_factory=dict)

    async def save_contact(self, _: str, customer_id: str, __: str, contact: Contact) -> None:
        """Stores the contact."""
        self.contacts[customer_id] = contact

    async def load_contact(self, _: str, customer_id: str, __: str) -> Contact | None:
        """The customer's contact, or None."""
        return self.contacts.get(customer_id)


@dataclass
class MemoryOutbox:
    """The table `message`. `crash` loses the next conclusion, like a worker that dies after sending."""

    rows: dict[MessageName, Claim] = field(default_factory=dict)
    crash_on_conclude: bool = False

    async def claim_message(self, name: MessageName, _: MessageKind) -> Claim:
        """A claim that lets one caller send the message."""
        row = self.rows.get(name)
        if row and row.state is not MessageState.UNSENT:
            return row
        tries = row.tries + 1 if row else 1
        self.rows[name] = Claim(is_ours=False, state=MessageState.SENDING, tries=tries)
        return Claim(is_ours=True, state=MessageState.SENDING, tries=tries)

    async def conclude_message(self, name: MessageName, state: MessageState, reason: str | None, _: str | None) -> None:
        """Records the outcome of a message."""
        if self.crash_on_conclude:
            self.crash_on_conclude = False
            raise StoreUnavailable("scripted: the worker dies here")
        self.rows[name] = self.rows[name].model_copy(update={"state": state, "reason": reason})
