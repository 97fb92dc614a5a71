"""The card networks' rules over many plans: arrays find the few cards that are near a limit, the live code judges."""

from typing import NamedTuple

from core.events import Trigger
from core.payments import Failure
from core.retry.network_rules import (
    AttemptOutcome,
    Credential,
    LedgerEntry,
    NetworkRules,
    check_attempt,
    fee_of,
    find_free_moment,
)
from simulator.telling import to_utc_datetime


class LimitedPlan(NamedTuple):
    """What the rules make of one plan."""

    at: int | None
    """When it may be instead; None: not within the window."""
    fee: int
    """Avoided, minor units."""


class CardTries(NamedTuple):
    """One card and its tries that count, seconds since 1970."""

    network: str | None
    amount: int
    currency: str
    tries: tuple[int, ...]
    failure: Failure
    """What its newest tries were answered with."""


def limit_plan(rules: NetworkRules, card: CardTries, planned: int, ends: int) -> LimitedPlan | None:
    """None where the plan is allowed."""
    credential, tries = _to_credential(card), _to_ledger_entries(card)
    verdict = check_attempt(rules, credential, tries, to_utc_datetime(planned))
    if verdict.is_allowed:
        return None
    free = find_free_moment(rules, credential, tries, to_utc_datetime(planned))
    fee = fee_of(rules, credential, verdict, to_utc_datetime(planned))
    at = int(free.timestamp()) if free else None
    return LimitedPlan(at if at is not None and at <= ends else None, fee.amount if fee else 0)


def excess_try_fee(rules: NetworkRules, card: CardTries, at: int) -> int:
    """What a try at that moment costs because it is one too many; `card` holds the earlier ones."""
    credential, tries = _to_credential(card), _to_ledger_entries(card)
    fee = fee_of(rules, credential, check_attempt(rules, credential, tries, to_utc_datetime(at)), to_utc_datetime(at))
    return fee.amount if fee else 0


def _to_credential(card: CardTries) -> Credential:
    return Credential(
        provider="simulated",
        recovery_id="simulated",
        fingerprint="card",
        network=card.network,
        amount=card.amount,
        currency=card.currency,
    )


def _to_ledger_entries(card: CardTries) -> tuple[LedgerEntry, ...]:
    """As the ledger holds them; one answer is enough to tell what all of them were."""
    return tuple(
        LedgerEntry.model_construct(
            recovery_id="simulated",
            key=str(number),
            provider="simulated",
            fingerprint="card",
            network=card.network,
            amount=card.amount,
            currency=card.currency,
            at=to_utc_datetime(at),
            trigger=Trigger.PROVIDER.value,
            outcome=AttemptOutcome.DECLINED,
            network_code=card.failure.network_code if number == 0 else None,
            network_advice=card.failure.network_advice if number == 0 else None,
        )
        for number, at in enumerate(card.tries)
    )
