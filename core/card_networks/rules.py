"""The card networks' limits: attempts per credential in a rolling window, and none after certain answers.

Pure: the rules are data with effective dates and a source per row (`network_limits.csv`, `network_stops.csv` and
`network_fees.csv`, read by `core.card_networks.tables`), the attempts are arguments. Every window rolls: an attempt at
`t` counts those after `t - window`, so that no window of that length ever holds more than the limit.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import groupby
from typing import Final

from core.base import Value

ANY_NETWORK: Final = "any"
"""The network of rules that apply to every network without rules of its own."""
NEVER_AGAIN: Final = "never_again"
"""Name of the binding rule if an earlier answer forbids every further attempt."""


class AttemptOutcome(StrEnum):
    """Outcome of an attempt, as far as it matters to the networks' counting."""

    REQUESTED = "requested"
    """Committed, and sent or about to be. It counts until it is known not to have reached the network."""
    DECLINED = "declined"
    APPROVED = "approved"
    NOT_SENT = "not_sent"
    """Refused before it reached the network; doesn't count."""
    RELEASED = "released"
    """Certainly never executed; doesn't count."""
    HELD = "held"
    """Forbidden by a network rule, not made, and so not counted; nothing to do with `fraud_hold`."""

    @property
    def is_counted(self) -> bool:
        """Whether the network counts it as a declined attempt, or may do so."""
        return self is AttemptOutcome.REQUESTED or self is AttemptOutcome.DECLINED


class LedgerEntry(Value):
    """One attempt on one credential. Amount in minor units; codes as the network gave them."""

    recovery_id: str
    key: str
    """Identifies the attempt within the recovery; a repeat has the same key and doesn't count again."""
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
    """The network's fee caused by this attempt, or avoided by a held one. Minor units; None if no fee is known."""
    fee_currency: str | None = None


class Credential(Value):
    """The card and amount about to be charged. Without a fingerprint only the recovery's own attempts count."""

    provider: str
    recovery_id: str
    fingerprint: str | None = None
    network: str | None = None
    amount: int = 0
    currency: str = ""


class NetworkLimit(Value):
    """A network's limit of declined attempts within a window, in force from a day on."""

    network: str
    window: str
    """The window as the policy file names it: 24h, 30d."""
    length: timedelta
    allowed: int
    per_amount: bool
    """Whether attempts of different amounts are counted separately."""
    approval_resets: bool
    """Whether an approval ends the counting of the attempts before it."""
    effective: date
    source: str

    @property
    def name(self) -> str:
        """Its key under `[network_limits]` in the policy file, e.g. `visa_30d`."""
        return f"{self.network}_{self.window}"


class StopRule(Value):
    """An answer of the network after which the credential must never be charged again."""

    network: str
    kind: str
    code: str
    reason: str
    source: str


class NetworkFee(Value):
    """A network's fee for one attempt over a limit or after a stop, in minor units, in force from a day on."""

    network: str
    kind: str
    amount: int
    currency: str
    effective: date
    source: str


class LimitUsage(Value):
    """How far one limit is used at a moment."""

    rule: str
    seconds: int
    allowed: int
    used: int
    left: int
    free_at: datetime | None = None
    """When the next attempt is possible; None: now."""
    per_amount: bool = False
    source: str = ""


class Verdict(Value):
    """Whether an attempt is allowed at a moment, and how far each limit is used."""

    windows: tuple[LimitUsage, ...] = ()
    never: str | None = None
    """The stop rule's reason if this credential must never be charged again."""

    @property
    def is_allowed(self) -> bool:
        """Whether no stop rule and no used-up limit forbids the attempt."""
        return self.never is None and self.binding is None

    @property
    def binding(self) -> LimitUsage | None:
        """The used-up limit that is the last to allow an attempt again; None if none is used up."""
        # Name and usage break ties, so that the same attempts always name the same rule.
        full = [(window.free_at, window.rule, window) for window in self.windows if window.free_at]
        return max(full)[2] if full else None

    @property
    def rule(self) -> str | None:
        """Name of the rule that forbids the attempt; None if it is allowed."""
        return NEVER_AGAIN if self.never else self.binding.rule if self.binding else None


class NetworkRules(Value):
    """All rules of all networks, including past and future versions."""

    limits: tuple[NetworkLimit, ...] = ()
    stops: tuple[StopRule, ...] = ()
    fees: tuple[NetworkFee, ...] = ()

    def limits_in_force(self, network: str | None, on: date) -> tuple[NetworkLimit, ...]:
        """The limits of a network on a day; those of `any` for a network without rules of its own."""
        return tuple(_limit_in_force(dated, on) for dated in self.dated_limits(network))

    def dated_limits(self, network: str | None) -> tuple[tuple[NetworkLimit, ...], ...]:
        """The versions of each of these limits, oldest first."""
        return self._versions_by_network.get(network) or self._versions_by_network.get(ANY_NETWORK, ())

    @cached_property
    def _versions_by_network(self) -> Mapping[str | None, tuple[tuple[NetworkLimit, ...], ...]]:
        """By network: the versions of each of its limits, oldest first."""
        found: dict[str | None, tuple[tuple[NetworkLimit, ...], ...]] = {}
        dated = sorted(self.limits, key=lambda limit: (limit.network, limit.name, limit.effective))
        for (network, _), versions in groupby(dated, key=lambda limit: (limit.network, limit.name)):
            found[network] = (*found.get(network, ()), tuple(versions))
        return found

    def limit_ceilings(self) -> Mapping[str, int]:
        """The highest number that each rule ever allows, by name: a policy may not set more."""
        return {one.name: max(other.allowed for other in self.limits if other.name == one.name) for one in self.limits}

    def lower_limits(self, wanted: Mapping[str, int]) -> "NetworkRules":
        """The same rules with a merchant's own lower limits by name; one above the network's changes nothing."""
        if not wanted:
            return self
        limits = (one.model_copy(update={"allowed": min(one.allowed, wanted[one.name])}) if one.name in wanted else one
                  for one in self.limits)  # fmt: skip
        return self.model_copy(update={"limits": tuple(limits)})

    def find_fee(self, network: str | None, kind: str, on: date) -> NetworkFee | None:
        """The fee for an attempt over a limit (`excess`) or after a stop (`stop`) on a day; None if not published."""
        known = [fee for fee in self.fees if (fee.network, fee.kind) == (network, kind) and fee.effective <= on]
        return max(known, key=lambda fee: fee.effective, default=None)


def _limit_in_force(dated: Sequence[NetworkLimit], on: date) -> NetworkLimit:
    """The version (of `dated`, oldest first) in force on a day; before the first, the first: counting early is safe."""
    return next((limit for limit in reversed(dated) if limit.effective <= on), dated[0])


def check_attempt(rules: NetworkRules, credential: Credential, tries: Sequence[LedgerEntry], at: datetime) -> Verdict:
    """Whether one more attempt is allowed at `at`. `tries` are all of this credential's attempts, in any order."""
    # The version of the day of the attempt, which may be later than today for a planned one.
    limits = rules.limits_in_force(credential.network, at.date())
    windows = tuple(_limit_usage(limit, _counted_moments(limit, credential, tries), at) for limit in limits)
    return Verdict(windows=windows, never=find_stop_reason(rules, credential, tries))


def is_attempt_allowed(rules: NetworkRules, card: Credential, tries: Sequence[LedgerEntry], at: datetime) -> bool:
    """`check_attempt(…).is_allowed`, without the usage of each limit."""
    limits = rules.limits_in_force(card.network, at.date()) if tries else ()
    used_up = any(_is_used_up(one, _counted_moments(one, card, tries), at) for one in limits)
    return not used_up and find_stop_reason(rules, card, tries) is None


def find_stop_reason(rules: NetworkRules, credential: Credential, tries: Iterable[LedgerEntry]) -> str | None:
    """The reason for which this credential must never be charged again; None if there is none.

    None without a fingerprint too: the attempts may then be those of another card.
    """
    if credential.fingerprint is None:
        return None
    # Only the network's own codes bind: a provider's decline code may mean the same, but is no rule of the network.
    declined = (
        one for one in tries if one.outcome is AttemptOutcome.DECLINED and (one.network_code or one.network_advice)
    )
    return next((stop.reason for one in declined for stop in rules.stops if _matches_stop(stop, one, credential)), None)


def _matches_stop(stop: StopRule, one: LedgerEntry, credential: Credential) -> bool:
    # Providers write codes with and without their leading zero; the table has two characters.
    network = one.network or credential.network
    code = one.network_code if stop.kind == "response_code" else one.network_advice
    return (code or "").strip().upper().zfill(2) == stop.code and stop.network in {ANY_NETWORK, network or stop.network}


def _counted_moments(limit: NetworkLimit, credential: Credential, tries: Sequence[LedgerEntry]) -> list[datetime]:
    """The times of the attempts that this limit counts, newest first."""
    mine = [one for one in tries if not limit.per_amount or _is_same_amount(one, credential)]
    approvals = [one.at for one in mine if one.outcome is AttemptOutcome.APPROVED] if limit.approval_resets else []
    since = max(approvals, default=None)
    counted = (one.at for one in mine if one.outcome.is_counted and (since is None or one.at > since))
    return sorted(counted, reverse=True)


def _is_same_amount(one: LedgerEntry, credential: Credential) -> bool:
    return (one.amount, one.currency.upper()) == (credential.amount, credential.currency.upper())


def _is_used_up(limit: NetworkLimit, counted: Sequence[datetime], at: datetime) -> bool:
    """Whether no further attempt is allowed at `at`; `counted` are those that the limit counts, newest first."""
    # Once the attempt at index `allowed - 1` leaves the window, fewer than `allowed` are inside.
    return len(counted) >= limit.allowed and counted[limit.allowed - 1] > at - limit.length


def _limit_usage(limit: NetworkLimit, counted: Sequence[datetime], at: datetime) -> LimitUsage:
    inside = [moment for moment in counted if moment > at - limit.length]
    return LimitUsage(
        rule=limit.name,
        seconds=int(limit.length.total_seconds()),
        allowed=limit.allowed,
        used=len(inside),
        left=max(limit.allowed - len(inside), 0),
        free_at=counted[limit.allowed - 1] + limit.length if _is_used_up(limit, counted, at) else None,
        per_amount=limit.per_amount,
        source=limit.source,
    )


def find_free_moment(
    rules: NetworkRules, credential: Credential, tries: Sequence[LedgerEntry], at: datetime
) -> datetime | None:
    """The earliest moment from `at` on at which an attempt is allowed, if none is made before; None: never."""
    if find_stop_reason(rules, credential, tries):
        return None
    limits = [one for dated in rules.dated_limits(credential.network) for one in dated]
    counted = {(one.window, one.effective): _counted_moments(one, credential, tries) for one in limits}
    # The verdict changes only when an attempt leaves a window or a rule begins: only these moments are checked.
    leaving = {one.at + length for one in tries for length in {limit.length for limit in limits}}
    dawns = {datetime(*limit.effective.timetuple()[:3], tzinfo=at.tzinfo) for limit in limits}
    later = sorted(moment for moment in leaving | dawns if moment > at)
    in_force = ((moment, rules.limits_in_force(credential.network, moment.date())) for moment in (at, *later))
    free = (
        at for at, mine in in_force if not any(_is_used_up(one, counted[one.window, one.effective], at) for one in mine)
    )
    return next(free, None)


def fee_of(rules: NetworkRules, credential: Credential, verdict: Verdict, at: datetime) -> NetworkFee | None:
    """The fee for an attempt that this verdict forbids; None if it is allowed, or no fee is published."""
    if verdict.is_allowed:
        return None
    return rules.find_fee(credential.network, "stop" if verdict.never else "excess", at.date())
