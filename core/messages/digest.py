"""Which operators' notices make a message now: one a topic, however many there are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple

from core.messages.notices import Notice, Topic
from core.money import text

PAUSE: Final = timedelta(minutes=10)
"""Between two messages of one topic: what happens meanwhile comes in the next one."""
TROUBLE_AFTER: Final = 10
"""So many technical failures of one provider within `TROUBLE_WITHIN` are the provider's trouble."""
TROUBLE_WITHIN: Final = timedelta(minutes=15)
LISTED: Final = 10
TITLES: Final[Mapping[str, str]] = {
    Topic.REVIEW: "a recovery waits for review",
    Topic.LOST: "an important recovery failed",
    Topic.DISPUTE: "a payment is disputed",
    Topic.CONFIGURATION: "the set-up must be mended",
    Topic.UNKNOWN_CODE: "a decline code is unknown",
    Topic.TROUBLE: "a provider has trouble",
    Topic.DEAD_LETTER: "something was given up",
    Topic.UNREADABLE: "an invoice could not be read at its provider",
    Topic.MONEY_BACK: "money went back, or came after the end",
}


class Digest(NamedTuple):
    """One message to the operators; without a title the notices are let go in silence."""

    title: str
    body: str
    notices: tuple[Notice, ...]


def digests(waiting: Iterable[Notice], last: Mapping[str, datetime], now: datetime) -> Iterator[Digest]:
    """The messages that are due. Notices in none of them wait for the next pass."""
    by_topic = groupby(sorted(waiting, key=lambda one: one.topic), key=lambda one: one.topic)
    for topic, grouped in by_topic:
        found = sorted(grouped, key=lambda one: one.occurred_at)
        if topic == Topic.TROUBLE:
            yield from _trouble(found, now, _paused(topic, last, now))
        elif not _paused(topic, last, now):
            yield _digest(topic, found)


def _paused(topic: str, last: Mapping[str, datetime], now: datetime) -> bool:
    return topic in last and now - last[topic] < PAUSE


def _trouble(found: Sequence[Notice], now: datetime, paused: bool) -> Iterator[Digest]:
    """Single technical failures are everyday life; many at once of one provider are worth one message."""
    stale = tuple(one for one in found if now - one.occurred_at > TROUBLE_WITHIN)
    for provider in sorted({str(one.data.get("provider")) for one in found if one not in stale}):
        fresh = [one for one in found if one not in stale and one.data.get("provider") == provider]
        if len(fresh) >= TROUBLE_AFTER and not paused:
            minutes = TROUBLE_WITHIN // timedelta(minutes=1)
            body = f"{len(fresh)} payments failed for technical reasons within {minutes} minutes, which is unusual."
            yield Digest(f"{provider}: {TITLES[Topic.TROUBLE]}", body, tuple(fresh))
    if stale:
        yield Digest("", "", stale)


def _digest(topic: str, found: Sequence[Notice]) -> Digest:
    many = f" ({len(found)} times)" if len(found) > 1 else ""
    lines = [_line(one) for one in found[:LISTED]]
    more = [f"and {len(found) - LISTED} more"] if len(found) > LISTED else []
    return Digest(f"{TITLES.get(topic, topic)}{many}", "\n".join([*lines, *more]), tuple(found))


def _line(one: Notice) -> str:
    data = one.data
    amount, currency = data.get("amount"), data.get("currency") or ""
    money = text(amount, currency) if isinstance(amount, int) and currency else ""
    parts = (data.get("invoice_id") or data.get("name") or one.recovery_id, money, data.get("why"))
    return ", ".join(str(part) for part in parts if part)
