"""Sends one message of a recovery over one channel, at most once.

A row is claimed before, and concluded after: a worker that dies in between leaves a claim that nobody dares to
repeat, and the message counts as maybe sent.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.contacts import ContactStore
from activities.heartbeat import heartbeat_in_background
from catalog.calendars import zones_for_dates
from core.contracts import DeliveryResult, NotifyInput
from core.errors import NotDelivered
from core.events.types import MessageOutcome
from core.ids import message_name
from core.messages.kinds import MessageKind
from core.messages.recipients import Contact, Subscription, create_unsubscribe_token
from core.recovery.state import Recovery
from db.repositories import messages, suppressions
from db.repositories.messages import Claim, MessageName, MessageState
from db.session import Database
from notifications.channels import Channel, CustomerMessage
from notifications.composer import MessageComposer, MessageSubject, UnsubscribeLinks


class Suppressions(Protocol):
    """Unsubscriptions and unsubscribe links. Raises StoreUnavailable; then no message may be sent."""

    async def is_suppressed(self, subscription: Subscription) -> bool:
        """Whether the customer unsubscribed from these messages."""

    async def unsubscribe_link(self, subscription: Subscription) -> str:
        """URL at which the customer unsubscribes; empty if none is set up."""


class NoSuppressions:
    """Suppressions for tests and previews: no unsubscriptions and no links."""

    async def is_suppressed(self, _: Subscription) -> bool:
        """False, always."""
        return False

    async def unsubscribe_link(self, _: Subscription) -> str:
        """The empty text, always."""
        return ""


class StoredSuppressions:
    """The table `suppression`. Links are signed by the newest secret of the settings, else by the key in the table."""

    def __init__(self, database: Database, links: UnsubscribeLinks, secrets: Sequence[bytes] = ()) -> None:
        self._database, self._links, self._secrets = database, links, tuple(secrets)

    async def is_suppressed(self, subscription: Subscription) -> bool:
        """Whether the table holds an unsubscription from these messages."""
        async with self._database.begin() as session:
            return await suppressions.is_suppressed(session, subscription)

    async def unsubscribe_link(self, subscription: Subscription) -> str:
        """The unsubscribe URL, with a signed token where links are personal."""
        if not self._links.is_personal:
            return self._links.link_for("")
        return self._links.link_for(
            create_unsubscribe_token(
                subscription, self._secrets[0] if self._secrets else await self._load_signing_key()
            )
        )

    async def _load_signing_key(self) -> bytes:
        async with self._database.begin() as session:
            return (await suppressions.signing_keys(session))[0]


MOST_TRIES: Final = 4
"""Attempts of a message that certainly was not sent; after the last one it counts as failed."""
FIRST_PAUSE: Final = timedelta(seconds=5)
"""Before the second try; each later pause is four times as long."""
CHANNEL_SECONDS: Final = 40.0
"""Seconds for a channel's call: more than our channels' own time-outs, which report how far sending came."""


class Outbox(Protocol):
    """Claims messages, so that each is sent at most once. Raises StoreUnavailable; then nothing may be sent."""

    async def claim_message(self, name: MessageName, kind: MessageKind) -> Claim:
        """Claim the right to send the message; the claim holds the state if an earlier execution had it."""

    async def conclude_message(
        self, name: MessageName, state: MessageState, reason: str | None, language: str | None
    ) -> None:
        """Store the final state of a claimed message."""


class StoredOutbox:
    """The outbox as the table `message`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim_message(self, name: MessageName, kind: MessageKind) -> Claim:
        """Claim the message in a transaction of its own."""
        async with self._database.begin() as session:
            return await messages.claim_message(session, name, kind.value, datetime.now(UTC))

    async def conclude_message(
        self, name: MessageName, state: MessageState, reason: str | None, language: str | None
    ) -> None:
        """Store the final state in a transaction of its own."""
        async with self._database.begin() as session:
            await messages.conclude_message(session, name, state, datetime.now(UTC), reason, language)


class Messaging:
    """Activities that send messages to customers over the configured channels."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        composer: MessageComposer,
        addresses: ContactStore,
        outbox: Outbox,
        suppressions: Suppressions | None = None,
    ) -> None:
        self._channels, self._composer = channels, composer
        self._addresses, self._outbox = addresses, outbox
        self._suppressions = suppressions or NoSuppressions()

    @activity.defn(name="notify")
    async def send_message(self, order: NotifyInput) -> DeliveryResult:
        """Send it, unless an earlier execution did or may have. Bounded: what can't go out is given up."""
        async with heartbeat_in_background():
            return await self._send_once(order)

    async def _send_once(self, order: NotifyInput) -> DeliveryResult:
        name = MessageName(recovery_id=order.recovery.recovery_id, step=order.step, channel=order.channel)
        claim = await self._outbox.claim_message(name, order.kind)
        if not claim.is_ours:
            return _result_of_earlier_claim(claim)
        language = None
        try:
            letter = await self._compose_message(order, name)
            language = letter.language
            async with asyncio.timeout(CHANNEL_SECONDS):
                await self._channels[order.channel].send(letter)
        except NotDelivered as refused:
            return await self._handle_not_sent(name, refused, claim.tries)
        except Exception as error:  # a channel may raise anything, and nobody knows how far it came
            structlog.get_logger("messages").warning("a message was maybe sent", error=type(error).__name__)
            return DeliveryResult(outcome=MessageOutcome.MAYBE_SENT, reason=type(error).__name__, language=language)
        await self._outbox.conclude_message(name, MessageState.SENT, None, language)
        return DeliveryResult(outcome=MessageOutcome.SENT, language=language)

    async def _compose_message(self, order: NotifyInput, name: MessageName) -> CustomerMessage:
        """Raises NotDelivered where there is nobody to write to, or nothing to write with."""
        if order.channel not in self._channels:
            raise NotDelivered("channel_not_set_up", permanent=True)
        try:
            return self._render_message(await self._load_subject(order, name))
        except NotDelivered:
            raise
        except Exception as error:  # nothing was sent, whatever is wrong with the tables
            raise NotDelivered(type(error).__name__) from error

    async def _load_subject(self, order: NotifyInput, name: MessageName) -> MessageSubject:
        """What the message is about. Raises NotDelivered without a contact, or for one who unsubscribed."""
        recovery = order.recovery
        contact = await self._load_contact(recovery)
        if contact is None or recovery.customer_id is None:
            raise NotDelivered("no_contact", permanent=True)
        mine = Subscription(provider=recovery.provider, customer_id=recovery.customer_id, channel=order.channel)
        if await self._suppressions.is_suppressed(mine):
            raise NotDelivered("unsubscribed", permanent=True)
        return _build_subject(order, name, contact, await self._suppressions.unsubscribe_link(mine))

    def _render_message(self, about: MessageSubject) -> CustomerMessage:
        """Whatever is wrong with the words, nothing was sent."""
        try:
            return self._composer.compose_message(about)
        except NotDelivered:
            raise
        except Exception as error:
            raise NotDelivered(f"template_{type(error).__name__}", permanent=True) from error

    async def _load_contact(self, recovery: Recovery) -> Contact | None:
        if recovery.customer_id is None:
            return None
        return await self._addresses.load_contact(recovery.provider, recovery.customer_id, recovery.invoice_id)

    async def _handle_not_sent(self, name: MessageName, refused: NotDelivered, tries: int) -> DeliveryResult:
        """Try again in a moment, or, where that is of no use, say that it failed."""
        over = refused.permanent or tries >= MOST_TRIES
        await self._outbox.conclude_message(
            name, MessageState.FAILED if over else MessageState.UNSENT, refused.reason, None
        )
        if not over:
            pause = FIRST_PAUSE * 4 ** (tries - 1)
            raise ApplicationError(str(refused), type="NotDelivered", next_retry_delay=pause)
        return DeliveryResult(outcome=MessageOutcome.FAILED, reason=refused.reason)


def _result_of_earlier_claim(claim: Claim) -> DeliveryResult:
    """The result of an earlier execution; MAYBE_SENT if its worker died between claim and result."""
    if claim.state is MessageState.SENDING:
        return DeliveryResult(outcome=MessageOutcome.MAYBE_SENT, reason="worker_lost")
    return DeliveryResult(
        outcome=MessageOutcome.SENT if claim.state is MessageState.SENT else MessageOutcome.FAILED,
        reason=claim.reason,
    )


def _build_subject(order: NotifyInput, name: MessageName, contact: Contact, unsubscribe: str) -> MessageSubject:
    recovery = order.recovery
    plan = recovery.messages
    return MessageSubject(
        name=message_name(name.recovery_id, name.step, name.channel),
        kind=order.kind,
        provider=recovery.provider,
        invoice_id=recovery.invoice_id,
        amount=recovery.amount if order.amount is None else order.amount,
        currency=order.currency or recovery.currency,
        cause=recovery.cause,
        ability=recovery.ability,
        retry_at=recovery.next_attempt_at,
        deadline=recovery.until or (plan.occasion.ends_at if plan else None),
        contact=contact,
        unsubscribe=unsubscribe,
        zones=_date_zones(recovery, contact),
    )


def _date_zones(recovery: Recovery, contact: Contact) -> tuple[str, ...]:
    """Time zones for dates in the message, by the contact's country and zone, else the recovery's."""
    country = contact.country or recovery.country or recovery.card.country
    return zones_for_dates(country, contact.time_zone or recovery.time_zone)
