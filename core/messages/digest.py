"""Which operators' notices make a message now: one a topic, however many there are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple

from core.messages.notices import Notice, NoticeTopic
from core.money import format_amount

DIGEST_PAUSE: Final = timedelta(minutes=10)
"""Between two messages of one topic: what happens meanwhile comes in the next one."""
TROUBLE_THRESHOLD: Final = 10
"""So many technical failures of one provider within `TROUBLE_WITHIN` are the provider's trouble."""
TROUBLE_WINDOW: Final = timedelta(minutes=15)
MAX_LISTED: Final = 10
TOPIC_TITLES: Final[Mapping[str, str]] = {
    NoticeTopic.REVIEW: "a recovery waits for review",
    NoticeTopic.LOST: "an important recovery failed",
    NoticeTopic.DISPUTE: "a payment is disputed",
    NoticeTopic.CONFIGURATION: "the set-up must be mended",
    NoticeTopic.UNKNOWN_CODE: "a decline code is unknown",
    NoticeTopic.TROUBLE: "a provider has trouble",
    NoticeTopic.DEAD_LETTER: "something was given up",
    NoticeTopic.UNREADABLE: "an invoice could not be read at its provider",
    NoticeTopic.MONEY_BACK: "money went back, or came after the end",
}


class Digest(NamedTuple):
    """One message to the operators; without a title the notices are let go in silence."""

    title: str
    body: str
    notices: tuple[Notice, ...]


def build_digests(waiting: Iterable[Notice], last: Mapping[str, datetime], now: datetime) -> Iterator[Digest]:
    """The messages that are due. Notices in none of them wait for the next pass."""
    by_topic = groupby(sorted(waiting, key=lambda one: one.topic), key=lambda one: one.topic)
    for topic, grouped in by_topic:
        found = sorted(grouped, key=lambda one: one.occurred_at)
        if topic == NoticeTopic.TROUBLE:
            yield from _trouble_digests(found, now, _is_paused(topic, last, now))
        elif not _is_paused(topic, last, now):
            yield _build_digest(topic, found)


def _is_paused(topic: str, last: Mapping[str, datetime], now: datetime) -> bool:
    return topic in last and now - last[topic] < DIGEST_PAUSE


def _trouble_digests(found: Sequence[Notice], now: datetime, paused: bool) -> Iterator[Digest]:
    """Single technical failures are everyday life; many at once of one provider are worth one message."""
    stale = tuple(one for one in found if now - one.occurred_at > TROUBLE_WINDOW)
    for provider in sorted({str(one.data.get("provider")) for one in found if one not in stale}):
        fresh = [one for one in found if one not in stale and one.data.get("provider") == provider]
        if len(fresh) >= TROUBLE_THRESHOLD and not paused:
            minutes = TROUBLE_WINDOW // timedelta(minutes=1)
            body = f"{len(fresh)} payments failed for technical reasons within {minutes} minutes, which is unusual."
            yield Digest(f"{provider}: {TOPIC_TITLES[NoticeTopic.TROUBLE]}", body, tuple(fresh))
    if stale:
        yield Digest("", "", stale)


def _build_digest(topic: str, found: Sequence[Notice]) -> Digest:
    many = f" ({len(found)} times)" if len(found) > 1 else ""
    lines = [_notice_line(one) for one in found[:MAX_LISTED]]
    more = [f"and {len(found) - MAX_LISTED} more"] if len(found) > MAX_LISTED else []
    return Digest(f"{TOPIC_TITLES.get(topic, topic)}{many}", "\n".join([*lines, *more]), tuple(found))


def _notice_line(one: Notice) -> str:
    data = one.data
    amount, currency = data.get("amount"), data.get("currency") or ""
    money = format_amount(amount, currency) if isinstance(amount, int) and currency else ""
    parts = (data.get("invoice_id") or data.get("name") or one.recovery_id, money, data.get("why"))
    return ", ".join(str(part) for part in parts if part)
