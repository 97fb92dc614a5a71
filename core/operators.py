"""Operator commands, the rule of two people for large amounts, and the limits of the login throttle."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from core.base import Value
from core.errors import CommandRefused
from core.events.types import ReviewDecision
from core.formatting import format_moment, spell_duration
from core.redaction.text import redact_text
from core.redaction.types import FreeText, PersonName


class Action(StrEnum):
    """Commands that an operator can submit to a recovery."""

    RETRY = "retry"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    REVIEW = "review"


def person_key(name: str) -> str:
    """The form in which names of people are compared; equal for `Ann`, `ann ` and `ANN`, empty for a blank name.

    NFKC and case folding as in Unicode's identifier caseless matching (Unicode 15.0, section 3.13, D147), without
    characters that nobody sees and without blanks around it.
    """
    seen = "".join(one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) not in _UNSEEN)
    # Folding may undo the normal form, so it is restored.
    return unicodedata.normalize("NFKC", seen.casefold()).strip()


_UNSEEN: Final = frozenset({"Cf", "Cc"})
"""Format and control characters: zero-width joiners, marks of direction, soft hyphens."""


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are one person's, over the API, in the admin console and in the log."""
    return person_key(one) == person_key(other)


def _clean_request_id(given: str | None) -> str | None:
    """The id as given; None for one that can't be written down. The API's own ids are hashes in hex and always stay."""
    is_hash = given is not None and len(given) in {32, 64} and set(given) <= set("0123456789abcdef")
    return given if given is None or is_hash or redact_text(given) == given else None


class Command(Value):
    """One operator command. Its texts are redacted as it is made, since the log never forgets them."""

    action: Action
    actor: PersonName = "temporal"
    reason: FreeText = ""
    decision: FreeText | None = None
    """For a review: approve or reject."""
    request_id: Annotated[str | None, AfterValidator(_clean_request_id)] = None
    """Identifies the command; sent twice, it takes effect once. Without it a signal is known by its place."""
    asked_by: PersonName | None = None
    """If two people are needed: who submitted the same command first. `asked_reason` is that person's reason."""
    asked_reason: FreeText | None = None
    signal: str | None = None
    """The signal and run that it came by; set by the workflow alone."""


_COMMAND_TEXT_FIELDS = ("actor", "reason", "decision", "request_id", "asked_by", "asked_reason")


def parse_command(action: Action, given: Any) -> Command:
    """A command from any signal input: an object's known fields; anything else becomes `reason`. Never raises."""
    if not isinstance(given, dict):
        return Command(action=action, reason="" if given is None else str(given))
    texts = {key: str(given[key]) for key in _COMMAND_TEXT_FIELDS if given.get(key)}
    if "decision" in texts:
        texts["decision"] = texts["decision"].strip().lower()
    return Command(action=action, **texts)


APPROVAL_LIFETIME: Final = timedelta(hours=24)
"""How long the first person's request waits for a second one."""
SECOND_APPROVER: Final = "second_approver"
"""The refusal code of a command that needs a second person."""


class OperatorRules(Value):
    """The `[operators]` table of a policy."""

    second_approver_above: Mapping[str, int] = {}
    """The amount above which two people are needed, in minor units by currency; other currencies have no limit."""
    retries_per_hour: int = 60
    """Retries per person, by whatever key or sign-in. Each may be a charge, which the card networks count."""


class ApprovalRequest(Value):
    """One person's command that waits for the same from a second person."""

    asked_by: str
    asked_at: datetime
    expires_at: datetime
    reason: str


class ApprovalStatus(StrEnum):
    """State of an operator command that needs two people, after one more submission."""

    REQUESTED = "asks"
    """Submitted by the first person: it waits."""
    PENDING = "waits"
    """Submitted by the same person again: it still waits."""
    GRANTED = "granted"
    """Submitted by a second person: it is carried out."""


def needs_second_approver(
    rules: OperatorRules, action: Action, decision: str | None, amount: int, currency: str
) -> bool:
    """Whether a command needs two people: a retry or an approval above the limit of its currency, in minor units."""
    if action is not Action.RETRY and (action, decision) != (Action.REVIEW, ReviewDecision.APPROVE):
        return False
    # Without a currency the amount isn't known either, so it may be above any limit.
    if not currency:
        return bool(rules.second_approver_above)
    limit = rules.second_approver_above.get(currency.upper())
    return limit is not None and amount > limit


def approval_status(
    ask: ApprovalRequest | None, actor: str, now: datetime, *, may_be_second: bool = True
) -> ApprovalStatus:
    """The state after `actor` submits a command for which `ask` is the open request, if any; an expired one is none.

    Whoever may not be the second person (the bootstrap key, which is nobody in particular) leaves a request waiting.
    """
    if ask is None or ask.expires_at <= now:
        return ApprovalStatus.REQUESTED
    is_second = may_be_second and not is_same_person(ask.asked_by, actor)
    return ApprovalStatus.GRANTED if is_second else ApprovalStatus.PENDING


def describe_approval_request(ask: ApprovalRequest, *, may_be_second: bool = True) -> str:
    """The answer to the first person, with until when the second one may submit the same.

    Who holds the bootstrap key is told that it is never the second person.
    """
    told = "" if may_be_second else " The bootstrap key is never the second person."
    return (
        f"This amount takes two people: {ask.asked_by} submitted the command; another operator must submit the same "
        f"until {format_moment(ask.expires_at)} ({spell_duration(APPROVAL_LIFETIME)}).{told}"
    )


def second_approver_refusal() -> CommandRefused:
    """The error, to be raised by the caller, for a command that came past the approvals, as by a signal."""
    sentence = "This amount takes two people, who submit it over the API or the admin console, where both are known."
    return CommandRefused(SECOND_APPROVER, sentence)


LOGIN_WINDOW: Final = timedelta(minutes=15)
MAX_FAILURES_PER_NAME: Final = 5
"""Wrong passwords for one name within LOGIN_WINDOW after which it is locked."""
MAX_FAILURES_PER_ADDRESS: Final = 20
"""Wrong passwords from one address within LOGIN_WINDOW, whatever the names, after which it is locked."""


def login_delay(count: int, first_at: datetime | None, most: int, now: datetime) -> timedelta:
    """The time until one more login is allowed after `count` failures since `first_at`; zero: now."""
    return max(timedelta(), first_at + LOGIN_WINDOW - now) if first_at and count >= most else timedelta()
