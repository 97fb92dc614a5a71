"""Messages without tables and without a network: what a customer got, and a channel that fails as told."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import StoreUnavailable
from core.messages.contact import Contact
from core.messages.kinds import MessageKind
from db.repositories.messages import Claim, MessageName, MessageState
from notifications.channels import Channel, Letter


@dataclass
class Postbox:
    """A channel that keeps what it is given. `trouble` is consumed first: an error a message."""

    name: str = "email"
    letters: list[Letter] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    tries: int = 0
    hangs: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends the hanging."""

    @property
    def channels(self) -> Mapping[str, Channel]:
        """As a worker has them."""
        return {self.name: self}

    @property
    def kinds(self) -> list[str]:
        """What the customer was told, in order."""
        return [letter.kind.value for letter in self.letters]

    async def send(self, letter: Letter) -> None:
        """Keep it, or fail."""
        self.tries += 1
        if self.hangs:
            await self.released.wait()
        if self.trouble:
            raise self.trouble.pop(0)
        self.letters.append(letter)


@dataclass
class MemoryAddresses:
    """The table `contact` for one customer."""

    known: dict[str, Contact] = field(default_factory=dict)

    async def save(self, _: str, customer_id: str, __: str, contact: Contact) -> None:
        """What the provider says now."""
        self.known[customer_id] = contact

    async def load(self, _: str, customer_id: str, __: str) -> Contact | None:
        """Whom to write to."""
        return self.known.get(customer_id)


@dataclass
class MemoryOutbox:
    """The table `message`. `crash` loses the next conclusion, as a worker does that dies after sending."""

    rows: dict[MessageName, Claim] = field(default_factory=dict)
    crash: bool = False

    async def claim(self, name: MessageName, _: MessageKind) -> Claim:
        """The right to send, once."""
        known = self.rows.get(name)
        if known and known.state is not MessageState.UNSENT:
            return known
        tries = known.tries + 1 if known else 1
        self.rows[name] = Claim(ours=False, state=MessageState.SENDING, tries=tries)
        return Claim(ours=True, state=MessageState.SENDING, tries=tries)

    async def conclude(self, name: MessageName, state: MessageState, reason: str | None, _: str | None) -> None:
        """How it ended."""
        if self.crash:
            self.crash = False
            raise StoreUnavailable("scripted: the worker dies here")
        self.rows[name] = self.rows[name].model_copy(update={"state": state, "reason": reason})
