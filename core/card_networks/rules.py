"""The card networks' limits: attempts per credential in a rolling window, and none after certain answers.

Pure: the rules are data with effective dates (`core.card_networks.tables` reads them), the tries are handed in. Every
window rolls: a try at `t` looks back to just after `t - window`, so that no window of that length holds more.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Final

from core.base import Value

ANY_NETWORK: Final = "any"
"""The network of rules for all others."""
NEVER_AGAIN: Final = "never_again"
"""The binding rule where an earlier answer forbids every further try."""


class AttemptOutcome(StrEnum):
    """What became of a try, as far as the networks count."""

    REQUESTED = "requested"
    """Committed; sent or about to be. Counts until it is known to be otherwise."""
    DECLINED = "declined"
    APPROVED = "approved"
    NOT_SENT = "not_sent"
    """Refused before it reached the network."""
    RELEASED = "released"
    """Certainly never executed; does not count."""
    HELD = "held"
    """Not made, because a rule forbade it."""

    @property
    def is_counted(self) -> bool:
        """Whether it uses one of the network's tries."""
        return self in {AttemptOutcome.REQUESTED, AttemptOutcome.DECLINED}


class LedgerEntry(Value):
    """One try of one credential. Amount in minor units; codes as the network gave them."""

    recovery_id: str
    key: str
    """Which try of the recovery it is: the same in every repeat."""
    provider: str
    fingerprint: str | None = None
    network: str | None = None
    amount: int
    currency: str
    at: datetime
    attempt: int | None = None
    trigger: str
    outcome: AttemptOutcome
    code: str | None = None
    network_code: str | None = None
    network_advice: str | None = None
    fee_amount: int | None = None
    """Caused by this try; of a held one, avoided. Minor units; None where nothing is known of a fee."""
    fee_currency: str | None = None


class Credential(Value):
    """What is going to be charged. Without a fingerprint only the recovery's own tries are known."""

    provider: str
    recovery_id: str
    fingerprint: str | None = None
    network: str | None = None
    amount: int = 0
    currency: str = ""


class NetworkLimit(Value):
    """So many tries within a window, from a day on."""

    network: str
    window: str
    """As the policy file names it: 24h, 30d."""
    length: timedelta
    allowed: int
    per_amount: bool
    """Whether tries of other amounts are counted apart."""
    approval_resets: bool
    effective: date
    source: str

    @property
    def name(self) -> str:
        """Its key in the policy file."""
        return f"{self.network}_{self.window}"


class StopRule(Value):
    """An answer after which a credential is never tried again."""

    network: str
    kind: str
    code: str
    reason: str
    source: str


class NetworkFee(Value):
    """What one try too many costs, in minor units, from a day on."""

    network: str
    kind: str
    amount: int
    currency: str
    effective: date
    source: str


class LimitUsage(Value):
    """One limit as it stands at a moment."""

    rule: str
    seconds: int
    allowed: int
    used: int
    left: int
    free_at: datetime | None = None
    """When a try is possible again; None: now."""
    per_amount: bool = False
    source: str = ""


class Verdict(Value):
    """Whether a try is allowed at a moment, and how far each limit is used."""

    windows: tuple[LimitUsage, ...] = ()
    never: str | None = None
    """Why this credential is never to be tried again."""

    @property
    def is_allowed(self) -> bool:
        """Whether no stop rule and no used-up limit forbids the attempt."""
        return self.never is None and self.binding is None

    @property
    def binding(self) -> LimitUsage | None:
        """The used-up limit that lasts longest."""
        full = [(window.free_at, window.rule, window) for window in self.windows if window.free_at]
        return max(full)[2] if full else None

    @property
    def rule(self) -> str | None:
        """Name of the rule that forbids the attempt; None if it is allowed."""
        return NEVER_AGAIN if self.never else self.binding.rule if self.binding else None


class NetworkRules(Value):
    """All rules, of all dates."""

    limits: tuple[NetworkLimit, ...] = ()
    stops: tuple[StopRule, ...] = ()
    fees: tuple[NetworkFee, ...] = ()

    def limits_in_force(self, network: str | None, on: date) -> tuple[NetworkLimit, ...]:
        """The limits of a network on a day; of an unknown one the careful defaults."""
        known = any(limit.network == network for limit in self.limits)
        mine = sorted((one for one in self.limits if one.network == (network if known else ANY_NETWORK)), key=_by_date)
        return tuple(_limit_in_force(list(dated), on) for _, dated in groupby(mine, key=lambda limit: limit.name))

    def limit_ceilings(self) -> Mapping[str, int]:
        """The most that each rule allows or ever allowed, by its name."""
        return {one.name: max(other.allowed for other in self.limits if other.name == one.name) for one in self.limits}

    def lower_limits(self, wanted: Mapping[str, int]) -> "NetworkRules":
        """The same rules with a merchant's own limits; one above the network's changes nothing."""
        limits = (one.model_copy(update={"allowed": min(one.allowed, wanted[one.name])}) if one.name in wanted else one
                  for one in self.limits)  # fmt: skip
        return self.model_copy(update={"limits": tuple(limits)})

    def find_fee(self, network: str | None, kind: str, on: date) -> NetworkFee | None:
        """What a try too many (`excess`) or after a stop (`stop`) costs on a day; None where nothing is published."""
        known = [fee for fee in self.fees if (fee.network, fee.kind) == (network, kind) and fee.effective <= on]
        return max(known, key=lambda fee: fee.effective, default=None)


def _by_date(limit: NetworkLimit) -> tuple[str, date]:
    return limit.name, limit.effective


def _limit_in_force(dated: Sequence[NetworkLimit], on: date) -> NetworkLimit:
    """The one in force; before the first, the first: to count too early harms nobody."""
    return next((limit for limit in reversed(dated) if limit.effective <= on), dated[0])


def check_attempt(rules: NetworkRules, credential: Credential, tries: Sequence[LedgerEntry], at: datetime) -> Verdict:
    """Whether one more try is allowed at `at`. `tries` are all of this credential, in any order."""
    limits = rules.limits_in_force(credential.network, at.date())
    windows = tuple(_limit_usage(limit, _counted_moments(limit, credential, tries), at) for limit in limits)
    return Verdict(windows=windows, never=find_stop_reason(rules, credential, tries))


def find_stop_reason(rules: NetworkRules, credential: Credential, tries: Iterable[LedgerEntry]) -> str | None:
    """Why this credential is never to be tried again. Nothing is known of one without a fingerprint: it may be new."""
    if credential.fingerprint is None:
        return None
    declined = (
        one for one in tries if one.outcome is AttemptOutcome.DECLINED and (one.network_code or one.network_advice)
    )
    return next((stop.reason for one in declined for stop in rules.stops if _matches_stop(stop, one, credential)), None)


def _matches_stop(stop: StopRule, one: LedgerEntry, credential: Credential) -> bool:
    network = one.network or credential.network
    code = one.network_code if stop.kind == "response_code" else one.network_advice
    return (code or "").strip().upper().zfill(2) == stop.code and stop.network in {ANY_NETWORK, network or stop.network}


def _counted_moments(limit: NetworkLimit, credential: Credential, tries: Sequence[LedgerEntry]) -> list[datetime]:
    """The moments of the tries that this limit counts, the newest first."""
    mine = [one for one in tries if not limit.per_amount or _is_same_amount(one, credential)]
    approvals = [one.at for one in mine if one.outcome is AttemptOutcome.APPROVED] if limit.approval_resets else []
    since = max(approvals, default=None)
    counted = (one.at for one in mine if one.outcome.is_counted and (since is None or one.at > since))
    return sorted(counted, reverse=True)


def _is_same_amount(one: LedgerEntry, credential: Credential) -> bool:
    return (one.amount, one.currency.upper()) == (credential.amount, credential.currency.upper())


def _limit_usage(limit: NetworkLimit, counted: Sequence[datetime], at: datetime) -> LimitUsage:
    inside = [moment for moment in counted if moment > at - limit.length]
    full = len(inside) >= limit.allowed
    return LimitUsage(
        rule=limit.name,
        seconds=int(limit.length.total_seconds()),
        allowed=limit.allowed,
        used=len(inside),
        left=max(limit.allowed - len(inside), 0),
        free_at=inside[limit.allowed - 1] + limit.length if full else None,
        per_amount=limit.per_amount,
        source=limit.source,
    )


def find_free_moment(
    rules: NetworkRules, credential: Credential, tries: Sequence[LedgerEntry], at: datetime
) -> datetime | None:
    """The earliest moment from `at` on at which a try is allowed, were there no further ones; None: never.

    What is allowed changes only where a try leaves a window, and on the first day of a rule.
    """
    if find_stop_reason(rules, credential, tries):
        return None
    lengths = {limit.length for limit in rules.limits}
    leaving = {one.at + length for one in tries for length in lengths}
    dawns = {datetime(*limit.effective.timetuple()[:3], tzinfo=at.tzinfo) for limit in rules.limits}
    later = sorted(moment for moment in leaving | dawns if moment > at)
    return next((moment for moment in (at, *later) if check_attempt(rules, credential, tries, moment).is_allowed), None)


def fee_of(rules: NetworkRules, credential: Credential, verdict: Verdict, at: datetime) -> NetworkFee | None:
    """What a try costs that this verdict forbids; None for an allowed one, or where no fee is published."""
    if verdict.is_allowed:
        return None
    return rules.find_fee(credential.network, "stop" if verdict.never else "excess", at.date())
