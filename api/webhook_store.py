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
            background, STORE_WITHIN, self._store_bodies
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
            return (await self._background.run_within(STORE_WITHIN, self._store_bodies([body])))[0]
        except TimeoutError:
            raise StoreUnavailable("The database does not answer in time.") from None

    async def _store_bodies(self, bodies: Sequence[ReceivedBody]) -> list[list[StoredEvent]]:
        """Stores these bodies by one transaction. Of several, `_may_share` holds for each."""
        scope = self.current_scope()
        async with self._database.begin() as session:
            events = [await self._hide_customers(session, body) for body in bodies]
            decided = [
                [(event, ignore_without_effect(event, scope, body.received_at)) for event in found]
                for body, found in zip(bodies, events, strict=True)
            ]
            rows = [
                _new_webhook(event, delivery, body)
                for body, found in zip(bodies, decided, strict=True)
                for event, delivery in found
            ]
            news = iter(await new_webhooks.insert_webhooks(session, rows))
            stored = [[_stored_event(event, next(news), delivery) for event, delivery in found] for found in decided]
            for body, found_events in zip(bodies, stored, strict=True):
                await self._store_beside(session, body, found_events)
        return stored

    async def _hide_customers(self, session: Session, body: ReceivedBody) -> tuple[ProviderEvent, ...]:
        return await self._customer_ids.hide(session, body.events[0].provider, body.events)

    async def _store_beside(self, session: Session, body: ReceivedBody, stored: Sequence[StoredEvent]) -> None:
        """What a body brings besides its rows; no statement for one that may share its transaction."""
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


def _new_webhook(event: ProviderEvent, delivery: Delivery | None, body: ReceivedBody) -> NewWebhook:
    new = NewWebhook(event.provider, event.event_id, event.event_type, body.received_at, body.content, event)
    if delivery is None:
        return new
    return new._replace(outcome=WebhookOutcome(delivery.status.value), reason=delivery.reason)


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
