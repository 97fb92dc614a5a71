"""Stores verified webhooks in the inbox, with what the events decide by themselves. Whole bodies or nothing of them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from api.background import Background
from api.shared_commits import SharedCommits
from core.customer_ids import names_person
from core.errors import InvalidPolicy, StoreUnavailable
from core.messages.recipients import ContactUpdate
from core.notices import Notice, dead_letter_notice
from core.payments import ProviderEvent
from core.policy.policy import Policy
from core.policy.scope import ScopeRules
from db.repositories import contacts, inbox, new_webhooks, notices
from db.repositories.inbox import WebhookOutcome
from db.repositories.new_webhooks import NewWebhook
from db.session import Database, Session
from intake.customer_ids import CustomerIds
from intake.delivery import Delivery, ignore_without_effect

STORE_WITHIN: Final = timedelta(seconds=4)
"""Time limit for storing; below the providers' own time-outs, so that they get our 503 and send again."""
LARGEST_SHARED: Final = 64 * 1024
"""Bytes of a body that shares its transaction with others. Stripe's are a few thousand."""
_UNUSABLE_DETAILS: Final = ("unfit", "reference can't be taken", "it could not be read")
"""Beginnings of the details of events that could not be understood. A failed payment may be among them."""


class ReceivedBody(NamedTuple):
    """A verified body: its events, all of one provider, and the contacts that it tells."""

    events: tuple[ProviderEvent, ...]
    people: tuple[ContactUpdate, ...]
    content: bytes
    received_at: datetime


class StoredEvent(NamedTuple):
    """An event as it was stored in the inbox."""

    event: ProviderEvent
    """With the customer's id as it is known here."""
    is_new: bool
    delivery: Delivery | None
    """The result, if it was decided without a delivery."""


class WebhookStore:
    """The inbox of one API process."""

    def __init__(
        self, background: Background, database: Database, customer_ids: CustomerIds, policy: Callable[[], Policy]
    ) -> None:
        self._background, self._database, self._customer_ids, self._policy = background, database, customer_ids, policy
        self._shared: SharedCommits[ReceivedBody, list[StoredEvent]] = SharedCommits(
            background, STORE_WITHIN, self._store_shared
        )

    def current_scope(self) -> ScopeRules:
        """The active policy's scope rules; the shipped ones if the policy file was never valid. Never raises."""
        try:
            return self._policy().scope
        except InvalidPolicy:
            return ScopeRules()

    async def store(self, body: ReceivedBody) -> list[StoredEvent]:
        """Stores the events of one body, all or none; returns after the commit.

        Raises StoreUnavailable, after four seconds at the latest, and InvalidInput for what PostgreSQL can't hold.
        """
        try:
            if _may_share(body):
                return await self._shared.store(body)
            return await self._background.run_within(STORE_WITHIN, self._store_alone(body))
        except TimeoutError:
            raise StoreUnavailable("The database does not answer in time.") from None

    async def _store_shared(self, bodies: Sequence[ReceivedBody]) -> list[list[StoredEvent]]:
        """Stores bodies for which `_may_share` holds, by one statement and nothing else."""
        scope = self.current_scope()
        rows = [_new_webhook(body.events[0], scope, body) for body in bodies]
        async with self._database.begin_statement() as session:
            news = await new_webhooks.insert_webhooks(session, [row for row, _ in rows])
        found = zip(bodies, rows, news, strict=True)
        return [[_stored_event(body.events[0], is_new, delivery)] for body, (_, delivery), is_new in found]

    async def _store_alone(self, body: ReceivedBody) -> list[StoredEvent]:
        """Stores one body, with what it brings besides its rows, by one transaction."""
        scope = self.current_scope()
        async with self._database.begin() as session:
            events = await self._customer_ids.hide(session, body.events[0].provider, body.events)
            rows = [_new_webhook(event, scope, body) for event in events]
            news = await new_webhooks.insert_webhooks(session, [row for row, _ in rows])
            found = zip(events, rows, news, strict=True)
            stored = [_stored_event(event, is_new, delivery) for event, (_, delivery), is_new in found]
            await self._store_beside(session, body, stored)
        return stored

    async def _store_beside(self, session: Session, body: ReceivedBody, stored: Sequence[StoredEvent]) -> None:
        """What a body brings besides its rows; nothing for one that may share its transaction."""
        provider, now = body.events[0].provider, body.received_at
        news = [one for one in stored if one.is_new]
        unusable = [one.event for one in news if one.delivery]
        await notices.add_notices(
            session, [notice for event in unusable for notice in _dead_letter_notices(event, now)]
        )
        if len(stored) > 1:
            await inbox.blank_shared_body(session, provider, [one.event.event_id for one in stored], now)
        # Not for duplicates: an old webhook that is sent again must not overwrite a newer contact.
        if news and body.people:
            people = await self._customer_ids.hide(session, provider, body.people)
            await contacts.learn_contacts(session, provider, people, now)


def _may_share(body: ReceivedBody) -> bool:
    """Whether the body is one row of the inbox and nothing else.

    The others may wait for locks on rows of customers, which would hold up, or deadlock with, whoever shares.
    """
    if len(body.events) > 1 or body.people or len(body.content) > LARGEST_SHARED:
        return False
    event = body.events[0]
    return not (event.customer_id and names_person(event.customer_id)) and not _is_unusable(event)


def _new_webhook(event: ProviderEvent, scope: ScopeRules, body: ReceivedBody) -> tuple[NewWebhook, Delivery | None]:
    """The row of an event, with its result if that is decided without a delivery."""
    new = NewWebhook(event.provider, event.event_id, event.event_type, body.received_at, body.content, event)
    delivery = ignore_without_effect(event, scope, body.received_at)
    if delivery is None:
        return new, None
    return new._replace(outcome=WebhookOutcome(delivery.status.value), reason=delivery.reason), delivery


def _stored_event(event: ProviderEvent, is_new: bool, delivery: Delivery | None) -> StoredEvent:
    return StoredEvent(event, is_new, delivery if is_new else None)


def _is_unusable(event: ProviderEvent) -> bool:
    """Whether the event could not be understood; not one that has no effect by design."""
    return (event.detail or "").startswith(_UNUSABLE_DETAILS)


def _dead_letter_notices(event: ProviderEvent, now: datetime) -> list[Notice]:
    """A notice to operators for an event that could not be understood."""
    if not _is_unusable(event):
        return []
    name = f"webhook {event.event_id} of {event.provider}"
    why = event.detail or ""
    return [dead_letter_notice(name, now, provider=event.provider, invoice_id=event.invoice_id, why=why)]
