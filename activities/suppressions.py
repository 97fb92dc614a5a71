"""Who wants no more messages, asked right before each one; and the link by which a customer says so."""

from collections.abc import Sequence
from typing import Protocol

from core.messages.unsubscribe import Subscription, create_unsubscribe_token
from db.repositories import suppressions
from db.session import Database
from notifications.unsubscribe import UnsubscribeLinks


class Suppressions(Protocol):
    """Wishes and links. Raises StoreUnavailable; then nothing may be sent."""

    async def is_suppressed(self, subscription: Subscription) -> bool:
        """Whether such messages are not wanted."""

    async def unsubscribe_link(self, subscription: Subscription) -> str:
        """Where this customer ends them; empty where there is no such place."""


class NoSuppressions:
    """Nobody unsubscribed, and nobody can: for tests, and for previews."""

    async def is_suppressed(self, _: Subscription) -> bool:
        """Never."""
        return False

    async def unsubscribe_link(self, _: Subscription) -> str:
        """None."""
        return ""


class StoredSuppressions:
    """The table `suppression`. Links are signed by the newest secret of the settings, else by the key in the table."""

    def __init__(self, database: Database, links: UnsubscribeLinks, secrets: Sequence[bytes] = ()) -> None:
        self._database, self._links, self._secrets = database, links, tuple(secrets)

    async def is_suppressed(self, subscription: Subscription) -> bool:
        """Whether such messages are not wanted."""
        async with self._database.begin() as session:
            return await suppressions.is_suppressed(session, subscription)

    async def unsubscribe_link(self, subscription: Subscription) -> str:
        """Where this customer ends them."""
        if not self._links.personal:
            return self._links.link("")
        return self._links.link(
            create_unsubscribe_token(
                subscription, self._secrets[0] if self._secrets else await self._load_signing_key()
            )
        )

    async def _load_signing_key(self) -> bytes:
        async with self._database.begin() as session:
            return (await suppressions.signing_keys(session))[0]
